"""`ih merge`: the stores of several shards as one."""

from pathlib import Path
from typing import Annotated

import typer

_LISTED = 8


def merge(
    shards: Annotated[list[Path], typer.Argument(help="stores made with `ih batch --shard`", metavar="SHARD...")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the new store", metavar="RUN")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")] = False,
) -> None:
    """Join the stores of shards into one; the shards stay as they are.

    Stores made with different settings, and stores that hold the same row, are refused. `ih batch` without --shard
    goes on with the joined store where rows are missing.
    """
    del verbose  # the boundary reads it

    from ihcli.corpus.merging import merge as join

    found = join(shards, out)
    if quiet:
        return
    failed = f", {found.failed} of them failed" if found.failed else ""
    typer.echo(f"{found.rows} rows from {len(shards)} stores{failed}: {out}", err=True)
    if found.missing:
        listed = ", ".join(f"{i}/{n}" for i, n in found.missing[:_LISTED])
        more = " …" if len(found.missing) > _LISTED else ""
        typer.echo(
            f"note: the shards {listed}{more} are not among them; `ih batch` without --shard does them.", err=True
        )
