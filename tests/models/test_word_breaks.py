"""Words by Unicode's boundaries, and by a dictionary in scripts that write no spaces."""

import pytest
from architectures import tokenizer
from hypothesis import given
from hypothesis import strategies as st

from ihcli.config import UnitsSection
from ihcli.models import word_breaks
from ihcli.models.encoding import EncodedText, encode
from ihcli.models.word_breaks import missing_dictionary, word_pieces

THAI, LAO, KHMER, BURMESE = "หนังไม่ดีเลย", "ຮູບເງົານີ້ບໍ່ດີ", "ភាពយន្តនេះ", "ဤရုပ်ရှင်မကောင်းဘူး"


def only(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(word_breaks, "find_spec", lambda name: object() if name in packages else None)


def encoded(text: str, kind: str = "word") -> EncodedText:
    return encode(tokenizer("bpe"), text, None, UnitsSection(kind=kind), limit=10**6, accepted=())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (THAI, ["หนัง", "ไม่", "ดี", "เลย"]),
        (LAO, ["ຮູບເງົາ", "ນີ້", "ບໍ່", "ດີ"]),
        (KHMER, ["ភាពយន្ត", "នេះ"]),
        (BURMESE, ["ဤ", "ရုပ်ရှင်", "မ", "ကောင်း", "ဘူး"]),
        (f"the film ({THAI}) was 3.14", ["the", "film", "(", "หนัง", "ไม่", "ดี", "เลย", ")", "was", "3.14"]),
        ("ดี 👍🏽 ดี", ["ดี", "👍🏽", "ดี"]),
    ],
)
def test_words_by_icu(monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]) -> None:
    pytest.importorskip("icu")
    only(monkeypatch, "icu")
    assert [piece for piece in word_pieces(text) if not piece.isspace()] == words
    found = encoded(text)
    assert [unit.text for unit in found.units] == words
    assert found.notes == ()


def test_thai_by_pythainlp_and_the_others_by_character(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pythainlp")
    only(monkeypatch, "pythainlp")
    assert word_pieces(THAI) == ["หนัง", "ไม่", "ดี", "เลย"]
    assert len(word_pieces(LAO)) > 6
    assert missing_dictionary(THAI) is None
    assert str(missing_dictionary(f"{THAI} {LAO}")).startswith("Lao words are not separated by spaces, and no dict")


@pytest.mark.parametrize("text", [THAI, LAO, KHMER, BURMESE])
def test_without_a_dictionary_by_character_and_said_so(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    only(monkeypatch)
    found = encoded(text)
    assert "".join(unit.text for unit in found.units) == text
    assert len(found.units) > 4
    [note] = found.notes
    assert "no dictionary is installed: a unit is a single character" in note
    assert encoded(text, "token").notes == encoded(text, "sentence").notes == ()


def test_what_a_dictionary_is_missing_for(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    for text in ("not bad", "这部电影", "日本語", "한국어", "", "e\u0301"):
        assert missing_dictionary(text) is None
    assert "Thai and Khmer words" in str(missing_dictionary(f"{THAI} a {KHMER} {THAI}"))
    assert str(missing_dictionary(THAI)).endswith("Install PyICU or pythainlp for words.")


@pytest.mark.parametrize(
    "text", ["这部电影不错", "日本語のテキスト", "한국어 텍스트", "It wasn't well-known; 3.14", ""]
)
def test_other_scripts_are_as_without_a_dictionary(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with_any = word_pieces(text)
    only(monkeypatch)
    assert word_pieces(text) == with_any
    assert "".join(with_any) == text


@given(
    st.text(alphabet=st.sampled_from([*"aé .", *THAI, *LAO, *KHMER, *BURMESE, "👍", "\u200b", "\u0e33"]), max_size=30)
)
def test_no_character_is_lost(text: str) -> None:
    assert "".join(word_pieces(text)) == text
