"""`ih summarize`: the pairs, words and negations of a whole store."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ihcli.counting import counted
from ihcli.errors import UsageError

if TYPE_CHECKING:
    from ihcli.corpus.summary import Summary


def summarize(
    run: Annotated[Path, typer.Argument(help="the store of an `ih batch`", metavar="RUN")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder for the tables and the figure (default: RUN-summary)", metavar="DIR"),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="rows of each table for each label", metavar="K")] = 1000,
    by: Annotated[
        Literal["magnitude", "mean", "count"],
        typer.Option("--by", help="rank rows by the sum of magnitudes, the magnitude of the mean, or the count"),
    ] = "magnitude",
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="leave out what occurs less often", metavar="N")
    ] = 1,
    punctuation: Annotated[bool, typer.Option("--punctuation", help="count punctuation too")] = False,
    stop_words: Annotated[
        str,
        typer.Option(
            "--stop-words",
            help="words that are not counted: english (articles, pronouns …), none, or a list with commas",
            metavar="LIST",
        ),
    ] = "english",
    negators: Annotated[
        str, typer.Option("--negators", help="words that negate; n't also as an ending", metavar="LIST")
    ] = "not,never,n't",
    figure: Annotated[
        Literal["png", "svg", "pdf", "none"], typer.Option("--figure", help="format of the figure")
    ] = "png",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document; files only with -o")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
) -> None:
    """Summarize a store: the strongest pairs by predicted label, the most interacting words, words after a negation.

    The store is read as a stream, so it may be larger than memory. With two labels all numbers count towards one of
    them, so that texts with either label can be added.
    """  # fmt: skip
    from ihcli.corpus.exporting import require_outside
    from ihcli.corpus.summary import summarize as summarize_store
    from ihcli.corpus.summary_counts import STOP_WORDS, SummaryOptions
    from ihcli.file_writing import require_folder_possible

    listed = _words(negators)
    if not listed:
        message = f"--negators {negators!r} names no word. Write words with commas between, as in not,never,n't."
        raise UsageError(message)
    stops = {"english": STOP_WORDS, "none": frozenset[str]()}.get(stop_words, frozenset(_words(stop_words)))
    folder = None
    if out is not None or not as_json:
        folder = out or Path(f"{run.resolve()}-summary")
        require_outside(run, folder)
        require_folder_possible(folder)
    options = SummaryOptions(top, by, min_count, punctuation, stops, listed)
    summary = summarize_store(run, options)

    from ihcli.cli.summary_display import show_summary
    from ihcli.console import consoles, warnings_shown, write_json

    to = consoles(quiet=quiet)
    with warnings_shown(to):
        written = [] if folder is None else _write_files(summary, folder, figure, run.resolve().name)
    if as_json:
        from ihcli.corpus.summary_tables import to_document
        from ihcli.text_safety import escape_json

        write_json(escape_json(json.dumps(to_document(summary), ensure_ascii=False, indent=1, allow_nan=False)) + "\n")
    else:
        show_summary(summary, to)
    for path in written:
        to.note(f"wrote {path}")


def _words(listed: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip().casefold() for part in listed.split(",")) if word)


def _write_files(summary: "Summary", folder: Path, figure: str, name: str) -> list[Path]:
    from ihcli.corpus.summary_tables import write_tables

    written = write_tables(summary, folder)
    if figure != "none":
        from ihcli.corpus.summary_figure import alternative_text, draw
        from ihcli.output import figures

        drawn = draw(summary, heading=f"{name}: {counted(summary.explained, 'text')}")
        written.append(
            figures.save(drawn, folder / f"summary.{figure}", 200, alternative_text(summary), follow_links=False)
        )
    return written
