"""`ih inspect` on tiny models of several families: what they are, what is checked, and what they would cost."""

import hashlib
import json
from pathlib import Path

import pytest
from architectures import save
from typer.testing import CliRunner, Result

from ihcli.cli.app import app

CHECKS = {"parity", "jumps", "kinks", "head", "labels", "limit", "dtype", "attention", "tokenizer", "batching",
          "second derivatives"}  # fmt: skip


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {0: "no", 1: "perhaps", 2: "yes"}
    return save(tmp_path_factory.mktemp("distilbert"), "DistilBERT", id2label=names,
                label2id={name: index for index, name in names.items()})  # fmt: skip


def ask(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_what_a_model_is_in_lines(distilbert: Path) -> None:
    result = ask(distilbert)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"{distilbert}: DistilBertForSequenceClassification, float32 on cpu"
    assert lines[1] == f"weights SHA-256 {hashlib.sha256((distilbert / 'model.safetensors').read_bytes()).hexdigest()}"
    names = {line[6:].partition("  ")[0].strip() for line in lines if line.startswith("ok    ")}
    assert names >= CHECKS
    assert "single label: no, perhaps, yes." in result.stdout
    assert "Explaining the sample would cost: 17 units: about " in result.stdout
    assert lines[-1] == "This model can be explained."


def test_the_document_agrees_with_the_model(distilbert: Path) -> None:
    result = ask(distilbert, "--text", "not bad", "--smoothing", "20", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "ihcli.inspection/1"
    assert document["model"]["architecture"] == "DistilBertForSequenceClassification"
    assert document["labels"] == ["no", "perhaps", "yes"]
    assert (document["problem"], document["max_tokens"], document["kinks"]) == ("single_label", 70, ["relu"])
    assert {check["name"] for check in document["checks"] if check["ok"]} >= CHECKS
    kinks = next(check for check in document["checks"] if check["name"] == "kinks")
    assert kinks["detail"].startswith("1 relu: replaced by a softplus")
    assert kinks["detail"].endswith("its sharpness 20.")
    cost = document["cost"]
    assert cost["units"] == 2
    assert (cost["nodes"], cost["products"]) == (11, 22)
    assert cost["seconds"] > 0
    assert document["ok"] is True


def test_a_longer_text_costs_more(distilbert: Path) -> None:
    short, long = (
        json.loads(ask(distilbert, "--text", text, "--json").stdout)["cost"] for text in ("not bad", "not bad " * 10)
    )
    assert (short["units"], long["units"]) == (2, 20)
    assert long["products"] == 10 * short["products"]
    assert long["bytes"] > short["bytes"]


def test_precision_and_name_come_from_the_command_line(distilbert: Path) -> None:
    document = json.loads(ask("-m", distilbert, "--dtype", "float64", "--json").stdout)
    assert (document["model"]["name"], document["model"]["dtype"]) == (str(distilbert), "float64")


def test_one_model_only() -> None:
    result = ask("a", "-m", "b")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: MODEL and --model were both given. Give one of them.\n"


def test_a_mixture_of_experts_is_refused_with_its_reason(tmp_path: Path) -> None:
    save(tmp_path, "Mixtral")
    result = ask(tmp_path)
    assert result.exit_code == 3
    assert "FAIL  jumps" in result.stdout
    assert "topk" in result.stdout
    assert "cost" not in result.stdout
    assert result.stdout.endswith("This model cannot be explained faithfully.\n")
    document = json.loads(ask(tmp_path, "--json").stdout)
    assert (document["ok"], document["cost"], document["engine"]) == (False, None, None)
    assert [check["name"] for check in document["checks"] if not check["ok"]] == ["jumps"]
    explained = CliRunner().invoke(app, ["explain", "not bad", "-m", str(tmp_path), "--json"])
    assert (explained.exit_code, explained.stdout) == (3, "")
    assert explained.stderr.count("\n") == 1
    assert "topk" in explained.stderr


def test_a_text_that_is_too_long_is_no_fault_of_the_model(distilbert: Path) -> None:
    result = ask(distilbert, "--text", "bad " * 80)
    assert result.exit_code == 2
    assert "the model reads at most 70" in result.stderr


@pytest.mark.parametrize(("text", "words"), [("", "--text is empty"), (" \t", "--text is blank")])
def test_a_text_without_words(text: str, words: str) -> None:
    result = ask("bundled", "--text", text)
    assert result.exit_code == 2
    assert words in result.stderr


def test_labels_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    names = {0: "\x1b[2Jno", 1: "\u202eyes", 2: "x"}
    save(tmp_path, id2label=names, label2id={name: index for index, name in names.items()})
    result = ask(tmp_path)
    assert result.exit_code == 3
    assert "U+001B" in result.stderr
    assert not set(result.stdout + result.stderr) & set("\x1b\u202e")
