import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation

from ihcli.config import CheckSection, Loaded, RunConfig, load
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
from ihcli.output import slug, write_files
from ihcli.regression.ci import markdown
from ihcli.regression.findings import ComparisonReport, Kind, Severity
from ihcli.regression.gate import judge, match, update
from ihcli.regression.junit import junit_xml
from ihcli.regression.page import page
from ihcli.regression.recorded import INDEX, Recorded, read_index, read_recorded
from ihcli.regression.reexplain import as_recorded, explain_again
from ihcli.results import SCHEMA, Explanation

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


def check(baseline: Path, run: Path) -> ComparisonReport:
    return judge(match(read_recorded(baseline, "baseline"), read_recorded(run, "run")), SECTION)


def failed(report: ComparisonReport) -> dict[str, set[Kind]]:
    return {one.name: kinds for one in report.comparisons if (kinds := one.kinds(Severity.REGRESSION))}


def test_a_folder_agrees_with_its_copy(baseline: Path, run: Path) -> None:
    report = check(baseline, run)
    assert [entry.name for entry in report.comparisons] == ["a", "b", "deep/c"]
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
        (lambda content: content.replace(SCHEMA.encode(), b"ihcli.result/99"), "upgrade ih"),
        (lambda content: content.replace(b'"row_gap"', b'"row_gab"'), "damaged"),
        (
            lambda content: content.replace(b'"tolerance": 0.01', b'"tolerance": "0.01"'),
            "certificate.tolerance is '0.01', it should be a valid number",
        ),
        (
            lambda content: content.replace(b'"POSITIVE": 0.966', b'"POSITIVE": null'),
            "prediction.probabilities.POSITIVE is None",
        ),
        (lambda content: content.replace(b'"start": 0', b'"start": 0.5'), "units[0].start is 0.5"),
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
    assert failed(report) == {"b": {Kind.DAMAGED}}
    (finding,) = [f for one in report.comparisons for f in one.findings if f.kind is Kind.DAMAGED]
    assert word in finding.message
    assert str(file) in finding.message
    assert finding.where == side
    assert report.exit_code == 1


def test_entries_without_a_counterpart_are_findings(baseline: Path, run: Path) -> None:
    (run / "a" / "result.json").unlink()
    (baseline / "b" / "result.json").unlink()
    assert failed(check(baseline, run)) == {"a": {Kind.NO_COUNTERPART}, "b": {Kind.NEW}}


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
    assert failed(report) == {"new": {Kind.MISSING}}
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
        update(ComparisonReport(()), tmp_path)


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
    assert set(failed(report)) == {"b", "new"}
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
    assert set(failed(check(baseline, run))) == {"b"}


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


@pytest.mark.parametrize("name", ["../../x", "/abs", "a/../../x", "..", "", "a\\..\\x", "C:x"])
def test_an_index_that_names_another_place_is_damaged(baseline: Path, name: str) -> None:
    (baseline / INDEX).write_text(json.dumps({"schema": "ihcli.baseline/1", "entries": ["a", name]}))
    with pytest.raises(ResultError, match=r"is damaged .*leads out of"):
        read_recorded(baseline, "baseline")


def test_an_update_does_not_follow_links_out_of_the_baselines(tmp_path: Path, baseline: Path, run: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    explanation(TEXTS["b"]).save(outside)
    before = (outside / "result.json").read_bytes()
    (baseline / "b" / "result.json").unlink()
    (baseline / "b" / "result.json").symlink_to(outside / "result.json")
    write(run, {"b": TEXTS["b"]}, seed=5)
    assert dict(update(check(baseline, run), baseline).accepted).keys() == {"b"}
    assert (outside / "result.json").read_bytes() == before  # the link was replaced
    assert not (baseline / "b" / "result.json").is_symlink()
    (baseline / "linked").symlink_to(outside)
    linked = Recorded("linked", baseline / "linked" / "result.json", explanation(TEXTS["b"]))
    report = judge([(linked, Recorded("linked", None, explanation(TEXTS["b"], 5)))], SECTION)
    done = update(report, baseline)
    assert done.accepted == ()
    assert "leads out of" in dict(done.refused)["linked"]
    assert (outside / "result.json").read_bytes() == before


def test_what_is_no_file_is_a_damaged_record(baseline: Path, run: Path) -> None:
    for name, target in (("a", "/dev/zero"), ("b", "/dev/stdin")):
        (baseline / name / "result.json").unlink()
        (baseline / name / "result.json").symlink_to(target)
    (baseline / "deep" / "c" / "result.json").unlink()
    (baseline / "deep" / "c" / "result.json").mkdir()
    assert set.union(*failed(check(baseline, run)).values()) == {Kind.DAMAGED}


def test_an_update_never_writes_outside_the_baselines_or_over_another_text(tmp_path: Path, baseline: Path) -> None:
    old = read_recorded(baseline, "baseline")
    rows = [Recorded("../../escape", None, explanation("first text")), Recorded("a", None, explanation("second text"))]
    rows += [Recorded("/first-text", None, explanation("First text")), Recorded("a", None, explanation("Second text"))]
    update(judge([*match(old, []), *((None, row) for row in rows)], SECTION), baseline, only_new=True)
    assert not (tmp_path / "escape").exists()
    assert not (tmp_path.parent / "escape").exists()
    assert Explanation.load(baseline / "first-text").text == "first text"
    assert Explanation.load(baseline / "second-text").text == "second text"
    assert Explanation.load(baseline / slug("First text")).text == "First text"
    assert Explanation.load(baseline / slug("Second text")).text == "Second text"
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


def now(values: dict[str, dict[str, object]] | None = None) -> Loaded:
    """The current configuration, with some settings given by flags."""
    flags = {
        f"{section}.{key}": ("flag", value) for section, keys in (values or {}).items() for key, value in keys.items()
    }
    return load(None, flags, environ={})


def test_texts_are_explained_again_as_they_were_recorded(baseline: Path) -> None:
    other = RunConfig.of({"baseline": {"kind": "mask"}, "runtime": {"threads": 7}, "check": {"top_k": 3}}).to_dict()
    explanation(TEXTS["a"], config=other).save(baseline / "a")
    old = read_recorded(baseline, "baseline")
    new = explain_again(old, as_recorded(now({"runtime": {"threads": 2}, "check": {"top_k": 5}})), Model)
    assert [record.name for record in new] == ["a", "b", "deep/c"]
    assert [(c.baseline.kind, c.runtime.threads) for c in Model.loaded] == [("mask", 2), (RunConfig().baseline.kind, 2)]


def test_what_is_given_beats_what_was_recorded() -> None:
    config = RunConfig.of({"model": {"name": "old", "revision": "v1"}}).to_dict()
    given = {"model": {"name": "new", "dtype": "float64"}, "check": {"top_k": 3}}
    chosen = as_recorded(now(given))(explanation("a text", config=config))
    assert (chosen.model.name, chosen.model.revision, chosen.model.dtype) == ("new", None, "float64")


def test_a_file_cannot_consent_to_running_a_models_code() -> None:
    config = RunConfig().to_dict()
    config["model"]["trust_remote_code"] = True
    old = explanation("a text", config=config)
    assert as_recorded(now(), trusted=True)(old).model.trust_remote_code is False
    config["model"]["unknown"] = 1
    with pytest.raises(ConfigError):
        as_recorded(now())(old)


NAMED = [
    ("model.name", {"model": {"name": "{place}"}}),
    ("baseline.file", {"baseline": {"kind": "texts", "file": "{place}"}}),
    ("units.spans", {"units": {"kind": "spans", "spans": "{place}"}}),
]


@pytest.mark.parametrize("place", ["/etc/passwd", "../../secrets", "/proc/self/environ", "someone/model", "bundled/.."])
@pytest.mark.parametrize(("key", "values"), NAMED, ids=[key for key, _ in NAMED])
def test_what_a_record_names_is_not_used_without_consent(
    key: str, values: dict[str, dict[str, str]], place: str
) -> None:
    named = {section: {k: v.format(place=place) for k, v in keys.items()} for section, keys in values.items()}
    old = [Recorded("a", None, explanation("a text", config=RunConfig.of(named).to_dict()))]
    with pytest.raises(UsageError) as caught:
        explain_again(old, as_recorded(now()), Model)
    assert Model.loaded == []
    assert f"'{place}' as {key}" in str(caught.value)
    assert "--trust-baseline" in str(caught.value)
    for consent in (as_recorded(now(), trusted=True), as_recorded(now(named))):
        section, name = key.split(".")
        explain_again(old, consent, Model)
        assert getattr(getattr(Model.loaded[-1], section), name) == place


@pytest.mark.parametrize("section", ["model", "baseline", "units", "attribution"])
@pytest.mark.parametrize("value", [["/etc/passwd"], {"a": 1}, 1e300])
def test_a_recorded_setting_of_another_type_is_one_message(section: str, value: object) -> None:
    name = {"model": "name", "baseline": "file", "units": "spans", "attribution": "method"}[section]
    named = RunConfig().to_dict()
    named[section][name] = value
    old = [Recorded("a", None, explanation("a text", config=named))]
    with pytest.raises((UsageError, ConfigError), match=rf"The record of “a text” .*{section}\.{name}"):
        explain_again(old, as_recorded(now()), Model)
    with pytest.raises(ConfigError, match=rf"The record of “a text” has settings that cannot be used: {section}"):
        explain_again(old, as_recorded(now(), trusted=True), Model)


def test_reports_show_the_digest_of_a_file_and_never_its_lines() -> None:
    texts = ["root:x:0:0:secret", "second secret"]
    old = explanation("a text", baseline={"kind": "texts", "file": "passwd", "texts": ["mine"]})
    new = explanation("a text", baseline={"kind": "texts", "file": "passwd", "texts": texts})
    report = judge([(Recorded("a", None, old), Recorded("a", None, new))], SECTION)
    (finding,) = [f for f in report.comparisons[0].findings if f.where == "baseline.texts"]
    assert finding.severity is Severity.REGRESSION
    assert str(finding.new).startswith("2 values, SHA-256 ")
    for content in (json.dumps(report.to_dict()), page(report), markdown(report), junit_xml(report).decode()):
        assert "secret" not in content
        assert "SHA-256" in content


def test_a_text_that_can_no_longer_be_explained_is_a_regression() -> None:
    texts = ("good", "too long", "no label")
    old = [Recorded(text, None, explanation(text)) for text in texts]
    old.append(Recorded("bare", None, explanation("no configuration", config=None)))
    report = judge(match(old, explain_again(old, as_recorded(now()), Model)), SECTION)
    assert {name: Kind.NOT_EXPLAINED in kinds for name, kinds in failed(report).items()} == {
        "too long": True,
        "no label": True,
        "bare": True,
    }
    assert "512 allowed" in next(e for e in report.comparisons if e.name == "too long").findings[0].message


def test_a_model_that_yields_no_numbers_is_no_regression() -> None:
    old = [Recorded("a", None, explanation("not finite"))]
    with pytest.raises(NonFiniteError):
        explain_again(old, as_recorded(now()), Model)


@pytest.mark.parametrize("error", [ModelError, PreflightError, DeviceError])
def test_a_model_that_does_not_load_is_no_regression(error: type[Exception]) -> None:
    def load(_: RunConfig) -> Model:
        raise error

    old = [Recorded("a", None, explanation("a text"))]
    with pytest.raises(error):
        explain_again(old, as_recorded(now()), load)


def test_two_hundred_results_are_compared_entry_by_entry(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(200):
        words = " ".join(f"w{k}" for k in rng.integers(0, 1000, 3))
        explanation(f"text {index} {words}", index).save(tmp_path / "baseline" / str(index))
        explanation(f"text {index} {words}", index + (index == 77)).save(tmp_path / "run" / str(index))
    report = check(tmp_path / "baseline", tmp_path / "run")
    assert len(report.comparisons) == 200
    assert set(failed(report)) == {"77"}
