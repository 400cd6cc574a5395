"""Units: a partition of the tokens by character offsets, whatever the tokenizer and the script."""

import copy
import dataclasses
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from architectures import CORPUS, classifier, family_of, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from presences import presence_of
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ihcli.attribution import integrated_hessians
from ihcli.config import BaselineSection, UnitsSection
from ihcli.errors import InputError, ModelError, TextTooLongError
from ihcli.models import word_breaks
from ihcli.models.encoding import EncodedText, encode
from ihcli.models.units import claim_letters

SCRIPTS = [*CORPUS, "这部电影不错。很好", "หนังไม่ดีเลย", "הסרט לא רע", "great 👍🏽 film!"]
KINDS = ("wordpiece", "bpe", "unigram", "metaspace", "xlm-roberta", "llama")
TOKENS, WORDS, SENTENCES = UnitsSection(kind="token"), UnitsSection(), UnitsSection(kind="sentence")


@pytest.fixture(scope="session")
def of_kind(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Tokenizers made here (see `architectures`), and two as published: sentencepiece files beside a configuration."""
    made: dict[str, Any] = {}
    for name, file, kind in (("xlm-roberta", "sentencepiece.bpe", "unigram"), ("llama", "tokenizer", "bpe")):
        folder = tmp_path_factory.mktemp(name)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SCRIPTS * 8), model_prefix=str(folder / file), vocab_size=400, model_type=kind,
            hard_vocab_limit=False, byte_fallback=kind == "bpe", pad_id=3, minloglevel=2,
        )  # fmt: skip
        (folder / "config.json").write_text(json.dumps({"model_type": name}), encoding="utf-8")
        made[name] = AutoTokenizer.from_pretrained(folder)
    spaced = Tokenizer(models.BPE(unk_token="[UNK]"))
    spaced.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    spaced.train_from_iterator(SCRIPTS * 4, trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]", "[SEP]"]))
    spaced.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[SEP]", 1)]
    )
    made["metaspace"] = PreTrainedTokenizerFast(tokenizer_object=spaced, unk_token="[UNK]", sep_token="[SEP]")
    return lambda kind: made.get(kind) or tokenizer(kind)


def encoded(
    tokenizer: Any, text: str, section: UnitsSection = WORDS, pair: str | None = None, **more: Any
) -> EncodedText:
    return encode(tokenizer, text, pair, section, **{"limit": 10**6, "accepted": (), **more})


def shown(found: EncodedText) -> list[str]:
    return [unit.text for unit in found.units]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It wasn't well-known; très bien!", ["It", "wasn't", "well", "-", "known", ";", "très", "bien", "!"]),
        ("great 👍🏽 film 👩\u200d👩\u200d👧 🇩🇪", ["great", "👍🏽", "film", "👩\u200d👩\u200d👧", "🇩🇪"]),
        ("הסרט לא רע", ["הסרט", "לא", "רע"]),
        ("الفيلم ليس سيئًا", ["الفيلم", "ليس", "سيئًا"]),
        ("  two  spaces\n\nnew\tline ", ["two", "spaces", "new", "line"]),
        ("don’t pay 3.14", ["don’t", "pay", "3.14"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
    ],
)
def test_words_are_unicode_s_whatever_the_tokenizer(
    of_kind: Callable[[str], Any], kind: str, text: str, words: list[str]
) -> None:
    found = encoded(of_kind(kind), text)
    if kind in {"wordpiece", "bpe"}:
        assert shown(found) == words
    else:  # their pieces may span punctuation: then the piece is the unit, and nothing else changes
        assert "".join(shown(found)) == "".join(words)
        assert all(any(unit.startswith(word) for word in words) for unit in shown(found))
    check(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["这部电影不错。很好", "หนังไม่ดีเลย", "日本語のテキスト"])
def test_scripts_without_spaces_lose_nothing(of_kind: Callable[[str], Any], kind: str, text: str) -> None:
    found = encoded(of_kind(kind), text)
    assert "".join(shown(found)) == text
    check(found)


def test_bytes_of_one_character_are_one_unit(of_kind: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_breaks, "find_spec", lambda _: None)  # no dictionary
    found = encoded(of_kind("bpe"), "这部")
    assert [(unit.text, len(unit.tokens)) for unit in found.units] == [("这", 3), ("部", 3)]
    thai = encoded(of_kind("bpe"), "ม่ดี")  # a consonant with its marks is one character to a reader
    assert shown(thai) == ["ม่", "ดี"]


def test_the_space_before_a_word_belongs_to_no_unit(of_kind: Callable[[str], Any]) -> None:
    for kind in ("bpe", "unigram", "metaspace", "llama"):
        found = encoded(of_kind(kind), "not bad", TOKENS)
        assert all(unit.text == unit.text.strip() or not unit.text.strip() for unit in found.units)
        assert [unit.text for unit in encoded(of_kind(kind), "not bad").units] == ["not", "bad"]


def test_a_lone_space_token_goes_with_the_word_after_it(of_kind: Callable[[str], Any]) -> None:
    found = encoded(of_kind("xlm-roberta"), "bad 👍🏽")
    assert found.units[1].tokens[0] == "▁"
    assert found.units[1].text == "👍🏽"


@pytest.fixture(scope="module")
def spaced() -> Any:
    """A byte-level tokenizer that adds a space before every word, with two added tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, trim_offsets=True)
    made.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(["I hated it", "It was a film", "we hated a b c"] * 8, trainer)
    made.add_tokens(["<user>", "<url>"])
    return PreTrainedTokenizerFast(tokenizer_object=made)


@pytest.mark.parametrize(
    ("text", "words", "tokens"),
    [
        ("<user>I hated <url>", ["<user>", "I", "hated", "<url>"], ["<user>", "I", "hated", "<url>", "<url>"]),
        ("<user>It was", ["<user>", "It", "was"], ["<user>", "It", "was"]),
        ("<user>a <user>b<url>c", ["<user>", "a", "<user>", "b", "<url>", "c"],
         ["<user>", "a", "<user>", "<user>", "b", "<url>", "c"]),
        ("<url>.", ["<url>", "."], ["<url>", ".", "."]),
        ("<user>é", ["<user>", "é"], ["<user>", "é", "é", "é"]),
        ("I hated it", ["I", "hated", "it"], ["I", "hated", "it"]),
        ("<user> I", ["<user>", "I"], ["<user>", "I"]),
    ],
)  # fmt: skip
def test_letters_that_the_offsets_miss_belong_to_their_own_token(
    spaced: Any, text: str, words: list[str], tokens: list[str]
) -> None:
    """After an added token the tokenizer's offsets of a word start one character late: those of `ĠI` are empty."""
    assert shown(encoded(spaced, text)) == words
    assert shown(encoded(spaced, text, TOKENS)) == tokens
    check(encoded(spaced, text))


def test_the_attribution_of_such_a_word_is_its_own(spaced: Any) -> None:
    found = encoded(spaced, "<user>I hated <url>")
    owners = dict(zip(found.tokens, found.groups.tolist(), strict=True))
    assert (owners["ĠI"], owners["Ġhated"]) == (1, 2)
    assert [unit.tokens for unit in found.units[1:3]] == [("ĠI",), ("Ġhated",)]


@pytest.mark.parametrize(
    ("text", "tokens", "offsets", "claimed"),
    [
        ("abI c", ["ab", "ĠI", "Ġc"], [(0, 2), (3, 3), (4, 5)], [(0, 2), (2, 3), (4, 5)]),
        ("abI c", ["ab", "I", "c"], [(0, 2), (2, 2), (4, 5)], [(0, 2), (2, 3), (4, 5)]),  # empty before its letter
        ("ab c", ["ab", "▁", "c"], [(0, 2), (3, 3), (3, 4)], [(0, 2), (3, 3), (3, 4)]),  # a lone metaspace has none
        ("ab\u200bc", ["ab", "x", "c"], [(0, 2), (2, 2), (3, 4)], [(0, 2), (2, 2), (3, 4)]),  # nothing to see
        ("ab c", ["ab", "Ġc"], [(0, 2), (3, 4)], [(0, 2), (3, 4)]),  # the character before is a space
        ("ab\ufffdc", ["ab", "c"], [(0, 2), (3, 4)], [(0, 2), (3, 4)]),  # dropped by the tokenizer: nobody's
    ],
)
def test_what_a_token_may_claim(text: str, tokens: list[str], offsets: list[Any], claimed: list[Any]) -> None:
    assert claim_letters(text, tokens, offsets) == claimed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [*SCRIPTS, "bad 👍🏽", "  two  spaces\n\nnew\tline ", "a\n\n", "👍"])
def test_no_unit_s_text_is_empty(of_kind: Callable[[str], Any], kind: str, text: str) -> None:
    for section in (TOKENS, WORDS):
        assert all(shown(encoded(of_kind(kind), text, section)))


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x0b", "\x85"])
def test_a_line_of_spans_ends_where_lines_end(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "spans.txt"
    file.write_text(f"# a{separator}note\r15 22\r\n0 10\n", encoding="utf-8", newline="")
    section = UnitsSection(kind="spans", spans=str(file))
    assert shown(encoded(tokenizer("wordpiece"), "this movie was not bad", section)) == ["this movie", "was", "not bad"]


def test_a_file_of_spans_from_a_device() -> None:
    with pytest.raises(InputError, match=r"/dev/zero: the spans cannot be read \(Is a device"):
        encoded(tokenizer("wordpiece"), "not bad", UnitsSection(kind="spans", spans="/dev/zero"))


# --- pairs for a model that knows one text ------------------------------------------------------------------------


@pytest.mark.parametrize(("types", "name"), [(1, "BERT"), (1, "ELECTRA"), (1, "ERNIE"), (1, "ALBERT")])
def test_a_pair_for_a_model_of_one_token_type_is_refused(types: int, name: str) -> None:
    made = dataclasses.replace(classifier(family_of(name), type_vocab_size=types), tokenizer=tokenizer("wordpiece"))
    with pytest.raises(ModelError, match=r"token type 1, and the model knows 1 type only: it was not made for text pa"):
        made.encode("not bad", "fine", units=WORDS)
    assert len(made.encode("not bad", units=WORDS).units) == 2


def test_a_pair_for_a_model_of_two_token_types_is_taken() -> None:
    assert len(classifier(family_of("BERT")).encode("not bad", "fine", units=WORDS).units) == 3


def test_sentences(of_kind: Callable[[str], Any]) -> None:
    text = "I did not like it. Really?  这部电影不错。很好!"
    for kind in ("wordpiece", "bpe"):
        found = encoded(of_kind(kind), text, SENTENCES)
        assert shown(found) == ["I did not like it.", "Really?", "这部电影不错。", "很好!"]
        check(found)


def test_spans_are_units_and_the_rest_stays_words(of_kind: Callable[[str], Any], tmp_path: Path) -> None:
    text = "this movie was not bad"
    lines, listed = tmp_path / "spans.txt", tmp_path / "spans.json"
    lines.write_text("# phrases\n15 22\n0 10\n", encoding="utf-8")
    listed.write_text("[[0, 10], [15, 22]]", encoding="utf-8")
    for kind in KINDS[:3]:
        for file in (lines, listed):
            found = encoded(of_kind(kind), text, UnitsSection(kind="spans", spans=str(file)))
            assert shown(found) == ["this movie", "was", "not bad"]
            check(found)


def test_a_span_inside_a_token_takes_the_token_with_it(of_kind: Callable[[str], Any], tmp_path: Path) -> None:
    file = tmp_path / "spans.txt"
    file.write_text("0 1", encoding="utf-8")
    found = encoded(of_kind("wordpiece"), "movie was", UnitsSection(kind="spans", spans=str(file)))
    assert shown(found) == ["movie", "was"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("0 4\n3 7", "the spans 0 4 and 3 7 overlap"),
        ("0 99", "the span 0 99 does not lie in the text, which has 22 characters"),
        ("-1 3", "the span -1 3 does not lie"),
        ("4 4", "the span 4 4 does not lie"),
        ("0 4 elsewhere", "'0 4 elsewhere' is not `start end [text|text_pair]`"),
        ("zero four", "is not a file of spans"),
        ("[[0]]", "is not a file of spans"),
        ("[0, 4", "is not a file of spans"),
        ('["04"]', "is not a file of spans"),
        ("[" * 100_000, "is not a file of spans"),
        ("", "holds no span"),
        ("[]", "holds no span"),
        ("4 5", "the span 4 5 holds white space only"),
        ("0 4 text_pair", "has spans of a second text, and there is none"),
    ],
)
def test_bad_spans_are_one_error(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "spans.txt"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        encoded(tokenizer("wordpiece"), "this movie was not bad", UnitsSection(kind="spans", spans=str(file)))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_spans_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: the spans cannot be read"):
        encoded(tokenizer("wordpiece"), "not bad", UnitsSection(kind="spans", spans="nowhere.txt"))


def test_a_pair_has_units_and_offsets_on_both_sides(of_kind: Callable[[str], Any]) -> None:
    for kind in ("wordpiece", "bpe", "unigram", "metaspace"):
        found = encoded(of_kind(kind), "not bad", pair="bad, not", accepted=("token_type_ids",))
        assert [(u.text, u.start, u.end, u.side) for u in found.units][:2] == [
            ("not", 0, 3, "text"), ("bad", 4, 7, "text")]  # fmt: skip
        second = [unit for unit in found.units if unit.side == "text_pair"]
        assert "".join(unit.text for unit in second) == "bad,not"
        assert second[0].start == 0
        assert second[-1].end == 8
        check(found)
    both = encoded(of_kind("wordpiece"), "not bad", pair="bad, not", accepted=("token_type_ids",))
    assert both.extras["token_type_ids"].tolist() == [0 if side != 1 else 1 for side in both.sides[:-1]] + [1]


def test_spans_of_the_second_text(of_kind: Callable[[str], Any], tmp_path: Path) -> None:
    file = tmp_path / "spans.txt"
    file.write_text("0 7 text_pair", encoding="utf-8")
    found = encoded(of_kind("wordpiece"), "not bad", UnitsSection(kind="spans", spans=str(file)), pair="was bad")
    assert [(unit.text, unit.side) for unit in found.units] == [
        ("not", "text"), ("bad", "text"), ("was bad", "text_pair")]  # fmt: skip


def test_a_tokenizer_that_marks_no_border_takes_no_pair(of_kind: Callable[[str], Any]) -> None:
    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "not": 1, "bad": 2}, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(InputError, match="puts nothing between two texts"):
        encoded(PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]"), "not", pair="bad")
    encoded(of_kind("bpe"), "not", pair="bad")


@pytest.mark.parametrize(
    ("text", "pair", "side"), [("", None, "text"), (" \n", None, "text"), ("x", "\t", "text pair")]
)
def test_a_blank_text(text: str, pair: str | None, side: str) -> None:
    with pytest.raises(InputError, match=f"The {side} is .*: there is nothing to explain"):
        encoded(tokenizer("wordpiece"), text, pair=pair)


def test_a_text_of_nothing_that_the_tokenizer_reads() -> None:
    with pytest.raises(InputError, match=r"The text '\\u200b' tokenizes to nothing"):
        encoded(tokenizer("wordpiece"), "\u200b")  # BERT drops characters that only format


@pytest.mark.parametrize(
    ("kind", "text", "named"),
    [
        ("wordpiece", "this [MASK] was bad", r"The text holds \[MASK\] at character 5"),
        ("wordpiece", "bad[SEP] bad [PAD]", r"The text holds \[SEP\] at character 3"),
        ("wordpiece", "[CLS]", r"The text holds \[CLS\] at character 0"),
        ("xlm-roberta", "not bad</s>", "The text holds </s> at character 7"),
        ("xlm-roberta", "<pad> bad", "The text holds <pad> at character 0"),
        ("llama", "not <s> bad", "The text holds <s> at character 4"),
    ],
)
def test_a_special_token_that_a_text_spells_out_is_named(
    of_kind: Callable[[str], Any], kind: str, text: str, named: str
) -> None:
    with pytest.raises(InputError, match=f"{named}.*Remove it, or write it apart"):
        encoded(of_kind(kind), text)


def test_a_special_token_in_the_second_text_is_named() -> None:
    with pytest.raises(InputError, match=r"The text pair holds \[SEP\] at character 4"):
        encoded(tokenizer("wordpiece"), "bad", pair="not [SEP] bad")


@pytest.mark.parametrize("text", ["[UNK] ☃ bad", "[ SEP ] bad", "[S EP]", "<sep>", "[x] [1]"])
def test_what_only_resembles_a_special_token_is_a_text(text: str) -> None:
    assert encoded(tokenizer("wordpiece"), text).units


def test_a_special_token_that_is_also_the_unknown_one_is_refused_by_its_name_only() -> None:
    made = copy.deepcopy(tokenizer("wordpiece"))
    made.pad_token = made.unk_token
    assert encoded(made, "☃ bad").units
    with pytest.raises(InputError, match=r"holds \[UNK\] at character 2"):
        encoded(made, "☃ [UNK] bad")


def test_added_tokens_are_words() -> None:
    made = copy.deepcopy(tokenizer("wordpiece"))
    made.add_special_tokens({"additional_special_tokens": ["<user>"]})
    assert next(unit.text for unit in encoded(made, "<user> bad").units).startswith("<user")


def test_a_long_text_is_refused_or_cut() -> None:
    text = "this movie was not bad and a charming disaster"
    with pytest.raises(TextTooLongError, match=r"reads at most 6.*--truncate"):
        encoded(tokenizer("wordpiece"), text, limit=6)
    cut = encoded(tokenizer("wordpiece"), text, limit=6, truncation=True)
    assert cut.truncated
    assert len(cut.input_ids) == 6
    assert shown(cut) == ["this", "movie", "was", "not"]
    assert not encoded(tokenizer("wordpiece"), "bad", limit=6, truncation=True).truncated


def test_a_word_that_is_cut_ends_where_its_tokens_do() -> None:
    whole = encoded(tokenizer("bpe"), "unbelievable", TOKENS)
    assert len(whole.units) > 3
    cut = encoded(tokenizer("bpe"), "unbelievable", limit=4, truncation=True)
    assert shown(cut) == ["unbelievable"[: whole.units[1].end]]


def test_a_text_that_is_cut_on_the_left_begins_where_its_tokens_do() -> None:
    own = copy.copy(tokenizer("bpe"))
    own.truncation_side = "left"
    whole = encoded(own, "unbelievable", TOKENS)
    cut = encoded(own, "unbelievable", limit=4, truncation=True)
    assert shown(cut) == ["unbelievable"[whole.units[-2].start :]]


@pytest.mark.parametrize("pair", [None, "fine"])
def test_half_of_a_surrogate_pair_is_said(pair: str | None) -> None:
    with pytest.raises(InputError, match="holds half of a surrogate pair"):
        encoded(tokenizer("wordpiece"), "bad \ud83d", pair=pair)


def test_a_tokenizer_that_pads_by_itself_changes_nothing() -> None:
    padding = PreTrainedTokenizerFast(tokenizer_object=tokenizer("wordpiece").backend_tokenizer, pad_token="[PAD]")
    padding.backend_tokenizer.enable_padding(length=40)
    padding.backend_tokenizer.enable_truncation(3)
    plain, found = encoded(tokenizer("wordpiece"), "this movie was not bad"), encoded(padding, "this movie was not bad")
    assert found.input_ids.tolist() == plain.input_ids.tolist()


ALPHABET = st.sampled_from(
    ["not", "bad", "wasn't", "-", ".", "?", " ", "  ", "\n", "é", "e\u0301", "\u0301", "👍🏽", "🇩🇪", "👩\u200d👧", "这",
     "部", "。", "ม่", "ดี", "ל", "א", "ﷺ", "ﬁ", "½", "…", "\u200b", "\u00a0", "\ufeff", "\x00", "x²", "_", "#", "3.14",
     "A", "\u202e", "\ud7ff"]
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=st.lists(ALPHABET, min_size=1, max_size=12), section=st.sampled_from([TOKENS, WORDS, SENTENCES]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_text_is_partitioned(
    of_kind: Callable[[str], Any], kind: str, pieces: list[str], section: UnitsSection
) -> None:
    try:
        found = encoded(of_kind(kind), "".join(pieces), section)
    except InputError as error:
        assert "nothing" in str(error)  # noqa: PT017 - blank, or nothing that the tokenizer reads
        return
    check(found, ordered=section is not TOKENS)


def check(found: EncodedText, *, ordered: bool = True) -> None:
    """The contract of units: a partition of the tokens into pieces of the text that do not share a character."""
    groups = found.groups.tolist()
    assert [group == -1 for group in groups] == [side is None for side in found.sides]
    assert set(groups) - {-1} == set(range(len(found.units)))
    for number, unit in enumerate(found.units):
        text = found.text if unit.side == "text" else found.text_pair
        assert unit.text == text[unit.start : unit.end]
        assert unit.tokens == tuple(token for token, group in zip(found.tokens, groups, strict=True) if group == number)
        assert ordered is False or unit.text == unit.text.strip() or not unit.text.strip()
    for side in ("text", "text_pair") if ordered else ():
        spans = [(unit.start, unit.end) for unit in found.units if unit.side == side]
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


# --- what grouping must keep -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "pair"), [("BERT", None), ("BERT", "not a disaster"), ("RoBERTa", None)])
def test_row_sums_survive_every_grouping(tmp_path: Path, name: str, pair: str | None) -> None:
    made = classifier(family_of(name))
    made.model.double()
    spans = tmp_path / "spans.txt"
    spans.write_text("4 10\n15 22\n", encoding="utf-8")
    text = "It wasn't bad. A charming disaster"
    matrices = {}
    for section in (TOKENS, WORDS, SENTENCES, UnitsSection(kind="spans", spans=str(spans))):
        one = made.encode(text, pair, units=section)
        presence = presence_of(made, one, BaselineSection(kind="mask"))
        score, baseline = presence.score, presence.paths[0].start
        matrices[section.kind] = one, integrated_hessians(score, made.embed(one), baseline, one.groups, tolerance=1e-4)
    by_token, fine = matrices.pop("token")
    places = (by_token.groups >= 0).tolist()
    for one, found in matrices.values():
        coarse = [group for group, explained in zip(one.groups.tolist(), places, strict=True) if explained]
        members = np.array([[group == unit for group in coarse] for unit in range(len(one.units))], dtype=float)
        scale = np.abs(fine.ih).max()
        assert np.abs(found.ih - members @ fine.ih @ members.T).max() < 1e-3 * scale
        assert np.abs(found.ih.sum(1) - members @ fine.ig).max() < 1e-3 * scale
        assert np.abs(found.ig - members @ fine.ig).max() < 1e-3 * scale
    if pair is not None:
        sides = np.array([unit.side == "text_pair" for unit in by_token.units])
        assert np.abs(fine.ih[sides][:, ~sides]).max() > 1e-3 * np.abs(fine.ih).max()
