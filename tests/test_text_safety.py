"""What others wrote has no effect on a terminal, a log or a page; what JSON holds reads back the same."""

import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.text_safety import clean_text, escape_json, one_line, without_log_commands

ENGLAND, SCOTLAND, CALIFORNIA = (
    "🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in code) + "\U000e007f" for code in ("gbeng", "gbsct", "usca")
)
HELLO = "".join(chr(0xE0000 + ord(letter)) for letter in "hello there")
"""A text in tag characters, which show nothing."""
ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, zwj \u200d emoji 👩\u200d🔬, é, 好\t", "plain, zwj \u200d emoji 👩\u200d🔬, é, 好\t"),
        ("\x1b[31mred\x9b0m", "\ufffd[31mred\ufffd0m"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\u2066a\u2069 \u202ab\u202c \u202dc\u202c \u2067d\u2068e", "a b c de"),
        ("\u061cא\u200fב\u200ec", "אבc"),
        ("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h\x1ci", "a\nb\nc\nd\ne\nf\ng\nh\ni"),
        ("ignore\U000e0001\U000e0068\U000e0069\U000e007f this", "ignore\ufffd this"),
        (f"{SCOTLAND} {CALIFORNIA}", f"{SCOTLAND} {CALIFORNIA}"),
        (f"{SCOTLAND}\U000e0041", f"{SCOTLAND}\ufffd"),
        (f"🏴{HELLO} 🏳{SCOTLAND[1:]}", "🏴\ufffd 🏳\ufffd"),
        ("🏴\U000e0067\u202e\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", ENGLAND),
        ("\ud800 \udfff \x00 \x7f \ufffe \uffff", "\ufffd \ufffd \ufffd \ufffd \ufffd \ufffd"),
    ],
)
def test_what_acts_on_a_terminal_is_taken_out(text: str, shown: str) -> None:
    assert clean_text(text) == shown


@settings(derandomize=True, max_examples=400, deadline=None)
@given(ANY)
def test_no_text_keeps_a_control(text: str) -> None:
    clean = clean_text(text)
    clean.encode("utf-8")
    for character in clean:
        assert character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }
    assert clean_text(clean) == clean
    assert len(one_line(text).splitlines()) <= 1


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(st.sampled_from("🏴a \u202e\U000e0001\U000e0061\U000e0039\U000e007f"), max_size=12))
def test_tags_stand_in_flags_only(text: str) -> None:
    clean = clean_text(text)
    rest = re.sub("🏴[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f", "", clean)
    assert not re.search("[\U000e0000-\U000e007f]", rest)
    assert clean_text(clean) == clean


def test_one_line_has_a_width() -> None:
    assert one_line("a\r\nb\tc\x1b[0m\u2028d\ud800\ufffe") == "a b c\ufffd[0m d\ufffd\ufffd"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"


def test_a_log_finds_no_command() -> None:
    text = without_log_commands("::error file=a::b ##[error]c ##vso[task] :::set-output::")
    assert "::" not in text
    assert "##" not in text


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.dictionaries(ANY, st.lists(ANY, max_size=3), max_size=3))
def test_escaped_json_has_the_same_values_and_no_control(values: dict[str, list[str]]) -> None:
    document = escape_json(json.dumps(values, ensure_ascii=False))
    assert json.loads(document) == values
    assert json.loads(document.encode("utf-8")) == values
    assert clean_text(document) == document


def test_tags_that_hide_are_escapes_in_json_and_flags_stay() -> None:
    document = escape_json(json.dumps([f"a{HELLO[0]}", SCOTLAND], ensure_ascii=False))
    assert document == f'["a\\udb40\\udc68", "{SCOTLAND}"]'
