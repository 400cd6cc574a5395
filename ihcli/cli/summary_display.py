"""The tables of a summary in the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from ihcli.console import Consoles, plain
from ihcli.counting import counted
from ihcli.wording import number

if TYPE_CHECKING:
    from ihcli.corpus.summary import Summary

_ROWS = 10
_TEXT_COLUMNS = {"pair", "word", "most with", "negation", "sign turns"}


def show_summary(summary: "Summary", to: Consoles) -> None:
    """Print the first rows of each table on standard output, pairs by predicted label."""
    summary = summary.first(_ROWS)
    failed = f", {summary.failed} failed" if summary.failed else ""
    texts = counted(summary.explained, "text")
    introduction = f"{texts} explained{failed}. {summary.meaning_of_sign} {summary.not_counted}"
    to.out.print(plain(introduction.rstrip()))
    every = summary.labels[0]
    for label in summary.labels:
        where = summary.texts_of(label)
        pairs = (
            (
                " · ".join(p.words), str(p.count), number(p.mean, plus=True), number(p.magnitude),
                f"{p.sign_agreement:.0%}",
            )
            for p in summary.pairs if p.prediction == label
        )  # fmt: skip
        _print_table(to, f"Strongest pairs, {where}", ("pair", "times", "mean", "sum of |Γ|", "same sign"), pairs)
    words = (
        (w.word, str(w.count), number(w.magnitude), number(w.ig, plus=True), w.partner or "")
        for w in summary.words if w.prediction == every
    )  # fmt: skip
    _print_table(to, "Most interacting words", ("word", "times", "sum of |Γ|", "attribution", "most with"), words)
    negations = (
        (
            n.negator, n.word, str(n.count), number(n.mean, plus=True), number(n.ig, plus=True),
            "" if n.ig_elsewhere is None else number(n.ig_elsewhere, plus=True),
            {True: "yes", False: "no", None: ""}[n.turns],
        )
        for n in summary.negations if n.prediction == every
    )  # fmt: skip
    header = ("negation", "word", "times", "Γ with it", "attribution", "elsewhere", "sign turns")
    _print_table(to, "Words after a negation", header, negations)


def _print_table(to: Consoles, title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(
        title=plain(title), title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
    )
    for name in header:
        table.add_column(name, justify="left" if name in _TEXT_COLUMNS else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    if table.row_count:
        to.out.print()
        to.out.print(table)
