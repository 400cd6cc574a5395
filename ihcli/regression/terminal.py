"""The report on a terminal."""

import math

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ihcli.regression.findings import Comparison, ComparisonReport, Finding, Severity, Terms, shown
from ihcli.text_safety import one_line, without_log_commands

MOST_ROWS = 12
"""Findings shown of one text; JSON, HTML and JUnit hold them all."""
_STYLE = {Severity.REGRESSION: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


def show(report: ComparisonReport, console: Console) -> None:
    """What differs, text by text, the worst first, then the verdict."""
    failed = report.failed()
    for comparison in failed + [one for one in report.comparisons if one.findings and one not in failed]:
        _comparison(report, comparison, console)
    show_summary(report, console)


def show_summary(report: ComparisonReport, console: Console) -> None:
    """The verdict, where the report gives one, and the counts, in one line."""
    style = "bold green" if report.exit_code == 0 else "bold red"
    verdict = "" if report.verdict is None else f"{report.verdict.upper()}: "
    console.print(Text.assemble((verdict, style), report.summary()))


def show_line(text: str, console: Console, style: str = "") -> None:
    """Text of others on one line, which no CI system takes for a command."""
    console.print(Text(_inert(text), style=style), soft_wrap=True)


def _comparison(report: ComparisonReport, comparison: Comparison, console: Console) -> None:
    terms = report.terms
    word, style = (terms.moved, "bold red") if report.failing(comparison) else (terms.unmoved, "green")
    label, name = _inert(comparison.label, 90), _inert(comparison.name, 60)
    heading = Text.assemble((f"{word} ", style), (label, "bold"), ("" if name == label else f"  {name}", "dim"))
    console.print(heading, soft_wrap=True)
    findings = comparison.worst_first()
    listed = findings[:MOST_ROWS]
    for finding in listed:
        if not finding.has_values:
            sentence = f"{_mark(finding, terms)} {finding.kind.value}: {finding.message}"
            console.print(Text(f"  {_inert(sentence)}", style=_STYLE[finding.severity]), soft_wrap=True)
    rows = [finding for finding in listed if finding.has_values]
    if rows:
        console.print(Padding(_table(rows, terms), (0, 0, 0, 2)))
    if len(findings) > len(listed):
        console.print(Text(f"  and {len(findings) - len(listed)} more findings", style="dim"))
    ranking = comparison.ranking
    if ranking is not None and ranking.k:
        tau = "all tied" if math.isnan(ranking.tau) else f"Kendall's tau {ranking.tau:.3f}"
        console.print(Text(f"  strongest {ranking.k} pairs: {ranking.overlap:.0%} stayed, {tau}", style="dim"))
    console.print()


def _inert(text: str, width: int | None = None) -> str:
    return without_log_commands(one_line(text, width))


def _mark(finding: Finding, terms: Terms) -> str:
    return {Severity.REGRESSION: terms.moved, Severity.WARNING: "warn"}.get(finding.severity, "info")


def _table(findings: list[Finding], terms: Terms) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("where", overflow="fold")
    for column in ("old", "new"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("allowed", justify="right", no_wrap=True)
    for finding in findings:
        allowed = "" if finding.tolerance is None else f"±{shown(finding.tolerance)}"
        values = one_line(finding.where, 60), shown(finding.old), shown(finding.new), allowed
        cells = (_mark(finding, terms), finding.kind.value, *values)
        table.add_row(*(Text(_inert(cell)) for cell in cells), style=_STYLE[finding.severity])
    return table
