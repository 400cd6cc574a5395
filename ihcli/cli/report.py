"""`ih report`: one self-contained HTML page of one explanation or a whole run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ihcli.counting import counted
from ihcli.errors import ResultError, UsageError
from ihcli.file_writing import require_file_possible

if TYPE_CHECKING:
    from ihcli.results import Explanation

_PAGES = {".html", ".htm"}


def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="result.json, folder of results, or store of a batch", metavar="RUN|RESULT…"),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="the page to write", metavar="FILE")] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="the page's title", metavar="TEXT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
) -> None:
    """Make one HTML page: words, arcs, matrix and tables of every text, with its certificate.

    The page opens from disk and loads nothing. Rows of a store stand in the order of its input. The same text at word
    and at token level is one entry with a switch.
    """
    if out.suffix.lower() not in _PAGES:
        message = f"-o {out}: the report is an HTML page. Give a name that ends in .html."
        raise UsageError(message)
    require_file_possible(out)

    from ihcli.output.report import write_report

    failed: list[str] = []
    write_report((one for source in results for one in _explanations(source, failed)), out, title=title)
    if quiet:
        return
    if failed:
        rows = counted(len(failed), "failed row has no explanation and is", "failed rows have no explanation and are")
        typer.echo(f"note: {rows} not shown ({failed[0]}).", err=True)
    typer.echo(f"{out}", err=True)


def _explanations(source: Path, failed: list[str]) -> Iterator["Explanation"]:
    """Everything recorded at `source`: results of a folder by name, rows of a store in the order of their input.

    `failed` gets the messages of a store's failed rows.
    """
    from ihcli.regression.recorded import is_store
    from ihcli.results import RESULT, Explanation

    if not source.exists():
        message = f"{source}: no such file or folder. Give a result.json, a folder of results, or a batch's store."
        raise ResultError(message)
    if source.is_file():
        yield Explanation.load(source)
        return
    if is_store(source):
        yield from _stored(source, failed)
        return
    files = sorted(source.rglob(RESULT))
    if not files:
        message = f"{source}: holds no {RESULT}. `ih explain TEXT -o {source}` records one."
        raise ResultError(message)
    for file in files:
        yield Explanation.load(file)


def _stored(store: Path, failed: list[str]) -> Iterator["Explanation"]:
    """The explanations of a store, by input in the order in which inputs were added, then by row."""
    from ihcli.corpus.store_reading import ReadOnlyStore
    from ihcli.text_safety import one_line

    outcomes = list(ReadOnlyStore(store).outcomes())
    inputs = list(dict.fromkeys(outcome.keyed.source for outcome in outcomes))
    for outcome in sorted(outcomes, key=lambda one: (inputs.index(one.keyed.source), one.keyed.row.number)):
        if outcome.explanation is None:
            failed.append(one_line(f"{outcome.keyed.name}: {outcome.error}: {outcome.message}"))
        else:
            yield outcome.explanation
