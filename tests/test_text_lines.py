"""Lines end at a line feed, a carriage return, or both, as universal newlines have it, and nowhere else."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihcli.text_lines import other_encoding, split_lines


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
def test_what_occurs_inside_a_text_ends_no_line(inside: str) -> None:
    assert split_lines(f"not{inside}bad\nfine") == [f"not{inside}bad", "fine"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r", ["a"]), ("a\r\nb", ["a", "b"]), ("\n\n", ["", ""]),
        ("a\n\rb", ["a", "", "b"]), ("a\r\r\nb", ["a", "", "b"]),
    ],
)  # fmt: skip
def test_the_ends(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@given(st.text(alphabet="ab\n\r\u2028\x85\x0b "))
def test_they_are_those_of_universal_newlines(text: str) -> None:
    assert split_lines(text) == [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-8-sig", "utf-8", "latin-1"])
def test_an_encoding_with_its_mark_is_recognized(encoding: str) -> None:
    expected = {"utf-16": "UTF-16", "utf-32": "UTF-32"}.get(encoding)
    assert other_encoding("fine".encode(encoding)) == expected
    assert other_encoding(b"") is None
