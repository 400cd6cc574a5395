"""`ih compare`: what it refuses, each with one clear error, and what its table says."""

from pathlib import Path

import pytest
import torch
from architectures import save
from typer.testing import CliRunner

from ihcli.cli.app import app

run = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["not bad", "--methods", "nonsense"], "'nonsense' names the method 'nonsense'; the methods are ih, shapley"),
        (["not bad", "--methods", "ih:nowhere"], "names the baseline 'nowhere'; the baselines are auto, value-zeroing"),
        (["not bad", "--methods", " , "], "No source was given; give METHOD or METHOD:BASELINE"),
        (["superb"], "The text has one unit, 'superb'"),
        (["  "], "TEXT is blank"),
        (["--file", "nowhere.txt"], "nowhere.txt: cannot be read"),
        (["not bad", "--figure", "x.txt", "--methods", "lime"], "a figure is written as .png, .svg or .pdf"),
        (
            ["this movie was not bad", "--evaluations", "3", "--methods", "shapley"],
            "3 evaluations are allowed; a sample of 5 units needs at least 32 for shapley. Raise --evaluations",
        ),
        (
            ["this movie was not bad", "--evaluations", "9", "--methods", "occlusion"],
            "17 evaluations are needed and at most 9 are allowed. Raise --evaluations",
        ),
        (["not bad", "--units", "auto"], "methods are compared on the same units"),
    ],
)
def test_bad_input_has_one_clear_error(arguments: list[str], said: str) -> None:
    shown = run.invoke(app, ["compare", *arguments])
    assert shown.exit_code == 2
    assert said in " ".join(shown.output.split())
    assert shown.output.count("error: ") == 1


def test_a_method_that_the_model_cannot_have_is_named_with_those_that_it_can(tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = str(save(tmp_path, "Mixtral"))
    shown = run.invoke(app, ["compare", "the film is not bad", "--model", folder, "--methods", "shapley,ih,lime"])
    assert shown.exit_code == 3
    said = " ".join(shown.output.split())
    assert "error: ih is not possible: MixtralForSequenceClassification" in said
    assert "--methods shapley,lime." in said


def test_names_of_methods_and_columns_are_not_cut() -> None:
    shown = run.invoke(app, ["compare", "not bad", "--methods", "ih:value-zeroing,ih:masked-attention"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("ih:masked-attention") == 3
    assert "…" not in shown.output
