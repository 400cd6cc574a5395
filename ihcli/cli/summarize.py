"""`ih summarize`: what a whole store says of pairs, words and negation."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ihcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ihcli.console import Consoles
    from ihcli.corpus.summary import Summary

_SHOWN = 10


def summarize(
    run: Annotated[Path, typer.Argument(help="the store of an `ih batch`", metavar="RUN")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder for the tables and the figure (default: RUN-summary)", metavar="DIR"),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="rows of each table for each label", metavar="K")] = 1000,
    by: Annotated[
        Literal["magnitude", "mean", "count"],
        typer.Option("--by", help="what is strong: the sum of magnitudes, the mean's magnitude, or how often it is"),
    ] = "magnitude",
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="leave out what occurs less often", metavar="N")
    ] = 1,
    hide_punctuation: Annotated[bool, typer.Option("--hide-punctuation", help="leave punctuation out")] = False,
    negators: Annotated[
        str, typer.Option("--negators", help="words that negate; n't also as an ending", metavar="LIST")
    ] = "not,never,n't",
    figure: Annotated[
        Literal["png", "svg", "pdf", "none"], typer.Option("--figure", help="format of the figure")
    ] = "png",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document; files only with -o")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")] = False,
) -> None:
    """Aggregate a store: strongest pairs by predicted label, most interacting words, what negation turns.

    The store is read as a stream, so it may be larger than memory. With two labels all numbers count towards one of
    them, so that texts of both can be added.
    """
    del verbose  # the boundary reads it
    words = tuple(word for word in (part.strip().casefold() for part in negators.split(",")) if word)
    if not words:
        message = f"--negators {negators!r} names no word. Write words with commas between, as in not,never,n't."
        raise UsageError(message)

    from ihcli.corpus.exporting import require_outside
    from ihcli.corpus.summary import Choice
    from ihcli.corpus.summary import summarize as aggregate

    folder = None
    if out is not None or not as_json:
        folder = out or Path(f"{run.resolve()}-summary")
        require_outside(run, folder)
    summary = aggregate(run, Choice(top, by, min_count, not hide_punctuation, words))
    written = [] if folder is None else _write(summary, folder, figure, str(run.resolve().name))

    from ihcli.console import consoles, write_json

    to = consoles(quiet=quiet)
    if as_json:
        from ihcli.corpus.tables import to_document

        write_json(json.dumps(to_document(summary, top), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    else:
        _show(summary, to)
    for path in written:
        to.note(f"wrote {path}")


def _write(summary: "Summary", folder: Path, figure: str, name: str) -> list[Path]:
    from ihcli.corpus.tables import write_tables

    written = write_tables(summary, folder)
    if figure != "none":
        from ihcli.corpus.summary_figure import alternative_text, draw
        from ihcli.output import figures

        drawn = draw(summary, heading=f"{name}: {summary.explained} texts")
        written.append(figures.save(drawn, folder / f"summary.{figure}", 200, alternative_text(summary)))
    return written


def _show(summary: "Summary", to: "Consoles") -> None:
    """The first rows of each table, by label."""
    from ihcli.wording import number

    failed = f", {summary.failed} failed" if summary.failed else ""
    towards = "the label that each text's f explains" if summary.towards is None else summary.towards
    to.out.print(f"{summary.explained} texts explained{failed}. Positive numbers speak for {towards}.")
    for label in summary.labels:
        pairs = [pair for pair in summary.pairs if pair.prediction == label][:_SHOWN]
        where = "all texts" if label == summary.labels[0] else f"{summary.predictions[label]} predicted {label}"
        _table(
            to,
            f"Strongest pairs, {where}",
            ("pair", "times", "mean", "sum of |Γ|", "same sign"),
            (
                (
                    " · ".join(p.words),
                    str(p.count),
                    number(p.mean, plus=True),
                    number(p.magnitude),
                    f"{p.sign_agreement:.0%}",
                )
                for p in pairs
            ),
        )
    first = summary.labels[0]
    _table(
        to,
        "Most interacting words",
        ("word", "times", "sum of |Γ|", "attribution", "most with"),
        (
            (w.word, str(w.count), number(w.magnitude), number(w.ig, plus=True), w.partner or "")
            for w in [word for word in summary.words if word.prediction == first][:_SHOWN]
        ),
    )
    _table(
        to,
        "After a negation",
        ("negation", "word", "times", "Γ with it", "attribution", "elsewhere", "turns"),
        (
            (
                n.negator,
                n.word,
                str(n.count),
                number(n.mean, plus=True),
                number(n.ig, plus=True),
                "" if n.ig_elsewhere is None else number(n.ig_elsewhere, plus=True),
                {True: "yes", False: "no", None: ""}[n.turns],
            )
            for n in [one for one in summary.negations if one.prediction == first][:_SHOWN]
        ),
    )


def _table(to: "Consoles", title: str, header: "Sequence[str]", rows: "Iterable[Sequence[str]]") -> None:
    from rich.table import Table

    from ihcli.console import plain

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    texts = {"pair", "word", "most with", "negation", "turns"}
    for name in header:
        table.add_column(name, justify="left" if name in texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    if table.row_count:
        to.out.print()
        to.out.print(table)
