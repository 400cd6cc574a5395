"""`ih batch`: every row of a file is explained into a store, and the same command continues it."""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ihcli.cli.settings import FLAGS, Settings, configured
from ihcli.counting import counted
from ihcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ihcli.console import Consoles
    from ihcli.corpus.batch_run import Tally
    from ihcli.corpus.local_engine import CorpusEngine
    from ihcli.pipeline import Explainer

_NOT_OF_A_BATCH = ("spans", "engine", "out", "formats", "diagonal")
"""Flags for one text and its files; `--engine` is another one here."""


@configured(*(name for name in FLAGS if name not in _NOT_OF_A_BATCH))
def batch(
    source: Annotated[str, typer.Argument(help="the rows; - reads standard input, a text a line", metavar="FILE|-")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the run's store: new, or to continue", metavar="RUN")],
    text_column: Annotated[
        str | None,
        typer.Option("--text-column", help="column of the text (default: text, or the only one)", metavar="NAME"),
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option("--pair-column", help="second text, for models that read two", metavar="NAME")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="the name of a row", metavar="NAME")] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="a .csv or .tsv without names: columns are numbers from 1")
    ] = False,
    file_format: Annotated[
        Literal["txt", "jsonl", "csv", "tsv", "parquet"] | None,
        typer.Option("--format", help="how FILE is read (default: by its file extension)", show_default=False),
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
        typer.Option("--workers", help="worker processes (default: from cores and memory)", min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="every new result as one line of JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no notes")] = False,
    *,
    settings: Settings,
) -> None:
    """Explain every row of a .txt, .jsonl, .csv, .tsv or .parquet file into a store.

    The same command continues a run that was stopped, killed or interrupted. A row that cannot be explained becomes an
    error row and does not stop the others; the command then exits with 5.
    """
    config = settings.load().config

    from ihcli.corpus.processes import keep_few_kernels

    keep_few_kernels()

    from ihcli.cli.batch_progress import BatchProgress
    from ihcli.console import consoles, warnings_shown
    from ihcli.corpus.batch_run import BatchJob, run
    from ihcli.corpus.readers import Columns, is_stream, read_rows
    from ihcli.corpus.store import require_store_possible

    columns = Columns(text_column, pair_column, id_column, header=not no_header)
    job = BatchJob(source, out, columns, file_format, None if shard is None else parse_shard(shard), retry_failed)
    # Errors of the input and of the store are reported before the model is loaded.
    if not is_stream(source):
        read_rows(source, columns, file_format).close()
    require_store_possible(out)

    to = consoles(quiet=quiet)
    shown = BatchProgress(to, as_json=as_json)
    with warnings_shown(to), shown:
        from ihcli.pipeline import Explainer

        explainer = Explainer(config)
        tally = run(job, explainer, engine_named(engine, explainer, workers), shown.update)
    _report_end(to, tally, out)
    if tally.all_failed:
        raise typer.Exit(ExitCode.FAILED_ROWS)
    if tally.all_not_converged:
        raise typer.Exit(ExitCode.NOT_CONVERGED)


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of `i/n`; raises `UsageError`."""
    from ihcli.corpus.store_manifest import MOST_SHARDS

    match = re.fullmatch(r"0*([0-9]{1,9})/0*([0-9]{1,9})", text)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count <= MOST_SHARDS:
        message = f"--shard {text!r:.60}: write I/N with I from 1 to N, and N at most {MOST_SHARDS}, for example 2/8."
        raise UsageError(message)
    return index, count


def engine_named(name: str, explainer: "Explainer", workers: int | None) -> "CorpusEngine":
    """The engine `local` or `ray`; raises `UsageError` where Ray is not installed."""
    if name == "ray":
        from ihcli.corpus.cluster import RayEngine

        return RayEngine(explainer, workers)
    from ihcli.corpus.processes import ProcessEngine

    return ProcessEngine(explainer, workers)


def _report_end(to: "Consoles", tally: "Tally", out: Path) -> None:
    """Print what the run did, what the user should know, and the next commands."""
    for note in tally.notes:
        to.warn(note)
    before = f", {tally.already_done} already done" if tally.already_done else ""
    to.note(f"{counted(tally.done, 'row')} explained or tried{before}: {out}")
    if tally.elsewhere:
        rows = f"{counted(tally.elsewhere, 'row')} of {out}"
        to.note(f"Not in this input, but in an earlier version of it or in another: {rows}.")
    if tally.all_not_converged:
        to.note(f"{counted(tally.all_not_converged, 'row')} did not meet the tolerance (not_converged).")
    if tally.all_failed:
        first = f" The first: {tally.first_failure}" if tally.first_failure else ""
        them = "it" if tally.all_failed == 1 else "them"
        to.warn(f"{counted(tally.all_failed, 'row')} failed; --retry-failed tries {them} again.{first}")
    if tally.done + tally.already_done > tally.all_failed:
        run = shlex.quote(str(out))
        to.note(f"Next: ih summarize {run}, ih report {run}, or ih export {run}.")
