"""The report for CI systems: Markdown, GitHub's step summary and its annotations."""

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from ihcli.errors import OutputError
from ihcli.regression.findings import ComparisonReport, Severity, shown
from ihcli.text_safety import one_line

MOST_ANNOTATIONS = 10
"""GitHub shows at most ten errors of one step."""
MOST_LINES = 60
"""Rows of the Markdown table; a step summary may hold 1 MiB."""
_MARK = {Severity.REGRESSION: "❌", Severity.WARNING: "⚠️"}


def markdown(report: ComparisonReport) -> str:
    """A heading with the verdict and a table of the findings, worst first; safe for any text."""
    icon = "" if report.verdict is None else "✅ " if report.exit_code == 0 else "❌ "
    lines = [f"### {icon}{report.title}", "", report.summary(), ""]
    rows = [
        (comparison, finding)
        for comparison in report.failed() + report.warned()
        for finding in comparison.worst_first()
        if finding.severity is not Severity.INFO
    ]
    if rows:
        lines += ["| | text | what | where | old | new | allowed |", "|---|---|---|---|---:|---:|---:|"]
    for comparison, finding in rows[:MOST_LINES]:
        mark = _MARK[finding.severity] if report.verdict is not None else report.terms.of(finding.severity)
        values = (shown(finding.old), shown(finding.new), shown(finding.tolerance))
        cells = [comparison.label, finding.kind.value, finding.where, *values]
        lines.append(f"| {mark} | " + " | ".join(_cell(one_line(cell, 80)) for cell in cells) + " |")
    if len(rows) > MOST_LINES:
        lines += ["", f"… and {len(rows) - MOST_LINES} more findings; `--json` and `--html` hold them all."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """`text` such that Markdown shows it as it is: no markup, no mention, no end of the cell."""
    escaped = html.escape(text, quote=False)
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]()#!|~@:" else c for c in escaped)


def annotations(report: ComparisonReport) -> list[str]:
    """GitHub's `::error` commands, one a failed text, at most ten, the last of which counts the others."""
    failed = report.failed()
    listed = failed if len(failed) <= MOST_ANNOTATIONS else failed[: MOST_ANNOTATIONS - 1]
    commands = []
    for comparison in listed:
        worst = report.failing(comparison)[0]
        file = "" if comparison.path is None else f"file={_property(one_line(comparison.path.as_posix()))},"
        title = _property(one_line(f"{worst.kind.value}: {comparison.label}", 100))
        commands.append(f"::error {file}title={title}::{_data(worst.line())}")
    if len(failed) > len(listed):
        commands.append(f"::error title=ih check::and {len(failed) - len(listed)} more texts failed")
    return commands


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write_to_github(report: ComparisonReport, stream: TextIO, environ: Mapping[str, str] | None = None) -> None:
    """Where GITHUB_STEP_SUMMARY is set, append the summary to it and print the annotations on `stream`."""
    file = (os.environ if environ is None else environ).get("GITHUB_STEP_SUMMARY")
    if not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown(report))
    except OSError as error:
        message = f"GITHUB_STEP_SUMMARY={file}: cannot be written ({error.strerror or error}). Unset it."
        raise OutputError(message) from error
    for command in annotations(report):
        print(command, file=stream)
