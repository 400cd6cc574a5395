"""`ih diff`: what `ih check` shows of two results or runs, without a verdict for the shell."""

from pathlib import Path
from typing import Annotated

import typer

from ihcli.cli.check import (
    AsJson,
    Atol,
    Html,
    Junit,
    Markdown,
    OtherWeights,
    Quiet,
    Reports,
    Rtol,
    TopK,
    Verbose,
    check_flags,
    compared,
    load,
    write_reports,
)
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
    junit: Junit = None,
    markdown: Markdown = None,
    html: Html = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show what differs between two results, folders or stores; exits 0 whatever differs."""
    del verbose  # the boundary reads it
    report = compared(a, b, load(config, check_flags(top_k, atol, rtol, other_weights=other_weights)).config.check)
    unreadable = report.unreadable()
    if unreadable and len(report.entries) == 1:
        raise ResultError(unreadable[0].message)
    write_reports(report, Reports(as_json, junit, markdown, html, quiet, github=False))
