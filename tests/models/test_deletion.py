"""The game of deletion: which characters go, what the model is asked, and how often."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from architectures import classifier, family_of, tokenizer

from ihcli.config import RunConfig, TargetSection, UnitsSection
from ihcli.errors import BaselineError, PreflightError, TextTooLongError, UsageError
from ihcli.models import deletion, load_classifier, preflight
from ihcli.models.deletion import DeletionGame
from ihcli.removal.game import all_coalitions
from ihcli.results import Target

WORDS = UnitsSection()


def made(model, text, pair=None, section=WORDS, target=None, **more):
    encoded = model.encode(text, pair, units=section, **more)
    return DeletionGame(model, encoded, target or Target(model.labels[0], 0, "logit"))


def without(game, *absent):
    row = np.ones((1, game.units), dtype=bool)
    row[0, list(absent)] = False
    return game.texts(row)[0]


@pytest.fixture(scope="module")
def bert():
    return classifier(family_of("BERT"))


# --- which characters go ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "absent", "expected"),
    [
        ("this movie was not bad", [3], "this movie was bad"),
        ("this movie was not bad", [0], "movie was not bad"),
        ("this movie was not bad", [4], "this movie was not"),
        ("this movie was not bad", [1, 2, 3], "this bad"),
        ("this movie was not bad", [0, 1, 3, 4], "was"),
        ("this movie was not bad", [0, 1, 2, 3, 4], ""),
        ("good, bad.", [2], "good, ."),
        ("good, bad.", [0], ", bad."),
        ("good, bad.", [1], "good bad."),
        ("good, bad.", [1, 2], "good ."),
        ("well-known", [1], "well known"),
        ("well-known", [0], "-known"),
        ("good!Bad", [1], "good Bad"),
        ("so (bad) it", [2], "so () it"),
        ("one\n\ntwo three", [1], "one\n\nthree"),
        ("  one two\n", [0], "two\n"),
        ("  one two\n", [1], "  one"),
        ("  one two\n", [], "  one two\n"),
        ("  one two\n", [0, 1], ""),
    ],
)
def test_units_are_cut_by_their_characters(bert, text, absent, expected):
    assert without(made(bert, text), *absent) == (expected,)


def test_scripts_without_spaces_get_none(bert):
    game = made(bert, "这部电影不错")
    assert game.units == 6
    assert without(game, 1, 4) == ("这电影错",)


def test_no_kept_unit_loses_or_gains_a_character(bert):
    game = made(bert, 'He said: "well-known, but (so) bad..." twice!')
    names = [unit.text for unit in game.encoded.units]
    rows = np.random.default_rng(0).random((200, game.units)) < 0.5
    for row, (text,) in zip(rows, game.texts(rows), strict=True):
        kept = "".join(name for name, present in zip(names, row, strict=True) if present)
        assert "".join(text.split()) == kept
        assert "  " not in text
        assert text == text.strip()


def test_tokens_sentences_and_spans_are_units_too(bert, tmp_path):
    text = "The film was bad. The end was good."
    assert without(made(bert, text, section=UnitsSection(kind="sentence")), 0) == ("The end was good.",)
    file = tmp_path / "spans"
    file.write_text("4 12\n", encoding="utf-8")
    spans = made(bert, text, section=UnitsSection(kind="spans", spans=str(file)))
    assert [unit.text for unit in spans.encoded.units][:3] == ["The", "film was", "bad"]
    assert without(spans, 1) == ("The bad. The end was good.",)
    tokens = made(classifier(family_of("RoBERTa")), "badxyz", section=UnitsSection(kind="token"))
    assert [unit.text for unit in tokens.encoded.units] == ["b", "ad", "x", "y", "z"]
    assert without(tokens, 0) == ("adxyz",)
    assert without(tokens, 1, 3) == ("b x z",)


def test_a_character_of_several_units_goes_with_any_of_them():
    model = classifier(family_of("RoBERTa"))
    game = made(model, "so é ok", section=UnitsSection(kind="token"))
    shared = [u for u, unit in enumerate(game.encoded.units) if unit.text == "é"]
    assert len(shared) == 2
    assert without(game, shared[0]) == without(game, shared[1]) == without(game, *shared) == ("so ok",)
    spaces = [u for u, unit in enumerate(game.encoded.units) if unit.text == " "]
    assert without(game, *spaces) == ("so é ok",)


def test_each_side_of_a_pair_is_cut_by_itself(bert):
    game = made(bert, "is it good?", "not bad")
    assert game.units == 6
    assert without(game, 0, 5) == ("it good?", "not")
    assert without(game, 4, 5) == ("is it good?", "")
    assert without(game, 0, 1, 2, 3) == ("", "not bad")
    assert without(game, 0, 1, 2, 3, 4, 5) == ("", "")


# --- what the model is asked --------------------------------------------------------------------------------------

FAMILIES = (
    "BERT",
    "RoBERTa",
    "XLM-RoBERTa",
    "ALBERT",
    "DeBERTa-v2",
    "GPT-2",
    "Llama",
    "T5",
    "BART",
    "Mixtral",
    "MPNet",
    "CANINE",
    "DistilBERT",
    "ELECTRA",
    "ModernBERT",
)


def one_by_one(model, game, rows, kind="logit"):
    """The scores by the tokenizer and the model themselves, a text at a time."""
    values = []
    for sides in game.texts(rows):
        batch = model.tokenizer(*([side] for side in sides), return_tensors="pt")
        batch = {name: batch[name] for name in batch if name in model.adapter.accepted and name != "attention_mask"}
        with torch.no_grad():
            logits = model.model(**batch).logits[0].double()
        values.append({"logit": logits[0], "probability": logits.softmax(0)[0]}[kind].item())
    return np.array(values)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("pair", [None, "good start"])
def test_the_score_is_the_models_own_answer_to_the_text(name, pair):
    model = classifier(family_of(name))
    game = made(model, "not bad, très bien", pair)
    rows = all_coalitions(game.units)[:: 1 if pair is None else 7]
    np.testing.assert_allclose(game(rows), one_by_one(model, game, rows), atol=2e-5)


def test_every_output_of_a_target(bert):
    encoded = bert.encode("not bad at all", units=WORDS)
    rows = all_coalitions(len(encoded.units))
    probability = DeletionGame(bert, encoded, Target(bert.labels[0], 0, "probability"))
    np.testing.assert_allclose(probability(rows), one_by_one(bert, probability, rows, "probability"), atol=1e-6)
    against = bert.target(TargetSection(label=0, against=1), bert.predict(encoded))
    one, other = (DeletionGame(bert, encoded, Target(bert.labels[k], k, "logit"))(rows) for k in (0, 1))
    np.testing.assert_allclose(DeletionGame(bert, encoded, against)(rows), one - other, atol=1e-12)
    odds = DeletionGame(bert, encoded, Target(bert.labels[0], 0, "log-odds"))(rows)
    p = probability(rows)
    np.testing.assert_allclose(odds, np.log(p / (1 - p)), atol=1e-6)


def test_all_units_are_the_text_itself_and_none_the_special_tokens(bert):
    game = made(bert, "  It wasn't   well-known!")
    found = game(np.array([[True] * game.units, [False] * game.units]))
    with torch.no_grad():
        whole = bert.adapter.of_ids(game.encoded.input_ids[None], game.encoded.extras)[0, 0]
        special = bert.model(input_ids=torch.tensor([[1, 2]])).logits[0, 0]
    np.testing.assert_allclose(found, [float(whole), float(special)], atol=1e-6)


def test_of_a_text_that_was_cut_only_what_was_read_takes_part(bert):
    short = dataclasses.replace(bert, max_tokens=8)
    game = made(short, "not bad at all and then some more of it", truncation=True)
    rows = np.ones((2, game.units), dtype=bool)
    rows[1, 0] = False
    text = game.texts(rows)[1][0]
    assert text == " ".join(unit.text for unit in game.encoded.units[1:])
    with torch.no_grad():
        whole = bert.adapter.of_ids(game.encoded.input_ids[None], game.encoded.extras)[0, 0]
    assert game(rows)[0] == pytest.approx(float(whole), abs=1e-6)


def test_without_special_tokens_an_empty_text_is_the_token_of_the_beginning():
    model = classifier(family_of("GPT-2"))
    plain = copy.deepcopy(tokenizer("bpe"))
    plain._tokenizer.post_processor = None
    plain.bos_token = "[CLS]"  # noqa: S105
    game = made(dataclasses.replace(model, tokenizer=plain), "not bad")
    with torch.no_grad():
        expected = model.model(input_ids=torch.tensor([[1]])).logits[0, 0]
    assert game(np.zeros((1, 2), dtype=bool))[0] == pytest.approx(float(expected), abs=1e-6)
    plain.bos_token = None
    with pytest.raises(BaselineError, match="no token for an empty text"):
        made(dataclasses.replace(model, tokenizer=plain), "not bad")


def test_a_model_with_jumps_has_this_game():
    model = classifier(family_of("Mixtral"))
    game = made(model, "not bad")
    assert not preflight.inspect(model, game.encoded, thorough=False).ok
    assert np.isfinite(game(all_coalitions(2))).all()


# --- how often ----------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(bert):
    """A classifier that notes the shape of each batch of ids."""
    shapes = []

    class Watching(type(bert.adapter)):
        def of_ids(self, ids, extras):
            shapes.append(tuple(ids.shape))
            return super().of_ids(ids, extras)

    fields = {field.name: getattr(bert.adapter, field.name) for field in dataclasses.fields(bert.adapter)}
    return dataclasses.replace(bert, adapter=Watching(**fields)), shapes


def test_equal_ids_are_evaluated_once_and_equal_lengths_together(watched, monkeypatch):
    model, shapes = watched
    monkeypatch.setattr(deletion, "PASS", {"cpu": 0})
    game = made(model, "bad bad bad bad")
    rows = all_coalitions(4)
    values = game(rows)
    assert sorted(batch for batch, _ in shapes) == [1] * 5
    assert len({length for _, length in shapes}) == 5
    for one, other in itertools.combinations(range(16), 2):
        if rows[one].sum() == rows[other].sum():
            assert values[one] == values[other]
    game(rows)
    assert len(shapes) == 5


def test_few_texts_of_several_lengths_share_a_pass_and_none_is_asked_twice(watched):
    model, shapes = watched
    game = made(model, "this movie was not bad")
    rows = all_coalitions(5)
    game(rows)
    shapes.clear()
    again = DeletionGame(model, game.encoded, game.target)
    values = again(rows)
    assert sum(batch for batch, _ in shapes) == 32
    assert len(shapes) < 6
    np.testing.assert_allclose(values, one_by_one(model, game, rows), atol=2e-5)
    again(rows)
    assert sum(batch for batch, _ in shapes) == 32


@pytest.mark.parametrize("reason", ["answers otherwise", "takes no mask", "no token"])
def test_texts_are_not_padded_for_a_model_that_answers_otherwise_then(watched, reason):
    watching, shapes = watched
    model = dataclasses.replace(watching, model=copy.deepcopy(watching.model))
    adapter = model.adapter
    if reason == "answers otherwise":

        class Counting(type(adapter)):
            def of_ids(self, ids, extras):
                return super().of_ids(ids, {**extras, "attention_mask": torch.ones_like(ids)})

        fields = {field.name: getattr(adapter, field.name) for field in dataclasses.fields(adapter)}
        model = dataclasses.replace(model, adapter=Counting(**fields))
    elif reason == "takes no mask":
        names = adapter.accepted - {"attention_mask"}
        model = dataclasses.replace(model, adapter=dataclasses.replace(adapter, accepted=names))
    else:
        plain = copy.deepcopy(model.tokenizer)
        plain.pad_token = None
        model = dataclasses.replace(model, tokenizer=plain)
    game = made(model, "this movie was not bad")
    rows = all_coalitions(5)
    np.testing.assert_allclose(game(rows), one_by_one(model, game, rows), atol=2e-5)
    assert len(shapes) >= 6


@pytest.mark.parametrize("seed", range(5))
def test_lengths_are_put_together_at_the_least_cost(seed):
    random = np.random.default_rng(seed)
    lengths = sorted(random.choice(np.arange(2, 40), 6, replace=False).tolist(), reverse=True)
    counts = random.integers(1, 9, 6).tolist()
    overhead = int(random.integers(0, 60))

    def cost(groups):
        sizes = dict(zip(lengths, counts, strict=True))
        return sum(overhead + max(group) * sum(sizes[length] for length in group) for group in groups)

    ways = []
    for cuts in itertools.product([False, True], repeat=5):
        groups = [[lengths[0]]]
        for length, cut in zip(lengths[1:], cuts, strict=True):
            groups = [*groups, [length]] if cut else [*groups[:-1], [*groups[-1], length]]
        ways.append(groups)
    found = deletion._together(lengths, counts, overhead)
    assert [length for group in found for length in group] == lengths
    assert cost(found) == min(map(cost, ways))


def test_the_size_of_a_batch_is_bounded_and_changes_nothing(watched, monkeypatch):
    model, shapes = watched
    text = "this movie was not bad"
    expected = made(model, text)(all_coalitions(5))
    shapes.clear()
    monkeypatch.setattr(deletion, "TOKENS", {"cpu": 10})
    monkeypatch.setattr(deletion, "_TEXTS", 7)
    np.testing.assert_allclose(made(model, text)(all_coalitions(5)), expected, atol=1e-6)
    assert all(batch == 1 or batch * length <= 10 for batch, length in shapes)


def test_no_coalition_costs_nothing(watched):
    model, shapes = watched
    game = made(model, "not bad")
    assert game(np.zeros((0, 2), dtype=bool)).shape == (0,)
    assert not shapes


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2,), (1, 3)])
def test_coalitions_of_another_shape_are_refused(bert, shape):
    with pytest.raises(UsageError, match=r"must be \(n, 2\)"):
        made(bert, "not bad")(np.ones(shape, dtype=bool))


def test_a_cut_text_may_not_be_longer_than_the_model_reads(bert):
    text = "a-b"
    game = made(bert, text)
    game = dataclasses.replace(game, classifier=dataclasses.replace(bert, max_tokens=3))
    with pytest.raises(TextTooLongError, match=r"has 4 tokens.*at most 3: 'a b'"):
        game(np.array([[True, False, True]]))


def test_a_model_that_stops_says_at_which_length(bert, monkeypatch):
    def stop(*_, **__):
        raise RuntimeError("too short")

    game = made(bert, "not bad")
    monkeypatch.setattr(type(bert.adapter), "_call", stop)
    with pytest.raises(PreflightError, match=r"2 tokens.*RuntimeError: too short"):
        game(np.zeros((1, 2), dtype=bool))


# --- the bundled model --------------------------------------------------------------------------------------------


def test_not_bad_is_good_only_together():
    model = load_classifier(RunConfig())
    encoded = model.encode("not bad", units=WORDS)
    target = model.target(TargetSection(label="POSITIVE"), model.predict(encoded))
    none, negation, bad, both = DeletionGame(model, encoded, target)(all_coalitions(2))
    assert negation < none
    assert bad < none
    assert both > none


def test_games_of_one_classifier_share_their_logits(bert, monkeypatch):
    asked = []
    of_ids = type(bert.adapter).of_ids
    monkeypatch.setattr(
        type(bert.adapter), "of_ids", lambda own, ids, extras: asked.append(len(ids)) or of_ids(own, ids, extras)
    )
    encoded = bert.encode("this movie was not bad", units=WORDS)
    kept = {}
    logit, probability = (Target(bert.labels[0], 0, output) for output in ("logit", "probability"))
    rows = all_coalitions(len(encoded.units))
    DeletionGame(bert, encoded, logit, kept)(rows)
    once = sum(asked)
    shared = DeletionGame(bert, encoded, probability, kept)(rows)
    assert sum(asked) == once
    assert shared == pytest.approx(DeletionGame(bert, encoded, probability)(rows), abs=1e-12)
    assert sum(asked) == 2 * once
