"""Several labels of one text at once: each as alone, and names that cannot be confused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import save
from typer.testing import CliRunner

import ihcli
from ihcli import several_labels
from ihcli.attribution import forward
from ihcli.cli.app import app
from ihcli.errors import TargetError
from ihcli.models.deletion import DeletionGame
from ihcli.models.targets import several

TEXT = "this movie was not bad"
NAMES = {0: "good", 1: "bad, but short", 2: "all in all", 3: "3"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {name: index for index, name in NAMES.items()}
    return save(tmp_path_factory.mktemp("labels"), num_labels=4, id2label=NAMES, label2id=names)


@pytest.mark.parametrize("output", ["logit", "probability", "log-odds"])
def test_each_label_is_explained_as_it_is_alone(model: Path, output: str) -> None:
    config = {"model": {"name": str(model)}, "target": {"output": output}}
    found = ihcli.Explainer(config).explain_labels(TEXT)
    assert [one.target.index for one in found] == [0, 1, 2, 3]
    for index, one in enumerate(found):
        alone = ihcli.explain(TEXT, {**config, "target": {"output": output, "label": f"index:{index}"}})
        assert one.target == alone.target
        assert np.allclose(one.ih, alone.ih, rtol=0, atol=1e-5 * np.abs(alone.ih).max())
        assert np.allclose(one.ig, alone.ig, rtol=0, atol=1e-5 * np.abs(alone.ig).max())
        assert one.removal is not None
        assert alone.removal is not None
        assert one.removal.correlation == pytest.approx(alone.removal.correlation, abs=1e-4)
        again = ihcli.explain(TEXT, one.config)  # what is recorded makes the same result
        assert again.target == one.target


def test_probabilities_of_all_labels_have_matrices_that_cancel(model: Path) -> None:
    found = ihcli.Explainer({"model": {"name": str(model)}, "target": {"output": "probability"}}).explain_labels(TEXT)
    total = sum(np.array(one.ih) for one in found)
    largest = max(np.abs(one.ih).max() for one in found)
    assert np.abs(total).max() <= 0.02 * largest  # Σ_c p_c = 1 has no derivatives
    assert largest > 0


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {0: "no", 1: "yes"}
    ids = {name: index for index, name in names.items()}
    return save(tmp_path_factory.mktemp("two"), "DistilBERT", num_labels=2, id2label=names, label2id=ids)


@pytest.mark.parametrize("output", ["probability", "log-odds"])
def test_the_second_of_two_labels_is_the_negative_and_takes_no_derivatives(
    of_two: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"model": {"name": str(of_two), "smoothing": 5.0}, "target": {"output": output}}
    alone = [ihcli.explain(TEXT, {**config, "target": {"output": output, "label": label}}) for label in ("yes", "no")]
    calls: list[int] = []
    original = several_labels.integrate_paths

    def counted(tasks: Sequence[Any], *arguments: Any) -> Any:
        calls.append(len(tasks))
        return original(tasks, *arguments)

    monkeypatch.setattr(several_labels, "integrate_paths", counted)
    found = ihcli.Explainer(config).explain_labels(TEXT, labels="yes,no")
    assert calls == [1]
    assert np.array_equal(found[0].ih, -found[1].ih)
    for one, other in zip(found, alone, strict=True):
        scale = np.abs(other.ih).max()
        assert (one.target, one.config) == (other.target, other.config)
        assert np.allclose(one.ih, other.ih, rtol=0, atol=1e-4 * scale)
        assert np.allclose(one.ig, other.ig, rtol=0, atol=1e-4 * scale)
        assert one.f_input == pytest.approx(other.f_input, abs=1e-5)
        assert one.f_baseline == pytest.approx(other.f_baseline, abs=1e-5)
        assert one.path is not None
        assert one.path.f[np.argmax(one.path.t)] == pytest.approx(one.f_input, abs=1e-5)
        assert one.certificate.surrogate is not None
        assert other.certificate.surrogate is not None
        assert one.certificate.surrogate.difference_change == pytest.approx(
            other.certificate.surrogate.difference_change, abs=1e-5
        )
        assert one.removal is not None
        assert other.removal is not None
        for mine, theirs in zip(one.removal.pairs, other.removal.pairs, strict=True):
            assert mine.effect == pytest.approx(theirs.effect, abs=1e-5)


def test_plain_logits_of_two_labels_are_no_negatives(of_two: Path) -> None:
    found = ihcli.Explainer({"model": {"name": str(of_two)}}).explain_labels(TEXT)
    largest = np.abs(found[0].ih).max()
    assert np.abs(found[0].ih + found[1].ih).max() > 0.05 * largest
    for one in found:
        alone = ihcli.explain(TEXT, one.config)
        assert np.allclose(one.ih, alone.ih, rtol=0, atol=1e-4 * np.abs(alone.ih).max())


def test_cut_texts_are_evaluated_once_for_all_labels(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    original = DeletionGame.__call__

    def counted(self: DeletionGame, coalitions: object) -> object:
        before = len(self.logits)
        result = original(self, coalitions)  # type: ignore[arg-type]
        counts.append(len(self.logits) - before)
        return result

    monkeypatch.setattr(DeletionGame, "__call__", counted)
    explainer = ihcli.Explainer({"model": {"name": str(model)}})
    explainer.explain_labels(TEXT, labels=["good"])
    alone = sum(counts)
    counts.clear()
    explainer.explain_labels(TEXT)
    assert sum(counts) == alone > 0


def test_the_labels_of_a_text_are_traced_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = forward.choose_engine
    monkeypatch.setattr(forward, "choose_engine", lambda *given: calls.append(1) or original(*given))
    explainer = ihcli.Explainer({"model": {"name": str(model)}, "attribution": {"removal": False}})
    first, second = explainer.explain_labels(TEXT), explainer.explain_labels("bad movie was not this")
    assert calls == [1]
    for one in (*first, *second):
        alone = ihcli.explain(one.text, one.config)
        assert np.allclose(one.ih, alone.ih, rtol=0, atol=1e-4 * np.abs(alone.ih).max())


def test_a_name_with_a_comma_is_one_label() -> None:
    labels = list(NAMES.values())
    assert several("bad, but short", labels) is None
    assert several("name:bad, but short", labels) is None
    assert several("predicted", labels) is None
    assert several(2, labels) is None
    assert several("all", labels) == [0, 1, 2, 3]
    assert several("good,3", labels) == [0, 3]
    assert several("all in all, index:1", labels) == [2, 1]
    assert several(["bad, but short", 0], labels) == [1, 0]


@pytest.mark.parametrize(
    ("wanted", "labels", "words"),
    [
        ("all", ["all", "none"], "every label or the label of that name"),
        ("a,a", ["a", "b"], "one twice"),
        ("a,index:0", ["a", "b"], "one twice"),
        ("a,c", ["a", "b"], "no label 'c'"),
        ("a,", ["a", "b"], "no label ''"),
        ([], ["a", "b"], "hold none"),
    ],
)
def test_what_cannot_be_meant_is_refused(wanted: object, labels: list[str], words: str) -> None:
    with pytest.raises(TargetError, match=words):
        several(wanted, labels)  # type: ignore[arg-type]


def test_a_label_called_all_can_still_be_meant() -> None:
    assert several("name:all", ["all", "none"]) is None


def test_the_command_writes_a_folder_for_each_label_and_a_table(model: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["explain", TEXT, "--model", str(model), "--target", "all", "-o", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    files = sorted(tmp_path.glob("*/*/result.json"))
    assert [ihcli.Explanation.load(file).target.label for file in files] == list(NAMES.values())
    assert all(name in ran.stdout for name in NAMES.values())
    assert len(list(tmp_path.glob("*/report.html"))) == 1
    ran = CliRunner().invoke(app, ["explain", TEXT, "--model", str(model), "--target", "3,good", "--json", "-q"])
    assert [document["target"]["label"] for document in json.loads(ran.stdout)] == ["3", "good"]
    ran = CliRunner().invoke(app, ["explain", TEXT, "--model", str(model), "--target", "all", "--against", "good"])
    assert ran.exit_code == 2


def test_a_dry_run_counts_a_matrix_for_each_label(model: Path) -> None:
    command = ["explain", TEXT, "--model", str(model), "--dry-run", "--target"]
    one, two, every = (CliRunner().invoke(app, [*command, label]) for label in ("good", "3,good", "all"))
    assert (one.exit_code, two.exit_code, every.exit_code) == (0, 0, 0), (one.output, two.output, every.output)
    hessians = [int(ran.stdout.split("about ")[1].split()[0]) for ran in (one, two, every)]
    assert hessians == [hessians[0], 2 * hessians[0], len(NAMES) * hessians[0]]
    compared = CliRunner().invoke(app, [*command, "all", "--against", "good"])
    assert compared.exit_code == 2


def test_two_opposite_scores_are_expected_to_take_one_matrix() -> None:
    expected = [
        ihcli.Explainer({"target": {"label": label, "output": output}}).estimate("not bad").nodes
        for output in ("log-odds", "logit")
        for label in ("POSITIVE", "all")
    ]
    assert expected == [expected[0], expected[0], expected[0], 2 * expected[0]]
