"""`ih explain --windows`: a long text in windows, each with a folder of its own, and one table of all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.padding import Padding

from ihcli import wording
from ihcli.console import plain, write_json
from ihcli.counting import counted
from ihcli.errors import ExitCode, IhError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from ihcli.attribution.estimate import Estimate
    from ihcli.attribution.evaluation import Progress
    from ihcli.attribution.time_limit import TimeLimit
    from ihcli.config import RunConfig
    from ihcli.console import Consoles
    from ihcli.pipeline import Explainer
    from ihcli.results import Explanation
    from ihcli.windows import Window

_ENDS = 24
"""Characters of the beginning and of the end of a window that the table shows."""


@dataclass(slots=True)
class WindowRun:
    """The windows of one text on their way: what is complete is kept, whatever the next window meets."""

    text: str
    windows: "Sequence[Window]"
    config: "RunConfig"
    writes: bool
    found: "list[Explanation]" = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    failure: IhError | KeyboardInterrupt | None = None

    def estimate(self, explainer: "Explainer") -> "Estimate":
        """What all windows will take, as many times what the first one will."""
        one = explainer.estimate(self.windows[0].text)
        total = one
        for _ in self.windows[1:]:
            total = total.with_another(one)
        return total

    def explain(self, explainer: "Explainer", progress: "Progress", limit: "TimeLimit") -> None:
        """Explain each window and write its files at once; keep the failure that ends it."""
        from ihcli import windows
        from ihcli.output import write_files

        try:
            for window, one in zip(
                self.windows, windows.explained(explainer, self.windows, progress, limit), strict=False
            ):
                self.found.append(one)
                if self.writes:
                    folder, output = self._folder() / window.name, self.config.output
                    write_files(one, folder, output.formats, diagonal=output.diagonal)
                    self.written.append(folder)
        except (IhError, KeyboardInterrupt) as error:
            self.failure = error
        if limit.interrupted and len(self.found) < len(self.windows):
            self.failure = KeyboardInterrupt()

    def finish(self, to: "Consoles", *, as_json: bool) -> None:
        """Show the windows that are complete, write their report, and raise what ended the others."""
        from ihcli.output.report import write_report

        if as_json and self.found:
            write_json("[\n" + ",\n".join(one.to_json().rstrip("\n") for one in self.found) + "\n]\n")
        elif self.found:
            self._show(to.out)
        if self.found and self.writes:
            self.written.append(write_report(self.found, self._folder() / "report.html"))
        if not to.quiet:
            for path in self.written:
                typer.echo(f"wrote {path}", err=True)
        self._say_what_is_missing(to)
        if self.failure is not None:
            raise self.failure
        missed = [w.number for w, one in zip(self.windows, self.found, strict=False) if not one.converged]
        if missed:
            to.warn(f"not converged to the tolerance: {_named(missed)}; their results say by how much.")
            raise typer.Exit(ExitCode.NOT_CONVERGED)

    def _folder(self) -> Path:
        from ihcli.output.naming import folder_of_text

        return folder_of_text(Path(self.config.output.directory), self.text)

    def _show(self, out: "Console") -> None:
        """What the numbers are of, and for each window its words, its prediction, f and its strongest pair."""
        first = self.windows[0]
        out.print(
            plain(
                f"{first.total} {first.kind} in {counted(first.count, 'window')}. Each was read alone: prediction, f "
                "and pairs are of that window, not of the whole text, and pairs between windows are not known."
            )
        )
        for window, one in zip(self.windows, self.found, strict=False):
            place = f"window {window.number}, {window.kind} {window.first + 1}–{window.last}"
            out.print(plain(f"{place}: “{_ends(window.text)}”"))
            out.print(Padding(plain(_finding(one)), (0, 0, 0, 4)))

    def _say_what_is_missing(self, to: "Consoles") -> None:
        missing = [window.number for window in self.windows[len(self.found) :]]
        if missing and self.found:
            to.warn(f"not explained: {_named(missing)} of {len(self.windows)}.")
        if len({one.target.index for one in self.found}) > 1:
            to.note(
                "The windows are predicted differently, and each explains its own label: their signs cannot be "
                "compared. --target LABEL explains the same label in all."
            )


def require_one_label(config: "RunConfig", labels: Sequence[int] | None) -> None:
    """Raise `UsageError` where several labels are asked for in windows."""
    if labels is not None and config.text.windows is not None:
        message = "--windows is for one label. Give --target one of them, or none for the predicted one."
        raise UsageError(message)


def _finding(one: "Explanation") -> str:
    """The prediction, f and the strongest pair of a window, on one line."""
    parts = [
        wording.prediction(one),
        f"{wording.target(one)} {wording.number(one.f_baseline)} to {wording.number(one.f_input)}",
    ]
    if pairs := one.pairs():
        i, j, strength = pairs[0]
        parts.append(f"strongest pair {one.units[i].text} · {one.units[j].text} {wording.number(strength, plus=True)}")
    return "; ".join([*parts, *(["not converged"] * (not one.converged))])


def _named(numbers: Sequence[int]) -> str:
    """`window 3`, `windows 3 to 5` or `windows 1, 3`."""
    if len(numbers) == 1:
        return f"window {numbers[0]}"
    if list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"windows {numbers[0]} to {numbers[-1]}"
    return f"windows {', '.join(map(str, numbers))}"


def _ends(text: str) -> str:
    """The beginning and the end of a window's text."""
    line = " ".join(text.split())
    return line if len(line) <= 2 * _ENDS + 3 else f"{line[:_ENDS].rstrip()} … {line[-_ENDS:].lstrip()}"
