import json
import math

import numpy as np
import pytest

from ihcli.errors import InputError
from ihcli.evaluation.foreign import parse_foreign, read_foreign
from ihcli.results import Unit

TEXT = "This isn't bad."
UNITS = (
    Unit("This", 0, 4, ("this",)),
    Unit("isn't", 5, 10, ("isn", "'", "t")),
    Unit("bad", 11, 14, ("bad",)),
    Unit(".", 14, 15, (".",)),
)
PLAIN = {"method": "shap", "text": TEXT, "words": ["This", "isn't", "bad", "."], "scores": [0.1, -0.5, 2.0, 0.0]}
PIECES = [
    {"text": "This", "start": 0, "end": 4},
    {"text": "isn", "start": 5, "end": 8},
    {"text": "'t", "start": 8, "end": 10},
    {"text": "bad", "start": 11, "end": 14},
    {"text": ".", "start": 14, "end": 15},
]


def explanation(**changes):
    document = {**PLAIN, **changes}
    return parse_foreign({key: value for key, value in document.items() if value is not ...}, "x.json")


def test_plain_words_are_found_in_order():
    found = explanation(baseline="mask", label="POSITIVE").aligned(UNITS, TEXT)
    assert found.attributions.tolist() == [0.1, -0.5, 2.0, 0.0]
    assert found.matrix is None
    lower = explanation(words=["this", "isn't", "BAD", "."]).aligned(UNITS, TEXT)
    assert lower.attributions.tolist() == [0.1, -0.5, 2.0, 0.0]


def test_the_same_word_twice_is_told_apart_by_order():
    text = "so so good"
    units = (Unit("so", 0, 2, ("so",)), Unit("so", 3, 5, ("so",)), Unit("good", 6, 10, ("good",)))
    document = {"method": "m", "text": text, "words": ["so", "so", "good"], "scores": [1, 2, 3], "pairs": [[1, 2, 7]]}
    found = parse_foreign(document).aligned(units, text)
    assert found.attributions.tolist() == [1, 2, 3]
    assert found.matrix[1, 2] == found.matrix[2, 1] == 7
    assert math.isnan(found.matrix[0, 1])


def test_pieces_of_a_unit_are_added_up_and_their_pairs_go_to_the_diagonal():
    matrix = np.arange(25.0).reshape(5, 5)
    matrix += matrix.T
    found = explanation(words=PIECES, scores=[1.0, 2.0, 3.0, 4.0, 5.0], matrix=matrix.tolist()).aligned(UNITS, TEXT)
    assert found.attributions.tolist() == [1, 5, 4, 5]
    members = [[0], [1, 2], [3], [4]]
    for i, rows in enumerate(members):
        for j, columns in enumerate(members):
            assert found.matrix[i, j] == sum(matrix[a, b] for a in rows for b in columns)


def test_pairs_that_are_not_listed_are_unknown_unless_the_list_is_complete():
    known = explanation(pairs=[[2, 1, 0.7]]).aligned(UNITS, TEXT).matrix
    assert known[1, 2] == known[2, 1] == 0.7
    assert np.isnan(known[np.triu_indices(4, 1)]).sum() == 5
    assert known.diagonal().tolist() == [0, 0, 0, 0]
    full = explanation(pairs=[[2, 1, 0.7]], complete=True).aligned(UNITS, TEXT).matrix
    assert full.sum() == pytest.approx(1.4)
    with pytest.raises(ValueError, match="read-only"):
        full[0, 0] = 1


def test_a_pair_of_texts_has_words_on_both_sides():
    units = (Unit("who", 0, 3, ("who",)), Unit("me", 0, 2, ("me",), "text_pair"))
    document = {"method": "m", "text": "who", "text_pair": "me", "words": ["who", "me"], "scores": [1, 2]}
    assert parse_foreign(document).aligned(units, "who", "me").attributions.tolist() == [1, 2]
    sided = [{"text": "me", "start": 0, "end": 2, "side": "text_pair"}, {"text": "who", "start": 0, "end": 3}]
    assert parse_foreign({**document, "words": sided}).aligned(units, "who", "me").attributions.tolist() == [2, 1]
    with pytest.raises(InputError, match="another text_pair"):
        parse_foreign(document).aligned(units, "who", None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text": "This isn't good."}, "is of another text"),
        ({"words": ["This", "is", "bad", "."]}, r"Word 2, 'bad', was expected at character 7 .*\"n't bad"),
        ({"words": ["This", "isn't", "good", "."]}, "Word 2, 'good', was expected at character 11"),
        ({"words": ["This", "isn't", "bad", ""]}, "Word 3, ''"),
        ({"words": ["This", "isn't", "bad"], "scores": [1.0, 2.0, 3.0]}, r"Unit 3, '\.' .* has no word"),
        ({"words": ["This isn't", "bad", "."], "scores": [1.0, 2.0, 3.0]}, "lies in several units: 'This', \"isn't\""),
        ({"words": [{**PIECES[0], "start": 1}, *PIECES[1:]], "scores": [1.0] * 5}, "where the text has 'his'"),
        ({"words": [{**PIECES[0], "side": "text_pair"}, *PIECES[1:]], "scores": [1.0] * 5}, "no such text"),
    ],
)
def test_words_that_do_not_fit_the_text_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        explanation(**changes).aligned(UNITS, TEXT)


def test_a_word_outside_of_every_unit_is_refused():
    with pytest.raises(InputError, match=r"Word 3, '\.' .* lies in no unit"):
        explanation().aligned(UNITS[:3], TEXT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": [1]}, "unknown key 'weights'. Known keys are method, text, words"),
        ({"words": [{**PIECES[0], "score": 1}, *PIECES[1:]]}, r"unknown key 'words\[0\].score'"),
        ({"scores": [1.0, 2.0]}, "4 words and 2 scores"),
        ({"scores": [1.0, 2.0, 3.0, "4"]}, r"scores\[3\] is '4'.*number"),
        ({"scores": [1.0, 2.0, 3.0, math.nan]}, r"scores\[3\] is nan.*finite"),
        ({"scores": [1.0, 2.0, 3.0, True]}, r"scores\[3\] is True"),
        ({"scores": ...}, "no scores, pairs or matrix"),
        ({"method": ...}, "method is missing"),
        ({"schema": "ihcli.result/1"}, "schema is 'ihcli.result/1'"),
        ({"words": []}, "at least 1 item"),
        ({"words": ["This", 3, "bad", "."]}, r"words\[1\] is 3"),
        ({"words": [{"start": 0, "end": 4}, *PIECES[1:]]}, r"words\[0\].text is missing. A word is"),
        ({"pairs": [[0, 4, 1.0]]}, r"pair \[0, 4\] .* 0 to 3"),
        ({"pairs": [[1, 1, 1.0]]}, "two different words"),
        ({"pairs": [[0, 1, 1.0], [1, 0, 1.0]]}, r"\[1, 0\] stands twice"),
        ({"pairs": [[0, 1]]}, r"pairs\[0\]\[2\] is missing. A pair is \[position, position, value\]"),
        ({"pairs": [[0, -1, 1.0]]}, r"pairs\[0\]\[1\] is -1"),
        ({"pairs": [[0, 1, 1.0]], "matrix": np.eye(4).tolist()}, "both pairs and matrix"),
        ({"matrix": np.eye(3).tolist()}, "not 4 x 4"),
        ({"matrix": np.triu(np.ones((4, 4))).tolist()}, "not symmetric"),
        ({"complete": True}, "only pairs need"),
    ],
)
def test_documents_that_are_not_as_documented_are_refused(changes, words):
    with pytest.raises(InputError, match=words) as failure:
        explanation(**changes)
    assert str(failure.value).startswith("x.json: ")


def write(folder, name, content):
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_files_of_one_of_several_and_of_lines(tmp_path):
    other = {**PLAIN, "method": "lime"}
    assert [e.method for e in read_foreign(write(tmp_path, "one.json", PLAIN))] == ["shap"]
    several = {"schema": "ihcli.foreign/1", "explanations": [PLAIN, other]}
    assert [e.method for e in read_foreign(write(tmp_path, "two.json", several))] == ["shap", "lime"]
    lines = f"{json.dumps(PLAIN)}\n\n{json.dumps(other)}\n"
    assert [e.method for e in read_foreign(write(tmp_path, "two.jsonl", lines))] == ["shap", "lime"]


def test_lines_are_read_one_at_a_time(tmp_path):
    stream = read_foreign(write(tmp_path, "two.jsonl", f"{json.dumps(PLAIN)}\nnonsense\n"))
    assert next(stream).method == "shap"
    with pytest.raises(InputError, match=r"two.jsonl, line 2: is not JSON"):
        next(stream)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", '{"method": "m", "text": "a", "words": ["a"], "scores": [NaN]}', "NaN is no number of JSON"),
        ("a.json", "[1]", "is a list and must be an object"),
        ("a.json", {"explanations": [PLAIN], "model": "x"}, "no others; it has 'explanations', 'model'"),
        ("a.json", {"explanations": PLAIN}, r"explanations \(a list\)"),
        ("a.json", {"explanations": [PLAIN, {**PLAIN, "scores": [1]}]}, r"explanations\[1\]: has 4 words"),
        ("a.json", {"explanations": [3]}, r"explanations\[0\]: is a int"),
    ],
)
def test_files_that_are_not_as_documented_are_refused(tmp_path, name, content, words):
    with pytest.raises(InputError, match=words):
        list(read_foreign(write(tmp_path, name, content)))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        list(read_foreign(tmp_path / "absent.json"))
    (tmp_path / "latin.json").write_bytes(b'{"text": "\xe9"}')
    with pytest.raises(InputError, match="not UTF-8"):
        list(read_foreign(tmp_path / "latin.json"))
