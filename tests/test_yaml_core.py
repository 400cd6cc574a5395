"""YAML of the core schema: plain values; everything else is refused with its line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.yaml_core import YamlError, parse


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: !!set {b, c}", 1, "the tag !!set is not allowed"),
        ("a:\n  b: !!omap [c: 1]", 2, "the tag !!omap is not allowed"),
        ("a: !!pairs [c: 1]", 1, "the tag !!pairs is not allowed"),
        ("a: !!binary aGk=", 1, "the tag !!binary is not allowed"),
        ("a: !!timestamp 2026-01-01", 1, "the tag !!timestamp is not allowed"),
        ("\n\na: !mine x", 3, "the tag !mine is not allowed"),
        ("a: !!python/object/apply:os.system [ls]", 1, "the tag !!python/object/apply:os.system is not allowed"),
        ("!!map [a]", 1, "the tag !!map is not allowed"),
        ("a: !!str {b: c}", 1, "the tag !!str is not allowed"),
        ("a: !!merge x", 1, "the tag !!merge is not allowed"),
        ("a: !!int x", 1, "'x' is not of the type int that its tag says"),
        ("a: !!bool maybe", 1, "'maybe' is not of the type bool"),
        ("a: !!float one", 1, "'one' is not of the type float"),
        ("a: !!null x", 1, "'x' is not of the type null"),
        ("a: " + "9" * 5000, 1, "has 5,000 digits; at most 40 are read"),
        ("a: 0x" + "f" * 5000, 1, "has 5,002 digits"),
        ("a: &x [*x]", 1, "a value contains itself"),
        ("a:\n  - &x {b: [c, {d: *x}]}", 2, "a value contains itself"),
        ("&x {? *x : 1}", 1, "a value contains itself"),
        ("? {a: b}\n: c", 1, "found unhashable key"),
        ("a: *nothing", 1, "found undefined alias"),
        ("[" * 5000, None, "it is nested too deeply"),
        ("a: \x00", None, "special characters are not allowed"),
    ],
)
def test_what_is_not_of_the_core_schema(text: str, line: int | None, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),  # the same list twice, not in itself
        ("a: !!str 1", {"a": "1"}),
        ("a: !!int 010", {"a": 10}),
        ("a: !!float 1", {"a": 1.0}),
        ("a: !!null ''", {"a": None}),
        ("", None),
        ("<<: 1", {"<<": 1}),
    ],
)
def test_what_is(text: str, value: object) -> None:
    assert parse(text)[1] == value


def test_aliases_of_aliases_are_read_in_no_time() -> None:
    """Nine levels of nine references each stand for 9⁹ words."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert len(parse("\n".join(lines))[1]) == 10


@given(st.text(alphabet="ab:!&*{}[]<>|-?,'\"\\ \n\t#%@`0123456789.e+~", max_size=40))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_text_is_a_value_or_one_error(text: str) -> None:
    try:
        parse(text)
    except YamlError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most texts are YAML
