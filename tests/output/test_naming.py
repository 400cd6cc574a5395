"""Folder names: plain for plain texts, one for each text, and never outside their folder."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from explanations import make_explanation
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.errors import OutputError
from ihcli.output.naming import folder_of_text, name_of_id, path_inside, slug
from ihcli.results import Explanation


@pytest.mark.parametrize(
    ("text", "name"),
    [("this movie was not bad", "this-movie-was-not-bad"), ("2 good 4 you", "2-good-4-you"), ("a", "a")],
)
def test_a_text_of_plain_words_has_a_plain_name(text: str, name: str) -> None:
    assert slug(text) == name


ALIKE = [
    # The inputs of the report: capitals, runs of spaces, a final full stop, a hyphen, ß and ss.
    [
        "not bad",
        "Not bad",
        "NOT BAD",
        "not  bad",
        "not bad.",
        " not bad",
        "not bad ",
        "not-bad",
        "not\tbad",
        "not\nbad",
    ],
    ["gross", "groß", "Gross"],
    ["bad!", "bad?", "bäd", "bd", "bad", "bad…"],
    # Further ones: width, ligatures, combining marks, letters that have no name, empty ones, long ones, reserved ones.
    ["office", "oﬃce", "ｏｆｆｉｃｅ", "offi\u0301ce"],
    ["这部电影", "那部电影", "", "...", "\u200b", "text"],
    ["word " * 40, "word " * 41, "word " * 41 + "end", ("word " * 40).strip()],
    ["con", "CON", "con!", "con "],
]


@pytest.mark.parametrize("texts", ALIKE, ids=lambda texts: texts[0][:10])
def test_texts_that_look_alike_have_folders_of_their_own(texts: list[str]) -> None:
    names = [slug(text) for text in texts]
    assert len(set(names)) == len(texts)
    assert [slug(text) for text in texts] == names  # from the text alone
    for name in names:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert len(name) <= 60
        assert name != "con"


def test_pairs_share_no_name_with_each_other_or_a_text() -> None:
    texts = [
        ("a man", "sleeps"),
        ("a", "man sleeps"),
        ("a man sleeps", None),
        ("a man", "Sleeps"),
        ("a man sleeps", ""),
    ]
    names = [slug(*text) for text in texts]
    assert len(set(names)) == len(texts)
    assert names[0].startswith("a-man-sleeps-")
    assert slug("好", "x" * 100).startswith("x" * 40)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="aAß .-!\t12é", max_size=6), min_size=2, max_size=6, unique=True))
def test_two_texts_never_share_a_name(texts: list[str]) -> None:
    assert len({slug(text) for text in texts}) == len(texts)
    assert len({name_of_id(text) for text in texts}) == len(texts)


def test_a_portable_id_is_its_own_name() -> None:
    assert [name_of_id(one) for one in ("42", "review-17", "0b9f-aa", "con", "R1", "r 1", "")] == [
        "42",
        "review-17",
        "0b9f-aa",
        slug("con"),
        slug("R1"),
        name_of_id("r 1"),
        slug(""),
    ]
    assert name_of_id("r 1") != "r-1"


def saved(directory: Path, text: str, pair: str | None = None) -> str:
    """The name of the folder that a result of the text was written to."""
    folder = folder_of_text(directory, text, pair)
    replace(make_explanation(text=text), text_pair=pair).save(folder)
    return folder.name


def test_a_text_keeps_its_folder(tmp_path: Path) -> None:
    texts = [("not bad", None), ("Not bad.", None), ("not bad", "at all"), ("not-bad", None), ("好", None)]
    names = [saved(tmp_path, *text) for text in texts]
    assert names == [slug(*text) for text in texts]
    assert [saved(tmp_path, *text) for text in reversed(texts)] == names[::-1]
    assert [Explanation.load(tmp_path / name).text for name in names] == [text for text, _ in texts]


def test_a_folder_of_an_earlier_version_keeps_its_text(tmp_path: Path) -> None:
    make_explanation(text="Not bad.").save(tmp_path / "not-bad")
    assert saved(tmp_path, "Not bad.") == "not-bad"
    other = saved(tmp_path, "not bad")
    assert re.fullmatch("not-bad-[0-9a-f]{8}", other)
    assert saved(tmp_path, "not bad") == other
    assert saved(tmp_path, "NOT BAD") == slug("NOT BAD")
    assert Explanation.load(tmp_path / "not-bad").text == "Not bad."


def test_a_damaged_result_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "not-bad").mkdir()
    (tmp_path / "not-bad" / "result.json").write_text("{")
    assert saved(tmp_path, "not bad") == "not-bad"


OUTSIDE = [
    "../x",
    "../../x",
    "a/../../x",
    "/abs",
    "..",
    ".",
    "",
    "a\\..\\..\\x",
    "C:x",
    "C:\\x",
    "\\\\host\\share",
    "a\0b",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="leads out of"):
        path_inside(tmp_path / "inside", name)


def test_a_name_that_leads_out_through_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (folder / "own").mkdir()
    (folder / "near").symlink_to(folder / "own")
    (folder / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="leads out of"):
        path_inside(folder, "link/x")
    for name in ("circle/x", "n" * 300):  # lies inside, and cannot be written
        assert path_inside(folder, name) == folder / name
    assert path_inside(folder, "near/x") == folder / "near" / "x"


@pytest.mark.parametrize("name", ["a", "deep/c", "not-bad", "..a", "a..b", "réponse 1", "~2"])
def test_other_names_are_places_in_the_folder(tmp_path: Path, name: str) -> None:
    assert path_inside(tmp_path, name) == tmp_path / name


def test_every_name_that_is_accepted_lies_inside(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    for pieces in itertools.product(("a", "..", ".", "", "/", "b/.."), repeat=3):
        name = "/".join(pieces)
        try:
            place = path_inside(folder, name)
        except OutputError:
            continue
        assert place.resolve().is_relative_to(folder.resolve()), name
