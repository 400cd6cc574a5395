"""Windows of a long text: where it is cut, and that each window is explained as a text of its own."""

import dataclasses
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import save
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.attribution.time_limit import TimeLimit
from ihcli.config import RunConfig, UnitsSection
from ihcli.errors import ConfigError, InputError, TargetError, TextTooLongError, UsageError
from ihcli.pipeline import Explainer
from ihcli.windows import Window, split

SENTENCE = "It wasn't bad, but far too long. "
LIMIT = 70
"""Tokens that the model reads."""
LONG = (SENTENCE * 12).strip()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("windows"))


@pytest.fixture(scope="module")
def explainer(model: Path) -> Explainer:
    """Under the default settings, without the check by removal."""
    return Explainer({"model": {"name": str(model)}, "attribution": {"removal": False, "tolerance": 0.05}})


def set_up(explainer: Explainer, windows: Any = "auto", overlap: int | None = None, kind: str = "word") -> Explainer:
    own = explainer.variant()
    values = {"text": {"windows": windows, "overlap": overlap}, "units": {"kind": kind}}
    checked = RunConfig.of(values)
    own.config = own.config.model_copy(update={"text": checked.text, "units": checked.units})
    return own


def units_of(explainer: Explainer, text: str, kind: str) -> list[str]:
    """The units of a text, however long, by encoding it with no limit on its tokens."""
    unbounded = dataclasses.replace(explainer.classifier, max_tokens=10**9)
    return [unit.text for unit in unbounded.encode(text, units=UnitsSection(kind=kind)).units]  # type: ignore[arg-type]


def require_windows(explainer: Explainer, text: str, windows: list[Window]) -> None:
    """What holds of the windows of any text under any settings."""
    section, kind = explainer.config.text, explainer.config.units.kind
    cut = "sentence" if kind in {"sentence", "auto"} else "word"
    units = units_of(explainer, text, cut)
    assert {k for window in windows for k in range(window.first, window.last)} == set(range(len(units)))
    for number, window in enumerate(windows, 1):
        assert (window.number, window.count, window.total) == (number, len(windows), len(units))
        assert window.text == text[window.start : window.end]
        assert units_of(explainer, window.text, cut) == units[window.first : window.last]
        assert len(explainer.classifier.tokenizer(window.text)["input_ids"]) <= LIMIT
        assert section.windows == "auto" or window.last - window.first <= int(section.windows or 0)
    for place, (one, other) in enumerate(pairwise(windows)):
        shared = one.last - other.first
        assert one.behind == other.before == shared
        asked = (one.last - one.first) // 4 if section.overlap is None else section.overlap
        assert shared == asked or (place == len(windows) - 2 and shared > asked)


# --- where a text is cut ---


@pytest.mark.parametrize(("most", "overlap"), [(4, 0), (4, 1), (4, 3), (11, None), (30, 10), (2, 1), (95, 5)])
def test_windows_of_a_number_of_words_are_the_fewest_and_equally_long(
    explainer: Explainer, most: int, overlap: int | None
) -> None:
    text = " ".join(["bad"] * 100)
    own = set_up(explainer, most, overlap)
    windows = split(_reading(own, 200), own.config, text)
    lengths = {window.last - window.first for window in windows}
    assert len(lengths) == 1
    if overlap is not None:
        assert len(windows) == math.ceil((100 - overlap) / (most - overlap))
    assert max(lengths) <= most


def _reading(explainer: Explainer, tokens: int) -> Any:
    return dataclasses.replace(explainer.classifier, max_tokens=tokens)


WORDS = st.lists(
    st.sampled_from(["bad", "movie,", "wasn't", "x" * 9, "2.5", "fin.", "A", "—", "très"]), min_size=1, max_size=30
)


@settings(max_examples=20, deadline=None)
@given(WORDS, st.sampled_from(["auto", 2, 5, 30]), st.sampled_from([None, 0, 1]), st.sampled_from(["word", "token"]))
def test_every_unit_is_in_a_window_and_the_overlap_is_as_asked(
    explainer: Explainer, words: list[str], most: Any, overlap: int | None, kind: str
) -> None:
    text = " ".join(words * 4)
    own = set_up(explainer, most, overlap, kind)
    require_windows(own, text, own.windows(text))


@pytest.mark.parametrize("kind", ["sentence", "auto"])
def test_sentences_stay_whole_where_rows_are_sentences(explainer: Explainer, kind: str) -> None:
    own = set_up(explainer, 3, 1, kind)
    windows = own.windows(LONG)
    require_windows(own, LONG, windows)
    assert [window.text.count(".") for window in windows] == [window.last - window.first for window in windows]
    assert "sentences 3 to 5 of 12" in windows[1].note


def test_a_text_that_fits_is_one_window_and_its_result_the_ordinary_one(explainer: Explainer) -> None:
    for most in ("auto", 5):
        own = set_up(explainer, most)
        (window,) = own.windows(" not bad at all. ")
        assert (window.text, window.first, window.last) == (" not bad at all. ", 0, 5)
        (found,) = own.explain_windows(" not bad at all. ")
        assert found.to_json() == own.explain(" not bad at all. ").to_json()


# --- what a window's result is ---


def test_each_window_has_the_result_of_its_text(explainer: Explainer) -> None:
    own, alone = set_up(explainer, 6, 2), explainer
    text = "not bad at all, but far too long and dull"
    found = own.explain_windows(text)
    assert [one.text for one in found] == [window.text for window in own.windows(text)]
    assert len(found) == 3
    for one in found:
        expected = alone.explain(one.text)
        assert (one.prediction.label, one.target, one.units) == (
            expected.prediction.label, expected.target, expected.units,
        )  # fmt: skip
        scale = np.abs(expected.ih).max()
        np.testing.assert_allclose(one.ih, expected.ih, rtol=0, atol=1e-5 * scale)
        np.testing.assert_allclose(one.ig, expected.ig, rtol=0, atol=1e-5 * scale)
        assert one.f_input == pytest.approx(expected.f_input, abs=1e-5)
        assert one.warnings[1:] == expected.warnings


def test_a_window_says_which_part_it_is_and_what_its_numbers_are_not_of(explainer: Explainer) -> None:
    own = set_up(explainer, 6, 2)
    first, middle, last = own.windows("not bad at all, but far too long and dull")
    assert "Window 2 of 3" in middle.note
    assert "words 4 to 8 of 11" in middle.note
    assert "not of the whole text" in middle.note
    assert "Its first 2 and last 2 words" in middle.note
    assert "Its last 2 words" in first.note
    assert "Its first" in last.note
    assert set_up(explainer, 6, 0).windows(LONG)[0].note.endswith("are not known.")


def test_the_windows_of_a_text_in_units_auto_open_their_own_sentences(explainer: Explainer) -> None:
    own = set_up(explainer, "auto", kind="auto")
    window = own.windows(LONG)[0]
    (found,) = own.explain_windows(window.text)
    assert "".join("".join(unit.text for unit in found.units).split()) == "".join(window.text.split())


def test_a_stopped_limit_ends_with_what_is_complete(explainer: Explainer) -> None:
    limit = TimeLimit()
    own = set_up(explainer, 4, 0)
    assert own.explain_windows("not bad at all but dull", limit=_stopped(limit)) == []

    def stop(phase: str, *_: int) -> None:
        seen.append(phase)
        if phase.startswith("window 2"):
            limit.stop()

    seen: list[str] = []
    limit = TimeLimit()
    found = own.explain_windows("not bad at all but dull but far too long", progress=stop, limit=limit)
    assert [one.text for one in found] == ["not bad at all", "but dull but far"][: len(found)]
    assert len(found) < 3
    assert seen[0].startswith("window 1 of 3: ")


def _stopped(limit: TimeLimit) -> TimeLimit:
    limit.stop()
    return limit


def test_the_time_begins_anew_with_each_window(explainer: Explainer) -> None:
    clock = iter(range(0, 10**9, 1))
    limit = TimeLimit(10**6, clock=lambda: float(next(clock)))
    own = set_up(explainer, 4, 0)
    began = []
    own.explain_windows("not bad at all but dull", limit=limit, progress=lambda *_: began.append(limit.started))
    assert len(set(began)) == 2


# --- what is refused ---


def test_a_longer_text_is_refused_without_windows_and_the_message_names_them(explainer: Explainer) -> None:
    for own in (explainer, set_up(explainer)):
        with pytest.raises(TextTooLongError, match=r"--truncate\), or explain it in windows \(--windows auto"):
            own.explain(LONG)
    with pytest.raises(UsageError, match=r"text\.windows is not set"):
        explainer.explain_windows("not bad")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"windows": 1}, r"text\.windows is 1; it must be auto or a whole number at least 2 or null\.$"),
        ({"windows": "some"}, "text.windows is 'some'; it must be auto or a whole number"),
        ({"windows": True}, "text.windows is true; it must be auto"),
        ({"windows": 5, "overlap": 5}, "text.overlap is 5, and two windows share less than a whole one"),
        ({"windows": "auto", "overlap": -1}, "text.overlap is -1; it must be a whole number at least 0"),
        ({"overlap": 3}, "text.overlap is 3, which only windows read"),
        ({"windows": "auto", "truncation": True}, "text.truncation is true, and a text in windows is not cut"),
    ],
)
def test_settings_that_cannot_be(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig.of({"text": section})


def test_a_second_text_and_spans_are_refused(explainer: Explainer, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Windows and a second text exclude each other"):
        set_up(explainer).windows("not bad", "at all")
    values = {"model": {"name": str(model)}, "text": {"windows": 5}}
    with pytest.raises(UsageError, match="Windows and units of a file"):
        Explainer({**values, "units": {"kind": "spans", "spans": str(tmp_path / "spans")}})


def test_a_unit_that_fills_a_window_is_named(explainer: Explainer) -> None:
    with pytest.raises(InputError, match=r"The word 3 of 4 \(“(fh)+f?…”\) and the one behind it have more tokens than"):
        set_up(explainer).windows(f"so dull {'fh' * 45} it")
    sentences = f"Fine. It {'was bad and ' * 30}dull. It was."
    with pytest.raises(InputError, match=r"sentence 1 of 3.*holds 2 sentences or more\. Windows of words need less"):
        set_up(explainer, kind="sentence").windows(sentences)
    require_windows(set_up(explainer), sentences, set_up(explainer).windows(sentences))


def test_an_overlap_as_large_as_what_the_model_reads_is_refused(explainer: Explainer) -> None:
    with pytest.raises(InputError, match="The overlap is 900, and the window that begins with the word 1 holds"):
        set_up(explainer, "auto", 900).windows(LONG)


@pytest.mark.parametrize("text", [" ", "\n", "[SEP] bad"])
def test_a_text_that_cannot_be_explained_is_refused_as_ever(explainer: Explainer, text: str) -> None:
    with pytest.raises(InputError):
        set_up(explainer).windows(text)


def test_a_failure_names_its_window(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    own = set_up(explainer, 4, 0)

    def explain(text: str, **_: Any) -> None:
        message = f"{text} is refused."
        raise TargetError(message)

    monkeypatch.setattr(own, "explain", explain)
    with pytest.raises(TargetError, match=r"^Window 1 of 2: not bad at is refused\.$"):
        own.explain_windows("not bad at all but dull")
