"""Progress of a batch: a bar in a terminal, else a line every half minute; with --json every result."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from ihcli.counting import counted

if TYPE_CHECKING:
    from ihcli.console import Consoles
    from ihcli.corpus.batch_run import Tally
    from ihcli.corpus.records import RowOutcome

LINE_SECONDS = 30.0
"""Seconds between two lines where standard error is not a terminal."""


class BatchProgress:
    """Shows the progress on standard error; with `as_json` new results go to standard output."""

    def __init__(self, to: "Consoles", *, as_json: bool) -> None:
        """Show on `to`."""
        self._to = to
        self._as_json = as_json
        self._start = self._last_line = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._bar: Any = None
        self._context: AbstractContextManager[Any] = nullcontext()
        if to.err.is_terminal and not to.quiet:
            self._context = self._bar = _bar(to)
            self._task = self._bar.add_task("loading the model", total=None, failed=0, left="", rate="", time="")

    def __enter__(self) -> Self:
        """Start to draw."""
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def update(self, tally: "Tally", new: "list[RowOutcome]") -> None:
        """Show the counts, and print the new outcomes with --json."""
        if self._as_json:
            self._print_json(new)
        now = time.monotonic()
        finished = tally.done + tally.already_done
        total = None if tally.total is None else max(tally.total, finished)
        left = None if total is None else total - finished
        rate = self._rate(tally.done, now)
        if self._bar is not None:
            self._bar.update(
                self._task, description="explaining", completed=finished, total=total, failed=tally.all_failed,
                left="" if left is None else f"{left} left", rate=f"{rate:.0f} a minute",
                time=f"about {_duration(60 * left / rate)}" if left and rate else "",
            )  # fmt: skip
        elif not self._to.quiet and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            of = "" if total is None else f"{finished} of "
            before = f" ({tally.already_done} before this run)" if tally.already_done else ""
            rows = f"{of}{counted(finished if total is None else total, 'row')}"
            line = f"{rows} done{before}, {tally.all_failed} failed, {rate:.0f} a minute"
            if left and rate:
                line += f", {left} left, about {_duration(60 * left / rate)}"
            self._to.err.print(line, soft_wrap=True)

    def _print_json(self, new: "list[RowOutcome]") -> None:
        from ihcli.console import write_json
        from ihcli.corpus.exporting import json_line

        for outcome in new:
            write_json(json_line(outcome) + "\n")
        sys.stdout.flush()

    def _rate(self, done: int, now: float) -> float:
        """Rows a minute that this run explained since its first group: loading the model says nothing of the rest."""
        if self._first is None:
            self._first = (done, now)
        rows, seconds = done - self._first[0], now - self._first[1]
        return 60 * rows / seconds if rows and seconds > 0 else 60 * done / max(now - self._start, 1e-9)


def _bar(to: "Consoles") -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[time]}"),  # Rich's own estimate looks back 30 s, in which no group may end
        console=to.err,
        transient=True,
    )


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60)} s"  # noqa: PLR2004
