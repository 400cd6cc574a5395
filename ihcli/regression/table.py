"""The report on a terminal."""

import math

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ihcli.regression.findings import Entry, Finding, Report, Severity, one_line, shown

MOST_ROWS = 12
"""Findings shown of one text; JSON, HTML and JUnit hold them all."""
_STYLE = {Severity.REGRESSION: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_MARK = {Severity.REGRESSION: "FAIL", Severity.WARNING: "warn", Severity.INFO: "info"}


def show(report: Report, console: Console, *, details: bool = True) -> None:
    """What differs, text by text, the worst first, then the verdict; `details` off leaves out what passes."""
    failed = report.failed()
    passing = [entry for entry in report.entries if entry.findings and entry not in failed]
    for entry in failed + (passing if details else []):
        _entry(report, entry, console)
    verdict(report, console)


def _entry(report: Report, entry: Entry, console: Console) -> None:
    failing = report.failing(entry)
    word, style = ("FAIL", "bold red") if failing else ("pass", "green")
    label, name = inert(one_line(entry.label, 90)), inert(one_line(entry.name, 60))
    console.print(
        Text.assemble((f"{word} ", style), (label, "bold"), ("" if name == label else f"  {name}", "dim")),
        soft_wrap=True,
    )
    findings = entry.worst_first()
    listed = findings[:MOST_ROWS]
    for finding in listed:
        if not _has_values(finding):
            sentence = f"  {_MARK[finding.severity]} {finding.kind.value}: {one_line(finding.message)}"
            console.print(Text(inert(sentence), style=_STYLE[finding.severity]), soft_wrap=True)
    rows = [finding for finding in listed if _has_values(finding)]
    if rows:
        console.print(Padding(_table(rows), (0, 0, 0, 2)))
    if len(findings) > len(listed):
        console.print(Text(f"  and {len(findings) - len(listed)} more findings", style="dim"))
    if entry.rank is not None and entry.rank.k:
        tau = "all tied" if math.isnan(entry.rank.tau) else f"Kendall's tau {entry.rank.tau:.3f}"
        stayed = f"  strongest {entry.rank.k} pairs: {entry.rank.overlap:.0%} stayed, {tau}"
        console.print(Text(stayed, style="dim"))
    console.print()


def _has_values(finding: Finding) -> bool:
    return finding.old is not None or finding.new is not None


def inert(text: str) -> str:
    """`text` such that no line of a log, however it is folded, reads as a command of a CI system."""
    return text.replace("::", "∷").replace("##", "# #")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("where", overflow="fold")
    for column in ("old", "new"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("allowed", justify="right", no_wrap=True)
    for finding in findings:
        allowed = "" if finding.tolerance is None else f"±{shown(finding.tolerance)}"
        cells = [finding.kind.value, one_line(finding.where, 60), shown(finding.old), shown(finding.new), allowed]
        style = _STYLE[finding.severity]
        table.add_row(*(Text(inert(cell)) for cell in (_MARK[finding.severity], *cells)), style=style)
    return table


def verdict(report: Report, console: Console) -> None:
    """The verdict in one line."""
    style = "bold green" if report.exit_code == 0 else "bold red"
    console.print(Text.assemble((report.verdict.upper(), style), f": {report.summary()}"))
