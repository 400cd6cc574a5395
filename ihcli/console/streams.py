"""The two streams of a terminal, the progress bar, and warnings as lines on standard error.

Text is printed as it is: markup and control characters in it have no effect.
"""

import json
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress_bar import ProgressBar as Bar
from rich.text import Text

from ihcli.console.outlook import Outlook
from ihcli.text_safety import clean_text


@dataclass(frozen=True, slots=True)
class Consoles:
    """Standard output and standard error; `quiet` leaves out notes and progress, never warnings or errors."""

    out: Console
    err: Console
    quiet: bool = False

    def note(self, message: str) -> None:
        """Print a message that only a person needs."""
        if not self.quiet:
            self.err.print(plain(message), style="dim")

    def warn(self, message: str) -> None:
        """Print what the user should know about a result that was made."""
        self.err.print(Text("warning: ", style="bold yellow") + plain(message))

    def error(self, message: str) -> None:
        """Print why there is no result."""
        self.err.print(Text("error: ", style="bold red") + plain(message))


def consoles(*, quiet: bool = False) -> Consoles:
    """Standard output and error; Rich reads `NO_COLOR`, `FORCE_COLOR`, `COLUMNS` and the kind of terminal."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    out = Console(highlight=False, markup=False, emoji=False)
    err = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Consoles(out, err, quiet)


def plain(text: str) -> Text:
    """Text without markup and without control characters, with its line breaks."""
    return Text(clean_text(text))


def write_json(document: str) -> None:
    """Write a JSON document to standard output; characters that its encoding lacks become JSON escapes."""
    document = document.encode("utf-8", "backslashreplace").decode("utf-8")  # lone surrogates
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    if not encoding.startswith("utf"):
        document = re.sub(r"[^\x00-\x7f]", lambda match: json.dumps(match[0])[1:-1], document)
    sys.stdout.write(document)


class _MovingBar(BarColumn):
    """A bar that also moves between two reports, by the time that a phase is expected to take."""

    def render(self, task: Task) -> Bar:
        """The bar of a task."""
        outlook: Outlook | None = task.fields.get("outlook")
        share = None if outlook is None else outlook.share
        return super().render(task) if share is None else Bar(total=1.0, completed=share, width=self.bar_width)


class _Left(ProgressColumn):
    """The time to the end of the phase."""

    def render(self, task: Task) -> Text:
        """Some words, or nothing where it is not known."""
        outlook: Outlook | None = task.fields.get("outlook")
        left = None if outlook is None else outlook.left
        return Text("" if left is None else f"about {left:.0f} s left", style="dim")


class ProgressBar:
    """A progress bar on standard error, called with a description, the steps done and their total.

    Nothing is drawn when quiet or when standard error is no terminal.
    """

    def __init__(self, to: Consoles | None = None, *, quiet: bool = False) -> None:
        """Draw on the standard error of `to`."""
        to = to or consoles(quiet=quiet)
        columns = (
            SpinnerColumn(), TextColumn("{task.description}", markup=False), _MovingBar(), MofNCompleteColumn(), _Left()
        )  # fmt: skip
        hidden = to.quiet or quiet or not to.err.is_terminal
        self._bar = Progress(*columns, TimeElapsedColumn(), console=to.err, transient=True, disable=hidden)
        self._task = self._bar.add_task("starting", total=None, outlook=None)
        self._phase: str | None = None
        self._outlook: Outlook | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` steps are done."""
        if self._outlook is None or (self._phase is not None and what != self._phase):
            self.expect(None)
        self._phase = what
        assert self._outlook is not None  # noqa: S101  (made above)
        self._outlook.report(done, total)
        self._bar.update(self._task, description=what, completed=done, total=total)

    def expect(self, seconds: float | None) -> None:
        """A phase begins that is expected to take so many seconds: the bar moves, and shows the time to its end."""
        self._phase, self._outlook = None, Outlook(seconds)
        self._bar.update(self._task, outlook=self._outlook)


def progress(to: Consoles) -> ProgressBar:
    """The progress bar of these consoles."""
    return ProgressBar(to)


@contextmanager
def warnings_shown(to: Consoles) -> Iterator[None]:
    """Print the Python warnings of the block as one line each on standard error, equal ones once.

    Those that Python hides by default are for the authors of libraries, and are not printed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for hidden in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", hidden)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                to.warn(message)
