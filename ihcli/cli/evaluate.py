"""`ih evaluate`: whether explanations predict what removing words does, over a corpus."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ihcli.cli.settings import Settings, configured
from ihcli.counting import counted
from ihcli.errors import ExitCode, InputError, UsageError
from ihcli.file_writing import require_file_possible
from ihcli.runtime.threads import core_use, take_free_cores
from ihcli.text_safety import clean_text

if TYPE_CHECKING:
    from ihcli.evaluation.foreign import ForeignExplanation
    from ihcli.evaluation.running import Judge, Measured
    from ihcli.evaluation.table import EvaluationTable

MOST = 1_000_000
"""Largest number of texts and of coalitions."""
SOURCES = "ih,ih:pad,ih:mask,ih:deletion,shapley,faith-shap,occlusion,lime,kernel-shap"


@configured(
    "model", "revision", "dtype", "smoothing", "target", "against", "output", "units", "tolerance", "seed", "truncate",
    "device", "memory", "threads",
)  # fmt: skip
def evaluate(
    source: Annotated[str, typer.Argument(help="a run or results of ih, or a file of texts", metavar="RUN|FILE")],
    methods: Annotated[
        str, typer.Option("--methods", help="for texts: METHOD or METHOD:BASELINE, separated by commas", metavar="LIST")
    ] = SOURCES,
    rows: Annotated[int | None, typer.Option("--rows", help="measure the first N texts only", min=1, max=MOST)] = None,
    text_column: Annotated[
        str | None, typer.Option("--text-column", help="column that holds the text", metavar="NAME")
    ] = None,
    coalitions: Annotated[
        int, typer.Option("--coalitions", help="coalitions of words that a text is measured over", min=16, max=MOST)
    ] = 512,
    foreign: Annotated[
        Path | None, typer.Option("--foreign", help="explanations of another tool, as JSON", metavar="FILE")
    ] = None,
    randomise: Annotated[
        bool, typer.Option("--randomise", help="also explain a copy of the model with random weights")
    ] = False,
    figure: Annotated[Path | None, typer.Option("--figure", help=".png, .svg or .pdf", metavar="FILE")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="the table with its intervals", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress")] = False,
    *,
    settings: Settings,
) -> None:
    """Judge explanations by removal: explain the texts of FILE by several methods, or measure the recorded ones of RUN.

    Each metric is a mean over texts with a 95 % interval; definitions stand in ihcli/evaluation/README.md.
    """
    started = core_use()
    config = settings.load().config
    _require_possible(figure, csv)

    from ihcli.evaluation.foreign import read_foreign
    from ihcli.evaluation.running import (
        Judge,
        Measured,
        check_randomised,
        evaluate_foreign,
        evaluate_recorded,
        evaluate_texts,
    )  # fmt: skip
    from ihcli.pipeline import Explainer
    from ihcli.sources import sources_of

    take_free_cores(started, config.runtime.threads)
    measured = Measured()
    if source != "-" and not Path(source).exists():
        message = f"{source}: no such file or folder. Give a run or results of ih, or a file of texts."
        raise InputError(message)
    recorded = Path(source).is_dir() or Path(source).suffix == ".json"
    if recorded and randomise:
        message = "--randomise explains texts anew, so it needs a file of texts. Give one, or leave --randomise out."
        raise UsageError(message)
    chosen = sources_of(methods.split(","))
    others = [] if foreign is None else list(read_foreign(foreign))  # what is wrong in it is said before all else
    texts = [] if recorded else list(islice(_texts(source, text_column), rows))
    judge = Judge(Explainer(config), coalitions, config.model.name)
    if foreign is not None:
        known = set(texts) or {
            (one.text, one.text_pair) for _, one in islice(_recorded(Path(source)), rows) if not isinstance(one, str)
        }
        _require_fit(judge, others, known, foreign, source)
    steps = (
        evaluate_recorded(judge, islice(_recorded(Path(source)), rows), measured)
        if recorded
        else evaluate_texts(judge, texts, chosen, measured)
    )
    _show_progress(chain(steps, evaluate_foreign(judge, others, measured)), quiet=quiet)
    if not any(measured.evaluation.table(resamples=2).texts.values()):
        first = measured.failures[0][2] if measured.failures else "it holds no text"
        message = f"{source}: nothing could be measured ({first})."
        raise InputError(message)
    check = check_randomised(judge, texts, chosen[0]) if randomise else None
    _write(measured, check, figure, csv, as_json=as_json)
    for text, name, why in measured.failures[:5]:
        typer.echo(clean_text(f"failed: {name}: {text[:60]!r}: {why}"), err=True)
    if measured.failures:
        raise typer.Exit(ExitCode.FAILED_ROWS)


def _require_fit(
    judge: "Judge",
    foreign: "Iterable[ForeignExplanation]",
    texts: set[tuple[str, str | None]],
    file: Path,
    source: str,
) -> None:
    """Raise `InputError`, before anything is explained, for an explanation of another text or of other words."""
    for one in foreign:
        if (one.text, one.text_pair) not in texts:
            message = (
                f"{file}: explains {one.text[:60]!r}, which is no text of {source} "
                f"({counted(len(texts), 'text')}). Metrics are "
                "compared over the same texts; leave it out, or add the text."
            )
            raise InputError(message)
        try:
            judge.require_fit(one)
        except InputError as error:
            message = f"{file}: {error}"
            raise InputError(message) from error


def _show_progress(steps: Iterable[int], *, quiet: bool) -> None:
    """Go through the steps and show how many were done, on one line that is ended also where a step fails."""
    done = 0
    try:
        for done in steps:
            if not quiet:
                typer.echo(f"\r{counted(done, 'text')} measured", err=True, nl=False)
    finally:
        if done and not quiet:
            typer.echo("", err=True)


def _require_possible(figure: Path | None, csv: Path | None) -> None:
    """Raise `UsageError` or `OutputError`, before anything is computed, where a file cannot be written."""
    if csv is not None:
        require_file_possible(csv)
    if figure is not None:
        from ihcli.output.figures.saving import require_figure_possible

        require_figure_possible(figure)


def _texts(source: str, column: str | None) -> Iterator[tuple[str, str | None]]:
    """The readable texts of a file."""
    from ihcli.corpus.readers import Columns, read_rows

    stream = read_rows(source, Columns(text=column))
    try:
        for row in stream:
            if row.problem is not None:
                raise InputError(row.problem)
            yield row.text, row.text_pair
    finally:
        stream.close()


def _recorded(path: Path) -> Iterator[tuple[str, Any]]:
    """The recorded explanations of a store, of a folder of results, or of one result."""
    from ihcli.corpus import iter_explanations
    from ihcli.results import Explanation

    if (path / "manifest.json").exists():
        yield from iter_explanations(path)
        return
    files = [path] if path.is_file() else sorted(path.rglob("result.json"))
    for file in files:
        yield str(file), Explanation.load(file)


def _write(measured: "Measured", check: Any, figure: Path | None, csv: Path | None, *, as_json: bool) -> None:
    table = measured.evaluation.table()
    if csv is not None:
        from ihcli.file_writing import write_atomically

        write_atomically(csv, table.to_csv().encode("utf-8"))
    if figure is not None:
        _draw(table, figure)
    if as_json:
        document = {
            **table.to_dict(),
            "stability": measured.stabilities,
            "failures": [list(failure) for failure in measured.failures],
        }
        if check is not None:
            document["randomisation"] = check.sentence
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
        return
    typer.echo(table.to_markdown(), nl=False)
    if check is not None:
        typer.echo(f"\n{check.sentence}")


def _draw(table: "EvaluationTable", file: Path) -> None:
    from ihcli.console import consoles, warnings_shown
    from ihcli.evaluation.figure import draw
    from ihcli.output.figures import save

    with warnings_shown(consoles()):
        save(draw(table), file, 150, table.to_markdown())
