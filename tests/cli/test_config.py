import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from ihcli.cli.app import app
from ihcli.config import RunConfig, commented_yaml, json_schema

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["config", *arguments])


def test_what_is_shown_is_a_configuration_with_its_sources(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("model:\n  dtype: float64\n", encoding="utf-8")
    monkeypatch.setenv("IHCLI_TARGET_LABEL", "POSITIVE")
    result = ask("show", "-c", "c.yaml", "--tolerance", "1e-3", "--no-diagonal", "--baseline-text", "off")
    assert result.exit_code == 0
    lines = {line.split(":")[0].strip(): line.partition("  # ")[2] for line in result.stdout.splitlines()}
    assert lines["dtype"] == "c.yaml:2"
    assert lines["label"] == "IHCLI_TARGET_LABEL"
    assert lines["tolerance"] == "--tolerance"
    assert lines["diagonal"] == "--no-diagonal"
    assert lines["seed"] == "default"
    config = RunConfig.of(yaml.safe_load(result.stdout))
    assert (config.model.dtype, config.target.label, config.attribution.tolerance) == ("float64", "POSITIVE", 0.001)
    assert (config.baseline.kind, config.baseline.text) == ("text", "off")


def test_the_same_as_json(ask: Ask) -> None:
    document = json.loads(ask("show", "--json", "--seed", "4").stdout)
    assert RunConfig.of(document["config"]).attribution.seed == 4
    assert document["sources"]["attribution.seed"] == "--seed"


def test_a_wrong_value_is_not_shown(ask: Ask) -> None:
    result = ask("show", "--tolerance", "0")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: --tolerance: attribution.tolerance is 0.0; it must be a number greater")


def test_a_starting_file_is_written_once(ask: Ask, tmp_path: Path) -> None:
    assert ask("init").exit_code == 0
    assert (tmp_path / "ih.yaml").read_text(encoding="utf-8") == commented_yaml()
    (tmp_path / "ih.yaml").write_text("mine", encoding="utf-8")
    again = ask("init")
    assert again.exit_code == 2
    assert again.stderr == ("error: ih.yaml exists already. Choose another name, or replace it with --force.\n")
    assert (tmp_path / "ih.yaml").read_text(encoding="utf-8") == "mine"
    assert ask("init", "--force").exit_code == 0
    assert (tmp_path / "ih.yaml").read_text(encoding="utf-8") == commented_yaml()


def test_a_starting_file_goes_to_stdout_or_elsewhere(ask: Ask, tmp_path: Path) -> None:
    assert ask("init", "-").stdout == commented_yaml()
    assert ask("init", "a/b.yaml").exit_code == 0
    assert (tmp_path / "a/b.yaml").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = ask("init", "file/c.yaml")
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


def test_the_schema_is_json(ask: Ask) -> None:
    assert json.loads(ask("schema").stdout) == json_schema()


def test_a_reader_that_leaves_early_causes_no_noise() -> None:
    command = [sys.executable, "-c", "from ihcli.__main__ import main; main()", "config", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
