"""`ih merge`: the stores of several shards as one."""

from pathlib import Path
from typing import Annotated

import typer

from ihcli.counting import counted

_MOST_NAMED = 8


def merge(
    shards: Annotated[list[Path], typer.Argument(help="stores made with `ih batch --shard`", metavar="SHARD...")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the new store", metavar="RUN")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
) -> None:
    """Join the stores of shards into one; the shards are not changed.

    Stores made with different settings, and stores that have a row in common, are refused. `ih batch` without --shard
    explains the rows that are missing in the joined store.
    """
    from ihcli.corpus.merging import merge as merge_stores

    merged = merge_stores(shards, out)
    if quiet:
        return
    failed = f", {merged.failed} of them failed" if merged.failed else ""
    typer.echo(f"{counted(merged.rows, 'row')} from {counted(len(shards), 'store')}{failed}: {out}", err=True)
    if merged.missing:
        listed = ", ".join(f"{i}/{n}" for i, n in merged.missing[:_MOST_NAMED])
        more = f" and {len(merged.missing) - _MOST_NAMED} more" if len(merged.missing) > _MOST_NAMED else ""
        typer.echo(f"note: missing shards: {listed}{more}; `ih batch` without --shard explains their rows.", err=True)
