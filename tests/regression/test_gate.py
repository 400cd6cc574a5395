import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation

from ihcli.config import CheckSection, RunConfig
from ihcli.errors import (
    ConfigError,
    DeviceError,
    InputError,
    ModelError,
    NonFiniteError,
    PreflightError,
    ResultError,
    TargetError,
    TextTooLongError,
    UsageError,
)
from ihcli.output import write_files
from ihcli.regression.findings import Kind, Report, Severity
from ihcli.regression.gate import judge, match, update
from ihcli.regression.recorded import INDEX, Recorded, read_index, read_recorded
from ihcli.regression.reexplain import as_recorded, explain_again
from ihcli.results import Explanation

SECTION = CheckSection()
TEXTS = {"a": "this movie was not bad", "b": "a charming disaster", "deep/c": "never again please"}


def explanation(text: str, seed: int = 0, **changes: object) -> Explanation:
    return make_explanation(text=text, seed=seed, **{"config": RunConfig().to_dict(), **changes})


def write(folder: Path, texts: dict[str, str], seed: int = 0) -> Path:
    for name, text in texts.items():
        explanation(text, seed).save(folder / name)
    return folder


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    return write(tmp_path / "baseline", TEXTS)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write(tmp_path / "run", TEXTS)


def check(baseline: Path, run: Path) -> Report:
    return judge(match(read_recorded(baseline, "baseline"), read_recorded(run, "run")), SECTION)


def found(report: Report) -> dict[str, set[Kind]]:
    return {
        entry.name: kinds
        for entry in report.entries
        if (kinds := {f.kind for f in entry.findings if f.severity is Severity.REGRESSION})
    }


def test_a_folder_agrees_with_its_copy(baseline: Path, run: Path) -> None:
    report = check(baseline, run)
    assert [entry.name for entry in report.entries] == ["a", "b", "deep/c"]
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda content: content[: len(content) // 2], "is not JSON"),
        (lambda _: b"", "is not JSON"),
        (lambda _: b"<html>", "is not JSON"),
        (lambda content: content[:100] + b"\xff\xfe" + content[100:], "is not JSON"),
        (lambda _: b"[1, 2]", "schema None"),
        (lambda _: b"null", "schema None"),
        (lambda content: content.replace(b"ihcli.result/1", b"ihcli.result/2"), "upgrade ih"),
        (lambda content: content.replace(b'"row_gap"', b'"row_gab"'), "damaged"),
        (
            lambda content: content.replace(b'"tolerance": 0.01', b'"tolerance": "0.01"'),
            "tolerance is of the wrong type",
        ),
        (lambda content: content.replace(b'"POSITIVE": 0.966', b'"POSITIVE": null'), "probabilities"),
        (lambda content: content.replace(b'"start": 0', b'"start": 0.5'), "unit offsets"),
        (lambda content: json.dumps({**json.loads(content), "config": [1]}).encode(), "config"),
        (lambda content: json.dumps({**json.loads(content), "baseline": "pad"}).encode(), "baseline"),
        (lambda content: json.dumps({**json.loads(content), "units": "none"}).encode(), "damaged"),
        (lambda content: json.dumps({**json.loads(content), "ih": [[1.0]]}).encode(), "shape"),
    ],
)
@pytest.mark.parametrize("side", ["baseline", "run"])
def test_a_damaged_file_is_said_to_be(
    baseline: Path, run: Path, damage: Callable[[bytes], bytes], word: str, side: str
) -> None:
    file = (baseline if side == "baseline" else run) / "b" / "result.json"
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert file.read_bytes() != content
    report = check(baseline, run)
    assert found(report) == {"b": {Kind.DAMAGED}}
    (finding,) = [f for e in report.entries for f in e.findings if f.kind is Kind.DAMAGED]
    assert word in finding.message
    assert str(file) in finding.message
    assert finding.where == side
    assert report.exit_code == 1


def test_entries_without_a_counterpart_are_findings(baseline: Path, run: Path) -> None:
    (run / "a" / "result.json").unlink()
    (baseline / "b" / "result.json").unlink()
    assert found(check(baseline, run)) == {"a": {Kind.NO_COUNTERPART}, "b": {Kind.NEW}}


def test_a_removed_baseline_is_missed_without_a_run(baseline: Path) -> None:
    old = read_recorded(baseline, "baseline")
    report = judge(match(old, old), SECTION)
    assert report.exit_code == 0
    write_files(explanation(TEXTS["a"]), baseline / "a", ("json", "csv"))
    (baseline / "a" / "result.json").unlink()
    records = {record.name: record for record in read_recorded(baseline, "baseline")}
    assert records["a"].problem is not None
    assert records["a"].problem.kind is Kind.MISSING


def test_the_index_of_an_update_misses_a_whole_folder(baseline: Path, run: Path) -> None:
    write(run, {"new": "one more text"})
    update(check(baseline, run), baseline)
    assert read_index(baseline) == ["a", "b", "deep/c", "new"]
    (baseline / "new" / "result.json").unlink()
    (baseline / "new").rmdir()
    old = read_recorded(baseline, "baseline")
    report = judge([(record, record if record.explanation else None) for record in old], SECTION)
    assert found(report) == {"new": {Kind.MISSING}}
    update(report, baseline)
    assert read_index(baseline) == ["a", "b", "deep/c"]


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "other", "entries": []}', '{"schema": "ihcli.baseline/1"}'])
def test_a_damaged_index_is_an_error(baseline: Path, content: str) -> None:
    (baseline / INDEX).write_text(content)
    with pytest.raises(ResultError, match=INDEX):
        read_recorded(baseline, "baseline")


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        read_recorded(tmp_path / "nowhere", "baseline")
    with pytest.raises(InputError, match="holds no result"):
        read_recorded(tmp_path, "baseline")


def test_a_store_is_read_by_the_reader_given(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="ih export"):
        read_recorded(tmp_path, "run")
    rows = [("2", explanation("a text")), ("1", "too long: 600 tokens")]
    records = read_recorded(tmp_path, "run", lambda _: rows)
    assert [record.name for record in records] == ["1", "2"]
    assert records[0].problem is not None
    assert records[0].problem.kind is Kind.NOT_EXPLAINED
    with pytest.raises(InputError, match="empty"):
        read_recorded(tmp_path, "run", lambda _: [])
    with pytest.raises(UsageError, match="only `ih batch` writes"):
        update(Report(()), tmp_path)


def test_texts_are_found_under_other_names_and_twice() -> None:
    def records(*items: tuple[str, str]) -> list[Recorded]:
        return [Recorded(name, None, explanation(text)) for name, text in items]

    pairs = match(
        records(("1", "one text"), ("2", "two texts"), ("3", "one text"), ("4", "four")),
        records(("2", "one text"), ("3", "one text"), ("9", "two texts"), ("4", "five")),
    )
    names = [tuple(side.name if side else None for side in pair) for pair in pairs]
    assert sorted(names, key=str) == sorted([("1", "2"), ("2", "9"), ("3", "3"), ("4", None), (None, "4")], key=str)


def test_update_writes_what_changed_and_what_is_new(baseline: Path, run: Path) -> None:
    write_files(explanation(TEXTS["b"]), baseline / "b", ("json", "csv"))
    write(run, {"b": TEXTS["b"], "new": "one more text"}, seed=5)
    before = {name: (baseline / name / "result.json").stat().st_mtime_ns for name in TEXTS}
    report = check(baseline, run)
    assert set(found(report)) == {"b", "new"}
    done = update(report, baseline)
    assert dict(done.accepted)["new"] == "added"
    assert "ih" in dict(done.accepted)["b"]
    assert done.remaining.exit_code == 0
    assert check(baseline, run).exit_code == 0
    assert (baseline / "b" / "result.json").read_bytes() == (run / "b" / "result.json").read_bytes()
    first = (baseline / "b" / "interactions.csv").read_text().splitlines()[1].split(",")[1]
    assert float(first) == Explanation.load(run / "b").ih[0, 0]
    assert not (baseline / "a" / "interactions.csv").exists()
    untouched = {name: (baseline / name / "result.json").stat().st_mtime_ns for name in TEXTS}
    assert {n for n in TEXTS if before[n] != untouched[n]} == {"b"}


def test_update_new_only_adds(baseline: Path, run: Path) -> None:
    write(run, {"b": TEXTS["b"], "new": "one more text"}, seed=5)
    before = (baseline / "b" / "result.json").read_bytes()
    done = update(check(baseline, run), baseline, only_new=True)
    assert done.accepted == (("new", "added"),)
    assert (baseline / "b" / "result.json").read_bytes() == before
    assert done.remaining.exit_code == 1
    assert set(found(check(baseline, run))) == {"b"}


@pytest.mark.parametrize("only_new", [True, False])
def test_updates_refuse_what_did_not_converge_or_contradicts_itself(baseline: Path, run: Path, only_new: bool) -> None:
    good = explanation("one more text", 3)
    rough = replace(good, certificate=replace(good.certificate, converged=False))
    rough.save(run / "rough")
    wrong = explanation("another text", 3)
    replace(wrong, ig=wrong.ig * 2).save(run / "wrong")
    done = update(check(baseline, run), baseline, only_new=only_new)
    assert done.accepted == ()
    assert [name for name, _ in done.refused] == ["rough", "wrong"]
    assert "did not meet its tolerance" in dict(done.refused)["rough"]
    assert not (baseline / "rough").exists()
    assert not (baseline / "wrong").exists()
    assert done.remaining.exit_code == 1


def test_update_restores_a_damaged_baseline(baseline: Path, run: Path) -> None:
    (baseline / "a" / "result.json").write_text("{")
    assert update(check(baseline, run), baseline).accepted == (("a", "restored"),)
    assert check(baseline, run).exit_code == 0


def test_an_update_never_writes_outside_the_baselines_or_over_another_text(tmp_path: Path, baseline: Path) -> None:
    old = read_recorded(baseline, "baseline")
    rows = [Recorded("../../escape", None, explanation("first text")), Recorded("a", None, explanation("second text"))]
    update(judge(match(old, rows), SECTION), baseline, only_new=True)
    assert not (tmp_path / "escape").exists()
    assert not (tmp_path.parent / "escape").exists()
    assert Explanation.load(baseline / "first-text").text == "first text"
    assert Explanation.load(baseline / "second-text").text == "second text"
    assert Explanation.load(baseline / "a").text == TEXTS["a"]


class Model:
    """Explains what it was told to, and counts how often it was loaded."""

    loaded: list[RunConfig] = []  # noqa: RUF012  (reset by each test)

    def __init__(self, config: RunConfig) -> None:
        Model.loaded.append(config)

    def explain(self, text: str, text_pair: str | None = None) -> Explanation:
        del text_pair
        if text == "too long":
            message = "600 tokens, 512 allowed"
            raise TextTooLongError(message)
        if text == "no label":
            message = "no label 'POSITIVE'; known: A, B"
            raise TargetError(message)
        if text == "not finite":
            message = "NaN at t = 0.5"
            raise NonFiniteError(message)
        return explanation(text)


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    Model.loaded = []


def test_texts_are_explained_again_as_they_were_recorded(baseline: Path) -> None:
    other = RunConfig.of({"baseline": {"kind": "mask"}, "runtime": {"threads": 7}, "check": {"top_k": 3}}).to_dict()
    explanation(TEXTS["a"], config=other).save(baseline / "a")
    old = read_recorded(baseline, "baseline")
    current = RunConfig.of({"runtime": {"threads": 2}, "check": {"top_k": 5}})
    new = explain_again(old, as_recorded(current), Model)
    assert [record.name for record in new] == ["a", "b", "deep/c"]
    assert [(c.baseline.kind, c.runtime.threads) for c in Model.loaded] == [("mask", 2), ("pad", 2)]


def test_what_is_given_beats_what_was_recorded() -> None:
    config = RunConfig.of({"model": {"name": "old", "revision": "v1"}}).to_dict()
    given = {"model.name": "new", "model.dtype": "float64", "check.top_k": 3}
    chosen = as_recorded(RunConfig(), given)(explanation("a text", config=config))
    assert (chosen.model.name, chosen.model.revision, chosen.model.dtype) == ("new", None, "float64")


def test_a_file_cannot_consent_to_running_a_models_code() -> None:
    config = RunConfig().to_dict()
    config["model"]["trust_remote_code"] = True
    old = explanation("a text", config=config)
    assert as_recorded(RunConfig())(old).model.trust_remote_code is False
    config["model"]["unknown"] = 1
    with pytest.raises(ConfigError):
        as_recorded(RunConfig())(old)


def test_a_text_that_can_no_longer_be_explained_is_a_regression() -> None:
    texts = ("good", "too long", "no label")
    old = [Recorded(text, None, explanation(text)) for text in texts]
    old.append(Recorded("bare", None, explanation("no configuration", config=None)))
    report = judge(match(old, explain_again(old, as_recorded(RunConfig()), Model)), SECTION)
    assert {name: Kind.NOT_EXPLAINED in kinds for name, kinds in found(report).items()} == {
        "too long": True,
        "no label": True,
        "bare": True,
    }
    assert "512 allowed" in next(e for e in report.entries if e.name == "too long").findings[0].message


def test_a_model_that_yields_no_numbers_is_no_regression() -> None:
    old = [Recorded("a", None, explanation("not finite"))]
    with pytest.raises(NonFiniteError):
        explain_again(old, as_recorded(RunConfig()), Model)


@pytest.mark.parametrize("error", [ModelError, PreflightError, DeviceError])
def test_a_model_that_does_not_load_is_no_regression(error: type[Exception]) -> None:
    def load(_: RunConfig) -> Model:
        raise error

    old = [Recorded("a", None, explanation("a text"))]
    with pytest.raises(error):
        explain_again(old, as_recorded(RunConfig()), load)


def test_two_hundred_results_are_compared_entry_by_entry(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(200):
        words = " ".join(f"w{k}" for k in rng.integers(0, 1000, 3))
        explanation(f"text {index} {words}", index).save(tmp_path / "baseline" / str(index))
        explanation(f"text {index} {words}", index + (index == 77)).save(tmp_path / "run" / str(index))
    report = check(tmp_path / "baseline", tmp_path / "run")
    assert len(report.entries) == 200
    assert set(found(report)) == {"77"}
