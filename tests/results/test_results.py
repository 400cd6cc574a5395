"""The record: what it holds, that it reads back the same, and that nothing else is taken for a result."""

import json
import math
import os
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation
from hostile_results import GOOD, hostile_documents, odd_results

from ihcli import input_files
from ihcli.errors import OutputError, ResultError
from ihcli.results import EARLIER_SCHEMAS, SCHEMA, Explanation, Surrogate, defects, frozen_array

HOSTILE = hostile_documents()
OUTPUTS = sorted((Path(__file__).parents[2] / "outputs").glob("*/result.json"))


@pytest.mark.parametrize("file", OUTPUTS, ids=lambda file: file.parent.name)
def test_a_recorded_result_reads_back_with_every_value(file: Path) -> None:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    again = json.loads(Explanation.load(file).to_json())
    for name, value in recorded.items():
        if name == "schema":
            continue
        if isinstance(value, dict) and name not in {"config", "baseline"}:
            again[name] = {key: again[name][key] for key in value}  # fields that came later have their default
        assert again[name] == value, name


def test_every_schema_that_is_read_gives_the_same_result() -> None:
    for schema in (SCHEMA, *EARLIER_SCHEMAS):
        assert Explanation.from_dict({**GOOD.to_dict(), "schema": schema}).to_json() == GOOD.to_json()


@pytest.mark.parametrize("result", [GOOD, *odd_results().values()], ids=["good", *odd_results()])
def test_every_valid_result_reads_back_equal(result: Explanation, tmp_path: Path) -> None:
    result.save(tmp_path)
    again = Explanation.load(tmp_path)
    assert again.to_json() == result.to_json()
    for name in ("ig", "ih"):
        assert np.array_equal(getattr(again, name), getattr(result, name), equal_nan=True)
        assert getattr(again, name).dtype == np.float64
    assert (again.text, again.units, again.prediction) == (result.text, result.units, result.prediction)
    assert list(defects(again)) == []


def test_what_is_not_known_is_null_in_the_document_and_nan_in_memory() -> None:
    ih = np.array(GOOD.ih)
    ih[0, 1] = ih[1, 0] = math.nan
    surrogate = Surrogate(5.0, ("relu",), math.nan, 0.1, label_changed=False)
    certificate = replace(GOOD.certificate, completeness_gap=math.nan, quadrature_error=math.inf, surrogate=surrogate)
    document = json.loads(replace(GOOD, ih=ih, certificate=certificate).to_json())
    assert document["ih"][0][1] is None
    assert document["certificate"]["completeness_gap"] is None
    assert document["certificate"]["quadrature_error"] is None
    again = Explanation.from_dict(document)
    assert math.isnan(again.ih[0, 1])
    assert math.isnan(again.certificate.completeness_gap)
    assert math.isnan(again.certificate.quadrature_error)
    assert again.certificate.surrogate is not None
    assert math.isnan(again.certificate.surrogate.f_input_change)
    assert again.certificate.surrogate_gap is None


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_else_is_taken_for_a_result(name: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(HOSTILE[name])
    with pytest.raises(ResultError) as caught:
        Explanation.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < len(str(file)) + 500
    assert any(word in message for word in ("is not JSON", "the result is damaged", "schema"))
    message.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("certificate.tolerance = 0.1", "certificate.tolerance is '0.1', it should be a valid number"),
        ("without certificate.row_gap", "certificate.row_gap is missing"),
        ("a certificate with one key more", "certificate.row_gab is no field of a result"),
        ("an offset that is no whole number", "units[0].start is 0.5, it should be a valid integer"),
        ("1e999 as f(x)", "f_input is inf, it should be a finite number"),
        ("1e999 in the configuration", "it should hold finite numbers only"),
        ("half of a surrogate pair", "half of a surrogate pair"),
        ("the other half", "half of a surrogate pair"),
        ("a unit of another text", "has a unit 'other' at 0–4, where the text holds another"),
        ("a matrix of one row", "ih of shape (1, 1); they must be (4,) and (4, 4)"),
        ("a spread of another shape", "has ih_spread of shape (1, 1) beside a matrix of (4, 4)"),
        ("nothing computed", "lacks finite numbers in ih"),
        ("an entry beyond all scores", "has numbers beyond 1e+100 in ih, which no explanation holds"),
        ("a share beyond all shares", "has numbers beyond 1e+100 in removal"),
        ("a probability of 1.7", "has 1.7 as the probability of 'POSITIVE'"),
        ("another schema", "upgrade ih"),
        ("no schema", f"schema None is not '{SCHEMA}'"),
    ],
)
def test_the_message_names_the_field_and_what_is_wrong(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(HOSTILE[name])
    with pytest.raises(ResultError) as caught:
        Explanation.load(tmp_path)
    assert words in str(caught.value)


def test_a_message_shows_nothing_of_a_file_that_is_no_result(tmp_path: Path) -> None:
    for content in ("root:x:0:0:secret", '{"auths": {"token": "secret"}}', '["secret"]', '"secret"'):
        (tmp_path / "result.json").write_text(content)
        with pytest.raises(ResultError) as caught:
            Explanation.load(tmp_path)
        assert "secret" not in str(caught.value)


def test_a_document_of_other_types_is_refused() -> None:
    for document in ({**GOOD.to_dict(), "text": {1, 2}}, {**GOOD.to_dict(), "f_input": math.nan}, {}):
        with pytest.raises(ResultError, match="somewhere"):
            Explanation.from_dict(document, "somewhere")
    circle = GOOD.to_dict()
    circle["config"]["model"] = circle
    with pytest.raises(ResultError, match="not a document in plain JSON types"):
        Explanation.from_dict(circle)


def test_keys_beside_those_of_a_result_are_ignored() -> None:
    assert Explanation.from_dict({"name": "x", "row": 1, **GOOD.to_dict()}).to_json() == GOOD.to_json()


@pytest.mark.skipif(os.name != "posix", reason="devices and FIFOs of POSIX")
def test_what_is_no_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in (
        ("fifo", "cannot be read .*pipe"),
        ("zero", "cannot be read .*device"),
        ("loop", "cannot be read"),
        ("nowhere", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("n" * 300, "cannot be read"),
    ):
        with pytest.raises(ResultError, match=words):
            Explanation.load(tmp_path / name)


def test_lone_surrogates_in_memory_are_escapes_in_the_document(tmp_path: Path) -> None:
    result = replace(GOOD, prediction=replace(GOOD.prediction, label="\ud800", probabilities={"\ud800": 1.0}))
    content = result.save(tmp_path).read_bytes()
    assert b'"label": "\\ud800"' in content
    with pytest.raises(ResultError, match="half of a surrogate pair"):
        Explanation.load(tmp_path)


def test_the_document_holds_no_character_that_acts_on_a_terminal() -> None:
    text = odd_results()["a text of controls"].to_json()
    assert not {"\x1b", "\x00", "\u202e", "\u2066"} & set(text)
    assert json.loads(text)["text"] == odd_results()["a text of controls"].text


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        GOOD.text = "other"  # type: ignore[misc]
    assert GOOD.path is not None
    for array in (GOOD.ig, GOOD.ih, GOOD.path.t, frozen_array([1.0])):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_shapes_that_do_not_fit_are_refused_in_memory_too() -> None:
    with pytest.raises(ResultError, match=r"ig of shape \(3,\)"):
        replace(GOOD, ig=np.zeros(3))


def test_pairs_are_the_upper_triangle_by_magnitude() -> None:
    ih = np.diag([9.0, 9.0, 9.0])
    ih[0, 1] = ih[1, 0] = -0.5
    ih[0, 2] = ih[2, 0] = 0.5
    ih[1, 2] = ih[2, 1] = math.nan
    assert make_explanation(3, ih=ih).pairs() == [(0, 1, -0.5), (0, 2, 0.5)]


def test_a_result_is_saved_where_it_is_asked_for(tmp_path: Path) -> None:
    assert GOOD.save(tmp_path / "new" / "mine.json") == tmp_path / "new" / "mine.json"
    assert GOOD.save(tmp_path / "v1.2") == tmp_path / "v1.2" / "result.json"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        GOOD.save(tmp_path / "file")


def test_a_link_is_followed_where_the_user_named_the_file_only(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "result.json").symlink_to("../precious")
    GOOD.save(tmp_path / "folder")
    assert (tmp_path / "precious").read_text() == "precious"
    (tmp_path / "mine.json").symlink_to("real.json")
    GOOD.save(tmp_path / "mine.json")
    assert (tmp_path / "mine.json").is_symlink()
    assert Explanation.load(tmp_path / "real.json").text == GOOD.text
