"""The command line of the bench."""

import json

import pytest
from architectures import save
from typer.testing import CliRunner

from ihcli.cli.app import app


@pytest.mark.parametrize(("arguments", "message"), [(["--budget", "0"], "--budget"), (["  "], "blank")])
def test_bad_input_is_named(arguments, message):
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_command_runs_every_procedure_on_a_text_of_one_s_own(tmp_path):
    model, out = str(save(tmp_path / "model")), tmp_path / "out"
    result = CliRunner().invoke(
        app, ["bench", "not bad", "--model", model, "--budget", "0.1", "-o", str(out), "--json", "-q", "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (text,) = found["texts"]
    assert {m["procedure"] for m in text["measurements"]} == {
        "ours", "value-zeroing", "article", "article-double", "paper", "product-grid"
    }  # fmt: skip
    for name in ("ours", "value-zeroing"):
        ours = [m for m in text["measurements"] if m["procedure"] == name]
        assert all(m["error"] <= tolerance for m, tolerance in zip(ours, (0.1, 0.01, 0.001), strict=True))
    assert {path.name for path in out.iterdir()} == {"bench.json", "bench.png"}
