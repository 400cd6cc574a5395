"""`ih diff`: what `ih check` shows of two results or runs, without a verdict."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from ihcli.cli.check import (
    AsJson,
    Atol,
    Html,
    Markdown,
    OtherWeights,
    Quiet,
    ReportOptions,
    Rtol,
    TopK,
    check_flags,
    compared,
    load,
    write_reports,
)
from ihcli.counting import counted
from ihcli.errors import ResultError


def diff(
    a: Annotated[Path, typer.Argument(help="a result.json, a folder of recorded results, or a batch's store")],
    b: Annotated[Path, typer.Argument(help="the same, to compare with A")],
    *,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="configuration file (YAML)")] = None,
    top_k: TopK = None,
    atol: Atol = None,
    rtol: Rtol = None,
    other_weights: OtherWeights = False,
    as_json: AsJson = False,
    markdown: Markdown = None,
    html: Html = None,
    quiet: Quiet = False,
) -> None:
    """Show what differs between two results, folders or stores; exits 0 whatever differs, 2 if a record is damaged."""
    from ihcli.regression.findings import DIFF, Kind

    options = ReportOptions(as_json, None, markdown, html, quiet)
    options.require_possible()
    section = load(config, check_flags(top_k, atol, rtol, other_weights=other_weights)).config.check
    report = dataclasses.replace(compared(a, b, section), terms=DIFF)
    unreadable = {Kind.DAMAGED, Kind.MISSING}
    messages = [finding.message for one in report.comparisons for finding in one.findings if finding.kind in unreadable]
    if messages and len(report.comparisons) == 1:
        raise ResultError(messages[0])
    write_reports(report, options)
    damaged = sum(any(finding.kind is Kind.DAMAGED for finding in one.findings) for one in report.comparisons)
    if damaged:
        texts = counted(len(report.comparisons), "text")
        message = f"{damaged} of {texts} could not be compared: a record is damaged, as listed."
        raise ResultError(message)
