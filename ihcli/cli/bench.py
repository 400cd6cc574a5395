"""`ih bench`: what was published and ours, side by side on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ihcli.cli.settings import Settings, configured
from ihcli.errors import UsageError
from ihcli.file_writing import require_folder_possible


@configured("model", "revision", "dtype", "smoothing", "baseline", "units", "device", "memory", "threads", "engine")
def bench(
    texts: Annotated[
        list[str] | None, typer.Argument(help="texts to measure on (default: three examples)", metavar="[TEXT]…")
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", help="seconds that one measurement may take", metavar="SECONDS")
    ] = 60.0,
    scaling: Annotated[bool, typer.Option("--scaling", help="measure a row against tokens and units instead")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for the data and the plot", metavar="DIR")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress")] = False,
    *,
    settings: Settings,
) -> None:
    """Time the article's and the paper's procedures beside ih, with the true error of each.

    Published procedures take minutes; a measurement that would take longer than the budget is scaled up from a part
    of the work, or from its measured rate of convergence, and says so.
    """
    if budget <= 0:
        message = f"--budget {budget:g} is not a time. Give seconds above 0."
        raise UsageError(message)
    if any(not text.strip() for text in texts or ()):
        message = "A TEXT is blank. Give texts with words, or none for the three examples."
        raise UsageError(message)
    config = settings.load().config
    if out is not None:
        require_folder_possible(out)

    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    from ihcli.benchmarks import report

    found = report.scaling(config) if scaling else report.side_by_side(config, tuple(texts or ()), budget, say)
    if out is not None:
        for path in found.write(out):
            say(f"wrote {path}")
    if as_json:
        typer.echo(json.dumps(found.document, indent=2, ensure_ascii=False))
    else:
        found.show()
