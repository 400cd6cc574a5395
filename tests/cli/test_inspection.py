import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from architectures import save
from typer.testing import CliRunner, Result

from ihcli.attribution.estimate import Estimate
from ihcli.attribution.forward import EngineChoice
from ihcli.cli.app import app
from ihcli.config import RunConfig
from ihcli.models import Check, Report
from ihcli.results import ModelInfo


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[RunConfig]]:
    configs: list[RunConfig] = []

    def load(config: RunConfig) -> Any:
        configs.append(config)
        ok = config.model.name != "bad"
        return SimpleNamespace(
            info=ModelInfo(config.model.name, None, "Stand", "0" * 64, "float32"),
            problem="single_label",
            labels=("NEGATIVE", "POSITIVE"),
            max_tokens=512,
            device="cpu",
            kinks=("relu",),
            preflight=lambda _, *, thorough: Report((Check("parity", thorough, "Same."), Check("row", ok, "Seen."))),
            cost=lambda _: (EngineChoice("forward", "5 operations", None), Estimate(2, 24, 50, 1.5, 10**6, "forward")),
        )

    monkeypatch.setattr("ihcli.models.load_classifier", load)
    monkeypatch.chdir(tmp_path)
    return configs


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["inspect", *arguments])


def test_a_good_model(asked: list[RunConfig]) -> None:
    result = ask()
    assert result.exit_code == 0, result.stderr
    assert asked[0] == RunConfig()
    assert "bundled: Stand, float32 on cpu" in result.stdout
    assert "ok    parity  Same." in result.stdout
    assert "Engine of second derivatives: forward (5 operations)." in result.stdout
    assert "Explaining the sample would cost: 2 units: about 24 Hessians" in result.stdout
    assert result.stdout.endswith("This model can be explained.\n")


def test_a_bad_model_exits_with_3(asked: list[RunConfig]) -> None:
    result = ask("bad", "--dtype", "float64")
    assert result.exit_code == 3
    assert "FAIL  row     Seen." in result.stdout
    assert "cost" not in result.stdout
    assert result.stdout.endswith("This model cannot be explained faithfully.\n")
    assert asked[0].model.dtype == "float64"


@pytest.mark.parametrize("arguments", [["bad"], ["-m", "bad"]])
def test_the_document(asked: list[RunConfig], arguments: list[str]) -> None:
    result = ask(*arguments, "--json")
    document = json.loads(result.stdout)
    assert document["model"]["name"] == asked[0].model.name == "bad"
    assert document["labels"] == ["NEGATIVE", "POSITIVE"]
    assert document["checks"][1] == {"name": "row", "ok": False, "detail": "Seen."}
    assert (document["ok"], result.exit_code) == (False, 3)


def test_one_model_only(asked: list[RunConfig]) -> None:
    result = ask("a", "-m", "b")
    assert (result.exit_code, asked) == (2, [])
    assert result.stderr == "error: MODEL and --model were both given. Give one of them.\n"


# --- real models --------------------------------------------------------------------------------------------------

CHECKS = ["parity", "jumps", "kinks", "head", "labels", "limit", "dtype", "attention", "tokenizer", "batching",
          "second derivatives"]  # fmt: skip


def test_what_a_real_model_is(tmp_path: Path) -> None:
    save(tmp_path, "DistilBERT", id2label={0: "no", 1: "perhaps", 2: "yes"}, label2id={"no": 0, "perhaps": 1, "yes": 2})
    result = ask(str(tmp_path), "--text", "not bad", "--smoothing", "20", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["model"]["architecture"] == "DistilBertForSequenceClassification"
    assert document["labels"] == ["no", "perhaps", "yes"]
    assert (document["problem"], document["max_tokens"], document["kinks"]) == ("single_label", 70, ["relu"])
    assert [check["name"] for check in document["checks"]] == CHECKS
    assert document["checks"][2]["detail"].startswith("1 relu: replaced by a softplus")
    assert document["engine"]["name"] == "forward"
    assert document["cost"]["units"] == 2
    assert document["cost"]["seconds"] > 0
    assert document["ok"] is True


def test_a_mixture_of_experts_is_refused_with_its_reason(tmp_path: Path) -> None:
    save(tmp_path, "Mixtral")
    result = ask(str(tmp_path))
    assert result.exit_code == 3
    assert "FAIL  jumps" in result.stdout
    assert "by topk), so its score jumps" in result.stdout
    assert "Engine" not in result.stdout
    explained = CliRunner().invoke(app, ["explain", "not bad", "-m", str(tmp_path), "--json"])
    assert (explained.exit_code, explained.stdout) == (3, "")
    assert explained.stderr.count("\n") == 1
    assert "so its score jumps" in explained.stderr


def test_a_text_that_is_too_long_is_no_fault_of_the_model(tmp_path: Path) -> None:
    save(tmp_path)
    result = ask(str(tmp_path), "--text", "bad " * 80)
    assert result.exit_code == 2
    assert "the model reads at most 70" in result.stderr
