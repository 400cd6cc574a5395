"""`ih merge` as a user meets it."""

from pathlib import Path

from corpora import shards
from typer.testing import CliRunner

from ihcli.cli.app import app


def test_the_command_says_what_it_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)
    ran = CliRunner().invoke(app, ["merge", str(first), str(second), "-o", str(tmp_path / "all")])
    assert ran.exit_code == 0, ran.output
    assert "8 rows from 2 stores" in ran.stderr
    assert "missing shards: 3/3; `ih batch` without --shard explains their rows" in ran.stderr
    ran = CliRunner().invoke(app, ["merge", str(first), str(second), "-o", str(tmp_path / "all")])
    assert ran.exit_code == 2
