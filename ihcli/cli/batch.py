"""`ih batch`: every row of a file to a store that survives, and goes on where it stopped."""

import re
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from ihcli.cli.settings import Settings, configured
from ihcli.errors import UsageError

if TYPE_CHECKING:
    from ihcli.console import Consoles
    from ihcli.corpus.local import Engine
    from ihcli.corpus.records import Outcome
    from ihcli.corpus.running import Tally, Watch
    from ihcli.pipeline import Explainer

NOT_CONVERGED, FAILED_ROWS = 4, 5
EVERY = 30.0
"""Seconds between two lines about the progress, off a terminal."""

EXPLAINING = (
    "model", "revision", "dtype", "smoothing", "target", "against", "output", "baseline", "baseline_text",
    "baseline_file", "units", "tolerance", "formulation", "top", "max_nodes", "engine", "seed", "truncate", "device",
    "memory", "threads",
)  # fmt: skip


@configured(*(name for name in EXPLAINING if name != "engine"))
def batch(
    source: Annotated[str, typer.Argument(help="the rows; - reads standard input, a text a line", metavar="FILE|-")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the run's store: new, or to go on with", metavar="RUN")],
    text_column: Annotated[
        str | None,
        typer.Option("--text-column", help="column of the text (default: text, or the only one)", metavar="NAME"),
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option("--pair-column", help="second text, for models that read two", metavar="NAME")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="what a row is called", metavar="NAME")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="a .csv or .tsv without names: columns are numbers from 1")
    ] = False,
    file_format: Annotated[
        Literal["txt", "jsonl", "csv", "tsv", "parquet"] | None,
        typer.Option("--format", help="how FILE is read (default: by its suffix)", show_default=False),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="try failed rows again")] = False,
    shard: Annotated[
        str | None, typer.Option("--shard", help="only every N-th row, from the I-th (`ih merge` joins)", metavar="I/N")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="this machine, or a Ray cluster (ihcli[ray])")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="processes with a model each (default: what the cores carry)", min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="every new result as one line of JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no notes")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")] = False,
    *,
    settings: Settings,
) -> None:
    """Explain every row of a .txt, .jsonl, .csv, .tsv or .parquet file into a store.

    The same command again goes on where the last one stopped, however it stopped. A row that cannot be explained
    becomes an error row and stops nothing; the command then ends with 5.
    """
    del verbose  # the boundary reads it
    config = settings.load().config

    from ihcli.corpus.processes import keep_few_kernels

    keep_few_kernels()

    from ihcli.corpus.readers import Columns, is_stream, read_rows
    from ihcli.corpus.running import Job, run

    columns = Columns(text_column, pair_column, id_column, header=not no_header)
    job = Job(source, out, columns, file_format, None if shard is None else parse_shard(shard), retry_failed)
    if not is_stream(source):
        read_rows(source, columns, file_format).close()  # what is wrong with it is said before the model is loaded

    from ihcli import console

    to = console.consoles(quiet=quiet)
    shown = Shown(to, as_json=as_json)
    with console.warnings_shown(to), shown:
        from ihcli.pipeline import Explainer

        explainer = Explainer(config)
        tally = run(job, explainer, _engine(engine, explainer, workers), shown.watch)
    _say_the_end(to, tally, out)
    if tally.all_failed:
        raise typer.Exit(FAILED_ROWS)
    if tally.all_not_converged:
        raise typer.Exit(NOT_CONVERGED)


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of `i/n`; raises `UsageError`."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        message = f"--shard {text!r}: write I/N with I from 1 to N, for example 2/8."
        raise UsageError(message)
    return int(match[1]), int(match[2])


def _engine(name: str, explainer: "Explainer", workers: int | None) -> "Engine":
    if name == "ray":
        from ihcli.corpus.cluster import RayEngine

        return RayEngine(explainer, workers)
    from ihcli.corpus.processes import ProcessEngine

    return ProcessEngine(explainer, workers)


class Shown:
    """What a run shows: a bar on a terminal, else a line now and then, and with --json every result."""

    def __init__(self, to: "Consoles", *, as_json: bool) -> None:
        """Show on the standard error of `to`; results go to standard output."""
        self._to = to
        self._as_json = as_json
        self._begun = self._last = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._bars: Any = None
        self._context: AbstractContextManager[Any] = nullcontext()
        if to.err.is_terminal and not to.quiet:
            self._context = self._bars = _bars(to)
            self._task = self._bars.add_task("loading the model", total=None, failed=0, left="", rate="", time="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._context.__exit__(*error)  # type: ignore[arg-type]

    @property
    def watch(self) -> "Watch":
        """To be called after every group."""
        return self._watch

    def _watch(self, tally: "Tally", new: "list[Outcome]") -> None:
        if self._as_json:
            from ihcli.console import write_json
            from ihcli.corpus.exporting import line_of

            for outcome in new:
                write_json(line_of(outcome) + "\n")
            sys.stdout.flush()
        now = time.monotonic()
        rate = self._rate(tally.done, now)
        finished = tally.done + tally.skipped
        total = None if tally.total is None else max(tally.total, finished)
        left = None if total is None else total - finished
        if self._bars is not None:
            self._bars.update(
                self._task, description="explaining", completed=finished, total=total, failed=tally.all_failed,
                left="" if left is None else f"{left} left", rate=f"{rate:.0f} a minute",
                time=f"about {_duration(60 * left / rate)}" if left and rate else "",
            )  # fmt: skip
        elif not self._to.quiet and now - self._last >= EVERY:
            self._last = now
            of = "" if total is None else f" of {total}"
            line = f"{finished}{of} rows done, {tally.all_failed} failed, {rate:.0f} a minute"
            if left and rate:
                line += f", {left} left, about {_duration(60 * left / rate)}"
            self._to.err.print(line, soft_wrap=True)

    def _rate(self, done: int, now: float) -> float:
        """Rows a minute since the first ones came: loading the model is no measure of what is left."""
        if self._first is None:
            self._first = (done, now)
        rows, seconds = done - self._first[0], now - self._first[1]
        return 60 * rows / seconds if rows and seconds > 0 else 60 * done / max(now - self._begun, 1e-9)


def _bars(to: "Consoles") -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[time]}"),  # Rich's own looks back half a minute, in which no group may end
        console=to.err,
        transient=True,
    )


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60)} s"  # noqa: PLR2004


def _say_the_end(to: "Consoles", tally: "Tally", out: Path) -> None:
    before = f", {tally.skipped} were there" if tally.skipped else ""
    to.note(f"{tally.done} rows explained or tried{before}: {out}")
    if tally.elsewhere:
        to.note(
            f"{tally.elsewhere} rows of {out} are not in this input, but in an earlier state of it or in another one."
        )
    if tally.all_not_converged:
        to.note(f"{tally.all_not_converged} rows missed their tolerance; they are marked.")
    if tally.all_failed:
        first = f" The first: {tally.first_failure}" if tally.first_failure else ""
        to.warn(f"{tally.all_failed} rows failed; --retry-failed tries them again.{first}")
