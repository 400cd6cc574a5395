"""Seeded mutations of the bundled model, of what is asked of it and of what was recorded: each of them is caught."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.config import CheckSection, load
from ihcli.pipeline import Explainer
from ihcli.regression.findings import Comparison, ComparisonReport, Kind, Severity
from ihcli.regression.gate import judge, match, update
from ihcli.regression.recorded import Recorded, read_recorded
from ihcli.regression.reexplain import Configure, as_recorded, explain_again
from ihcli.results import Explanation

TEXT = "Not a bad film"
BUNDLED = Path(str(files("ihcli"))) / "bundled" / "weights"
WEIGHTS = "model.safetensors"
NUMBERS = {Kind.PROBABILITY, Kind.F_INPUT, Kind.F_BASELINE, Kind.IG, Kind.IH}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model, under the name that the baseline records."""
    folder = tmp_path_factory.mktemp("model")
    for file in BUNDLED.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def recorded(model: Path) -> Explanation:
    """The baseline, explained once; nearly the loosest tolerance, so that what is caught is caught in spite of it."""
    values = {"model": {"name": str(model)}, "attribution": {"tolerance": 0.05}, "runtime": {"threads": 1}}
    return Explainer(values).explain(TEXT)


@pytest.fixture
def file_of(model: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Replaces one file of the model; afterwards the model is what it was."""
    replaced = []

    def replace(name: str, content: bytes) -> None:
        replaced.append(name)
        (model / name).unlink()
        (model / name).write_bytes(content)

    yield replace
    for name in replaced:
        (model / name).unlink()
        (model / name).symlink_to(BUNDLED / name)


def as_it_was(**flags: Any) -> Configure:
    """The recorded configuration, whose model is trusted, with some settings given by flags."""
    given = {key.replace("__", "."): ("flag", value) for key, value in flags.items()}
    return as_recorded(load(None, given, environ={}), trusted=True)


def gate(
    recorded: Explanation, configure: Configure | None = None, **section: Any
) -> tuple[Comparison, ComparisonReport]:
    """One command as CI runs it: the recorded text explained again and compared."""
    old = [Recorded("text", None, recorded)]
    new = explain_again(old, configure or as_it_was(), Explainer)
    report = judge(match(old, new), CheckSection(**section))
    return report.comparisons[0], report


def regressions(comparison: Comparison) -> set[Kind]:
    return comparison.kinds(Severity.REGRESSION)


# --- the same model passes ---


@pytest.mark.parametrize("runtime", [{"threads": 1}, {"threads": 2}, {"threads": 1, "memory": "12MB"}])
def test_the_same_model_passes_with_other_threads_and_chunks(recorded: Explanation, runtime: dict[str, Any]) -> None:
    entry, report = gate(recorded, as_it_was(**{f"runtime__{key}": value for key, value in runtime.items()}))
    assert report.exit_code == 0
    assert {finding.severity for finding in entry.findings} <= {Severity.INFO}
    assert entry.new is not None
    assert entry.new.config is not None
    assert entry.new.config["runtime"]["memory"] == runtime.get("memory", "auto")


# --- another model ---


def scaled(name: str) -> bytes:
    """The model's weights with one tensor times 1.02."""
    tensors = load_file(BUNDLED / WEIGHTS)
    tensors[name] = (tensors[name].double() * 1.02).to(tensors[name].dtype)
    return save(tensors, metadata={"format": "pt"})


@pytest.mark.parametrize("seed", range(2))
def test_a_scaled_weight_is_caught(recorded: Explanation, file_of: Callable[[str, bytes], None], seed: int) -> None:
    names = sorted(load_file(BUNDLED / WEIGHTS))
    file_of(WEIGHTS, scaled(names[int(np.random.default_rng(seed).integers(len(names)))]))
    entry, report = gate(recorded)
    assert report.exit_code == 1
    assert Kind.MODEL in regressions(entry)


@pytest.mark.parametrize("name", ["classifier.weight", "bert.encoder.layer.3.attention.self.value.weight"])
def test_the_numbers_show_a_scaled_weight_where_other_weights_are_allowed(
    recorded: Explanation, file_of: Callable[[str, bytes], None], name: str
) -> None:
    file_of(WEIGHTS, scaled(name))
    entry, report = gate(recorded, other_weights=True)
    assert report.exit_code == 1
    assert Kind.MODEL not in regressions(entry)
    assert regressions(entry) & NUMBERS


def test_swapped_labels_are_caught(recorded: Explanation, file_of: Callable[[str, bytes], None]) -> None:
    settings = json.loads((BUNDLED / "config.json").read_text())
    settings["id2label"] = {"0": "POSITIVE", "1": "NEGATIVE"}
    settings["label2id"] = {"POSITIVE": 0, "NEGATIVE": 1}
    file_of("config.json", json.dumps(settings).encode())
    entry, _ = gate(recorded)
    assert {Kind.PREDICTION, Kind.PROBABILITY, Kind.TARGET} <= regressions(entry)


def test_a_tokenizer_that_keeps_capitals_is_caught(
    recorded: Explanation, file_of: Callable[[str, bytes], None]
) -> None:
    tokenizer = json.loads((BUNDLED / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    file_of("tokenizer.json", json.dumps(tokenizer).encode())
    settings = json.loads((BUNDLED / "tokenizer_config.json").read_text())
    file_of("tokenizer_config.json", json.dumps({**settings, "do_lower_case": False}).encode())
    entry, _ = gate(recorded)
    finding = next(f for f in entry.findings if f.kind is Kind.TOKENIZER)
    assert finding.severity is Severity.REGRESSION
    assert "Not" in finding.message


# --- another question ---


@pytest.mark.parametrize(
    ("key", "value"), [("baseline.kind", "mask"), ("attribution.formulation", "article"), ("units.kind", "token")]
)
def test_another_question_is_caught(recorded: Explanation, key: str, value: str) -> None:
    entry, report = gate(recorded, as_it_was(**{key.replace(".", "__"): value}))
    found = [f for f in entry.findings if f.severity is Severity.REGRESSION and key in f.where]
    assert [(f.kind, f.new) for f in found] == [(Kind.CONFIGURATION, value)]
    assert report.exit_code == 1


# --- another record ---


@pytest.fixture
def baselines(recorded: Explanation, tmp_path: Path) -> Path:
    folder = tmp_path / "baselines"
    for name in ("one", "two"):
        recorded.save(folder / name)
    records = read_recorded(folder, "baseline")
    assert update(judge([(record, record) for record in records], CheckSection()), folder).listed == 2
    return folder


def judged(baselines: Path) -> ComparisonReport:
    """The baselines against what the model says now, which is what they hold."""
    old = read_recorded(baselines, "baseline")
    new = [Recorded(record.name, None, record.explanation) for record in old if record.explanation is not None]
    return judge(match(old, new), CheckSection())


def test_untouched_baselines_pass(baselines: Path) -> None:
    assert judged(baselines).exit_code == 0


@pytest.mark.parametrize("seed", range(6))
def test_an_entry_edited_by_three_percent_of_the_largest_is_caught(
    baselines: Path, recorded: Explanation, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    file = baselines / "one" / "result.json"
    document = json.loads(file.read_text())
    i, j = rng.integers(0, len(document["ih"]), 2)
    edited = document["ih"][i][j] + rng.choice([-1, 1]) * 0.03 * np.abs(recorded.ih).max()
    document["ih"][i][j] = document["ih"][j][i] = float(edited)
    file.write_text(json.dumps(document))
    report = judge([(read_recorded(file, "baseline")[0], Recorded("one", None, recorded))], CheckSection())
    assert Kind.INCONSISTENT in regressions(report.comparisons[0])
    assert report.exit_code == 1


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (lambda file: file.unlink(), Kind.MISSING, "is gone"),
        (lambda file: (file.unlink(), file.parent.rmdir()), Kind.MISSING, "is gone"),
        (lambda file: file.write_bytes(file.read_bytes()[:-200]), Kind.DAMAGED, "is not JSON"),
        (lambda file: file.write_text("POSITIVE"), Kind.DAMAGED, "is not JSON"),
        (lambda file: file.write_text('{"text": "Not a bad film"}'), Kind.DAMAGED, "is not a result of `ih explain`"),
    ],
)
def test_a_lost_or_broken_baseline_is_said_to_be(
    baselines: Path, damage: Callable[[Path], object], kind: Kind, words: str
) -> None:
    damage(baselines / "one" / "result.json")
    report = judged(baselines)
    assert report.exit_code == 1
    (finding,) = [f for entry in report.comparisons for f in entry.findings if f.severity is Severity.REGRESSION]
    assert finding.kind is kind
    assert words in finding.message
    shown = CliRunner().invoke(app, ["check", str(baselines), str(baselines / "two")])
    assert shown.exit_code == 1
