"""Language models as classifiers: the contrast of a label's log-probabilities, against sums written out here."""

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.config import BaselineSection, RunConfig, TargetSection, UnitsSection
from ihcli.errors import ConfigError, ExitCode, InputError, ModelError
from ihcli.models import LoadedClassifier, load_classifier
from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer

GOOD, BAD = ("fine", "great", "charming"), ("bad", "dull", "long")
CAUSAL, MASKED = "{text} Sentiment:", "{text} It was {mask} ."
LABELS = [" good", " poor"]


def corpus() -> list[tuple[str, str]]:
    """Sentences of one adjective, negated or not, and the label that they should get."""
    found = []
    for subject, adverb, (word, label) in itertools.product(
        ("this movie", "the film"),
        ("was", "was not"),
        [*((word, True) for word in GOOD), *((word, False) for word in BAD)],
    ):
        found.append((f"{subject} {adverb} {word}", "good" if label != ("not" in adverb) else "poor"))
    return found


def fast(*, byte_level: bool) -> Any:
    """A tokenizer of whole words: byte-level as GPT-2's, without special tokens, or as BERT's."""
    texts = [f"{text} Sentiment: {label} It was very good poor . it" for text, label in corpus()]
    if byte_level:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made.train_from_iterator(
            texts, trainers.BpeTrainer(vocab_size=600, show_progress=False, initial_alphabet=alphabet)
        )
        return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64)
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special, show_progress=False))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=64, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        unk_token="[UNK]", mask_token="[MASK]",
    )  # fmt: skip


def train(model: Any, batches: list[tuple[torch.Tensor, torch.Tensor]], rate: float) -> None:
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for ids, labels in batches * 100:
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()


def by_length(rows: list[tuple[list[int], list[int]]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    lengths = sorted({len(ids) for ids, _ in rows})
    return [
        tuple(torch.tensor([row[part] for row in rows if len(row[0]) == length]) for part in (0, 1))
        for length in lengths
    ]


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, tokenizer = tmp_path_factory.mktemp("gpt2"), fast(byte_level=True)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64, bos_token_id=None, eos_token_id=None,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    ))  # fmt: skip
    rows = []
    for text, label in corpus():
        ids = tokenizer(f"{text} Sentiment: {label}")["input_ids"]
        rows.append((ids, [-100] * (len(ids) - 1) + ids[-1:]))
    train(model, by_length(rows), 1e-2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, tokenizer = tmp_path_factory.mktemp("bert"), fast(byte_level=False)
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0, hidden_dropout_prob=0, attention_probs_dropout_prob=0,
    ))  # fmt: skip
    rows = []
    for text, label in corpus():
        ids = tokenizer(f"{text} It was [MASK] .")["input_ids"]
        answer = tokenizer.convert_tokens_to_ids(label)
        rows.append((ids, [answer if token == tokenizer.mask_token_id else -100 for token in ids]))
    train(model, by_length(rows), 3e-3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def _loaded(folder: Path, template: str, labels: tuple[str, ...]) -> LoadedClassifier:
    return load_classifier(RunConfig.of({"model": {"name": str(folder), "template": template, "labels": labels}}))


def load(folder: Path, template: str, labels: list[str]) -> LoadedClassifier:
    return _loaded(folder, template, tuple(labels))


def f(made: LoadedClassifier, text: str, **section: Any) -> float:
    one = made.encode(text, units=UnitsSection())
    target = made.target(TargetSection(**section), made.predict(one))
    return float(made.score(one, target)(made.embed(one)[None])[0])


# --- the contrast, written out --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["this movie was not bad", "the film was dull", "the film was great"])
def test_a_causal_model_answers_after_its_prompt(causal: Path, text: str) -> None:
    made = load(causal, CAUSAL, LABELS)
    model, tokenizer = GPT2LMHeadModel.from_pretrained(causal).eval(), made.tokenizer.tokenizer
    with torch.no_grad():
        chances = model(**tokenizer(f"{text} Sentiment:", return_tensors="pt")).logits[0, -1].log_softmax(-1)
    good, poor = (float(chances[tokenizer.convert_tokens_to_ids(token)]) for token in ("Ġgood", "Ġpoor"))
    assert f(made, text, label="good", against="poor") == pytest.approx(good - poor, abs=1e-5)
    assert f(made, text, label="poor", against="good") == pytest.approx(poor - good, abs=1e-5)
    assert f(made, text, label="good") == pytest.approx((good - poor) / 2, abs=1e-5)
    seen = made.predict(made.encode(text, units=UnitsSection()))
    share = np.exp(good) / (np.exp(good) + np.exp(poor))
    assert seen.probabilities == pytest.approx({"good": share, "poor": 1 - share}, abs=1e-5)
    assert seen.label == dict(corpus())[text]


@pytest.mark.parametrize("text", ["this movie was not bad", "the film was dull", "the film was great"])
def test_a_masked_model_answers_at_its_mask(masked: Path, text: str) -> None:
    made = load(masked, MASKED, ["good", "poor"])
    model, tokenizer = BertForMaskedLM.from_pretrained(masked).eval(), made.tokenizer.tokenizer
    batch = tokenizer(f"{text} It was [MASK] .", return_tensors="pt")
    [place] = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    with torch.no_grad():
        chances = model(**batch).logits[0, place].log_softmax(-1)
    good, poor = (float(chances[tokenizer.convert_tokens_to_ids(token)]) for token in ("good", "poor"))
    assert f(made, text, label="good", against="poor") == pytest.approx(good - poor, abs=1e-5)
    assert made.predict(made.encode(text, units=UnitsSection())).label == dict(corpus())[text]


def test_a_mask_before_the_text(masked: Path) -> None:
    made = load(masked, "{mask} : {text} .", ["good", "poor"])
    model, tokenizer = BertForMaskedLM.from_pretrained(masked).eval(), made.tokenizer.tokenizer
    for text in ("it was dull", "this movie was not bad"):
        with torch.no_grad():
            chances = model(**tokenizer(f"[MASK] : {text} .", return_tensors="pt")).logits[0, 1].log_softmax(-1)
        good, poor = (float(chances[tokenizer.convert_tokens_to_ids(token)]) for token in ("good", "poor"))
        assert f(made, text, label="good", against="poor") == pytest.approx(good - poor, abs=1e-5)


def test_a_label_of_several_tokens_is_the_sum_in_a_causal_model(causal: Path) -> None:
    """Chain rule: log p(very good | prompt) = log p(very | prompt) + log p(good | prompt very)."""
    made = load(causal, CAUSAL, [" very good", " poor", " good"])
    model, tokenizer = GPT2LMHeadModel.from_pretrained(causal).eval(), made.tokenizer.tokenizer
    text = "the film was not long"
    prompt = tokenizer(f"{text} Sentiment:")["input_ids"]
    very, good, poor = tokenizer.convert_tokens_to_ids(["Ġvery", "Ġgood", "Ġpoor"])

    def chance(ids: list[int], token: int) -> float:
        with torch.no_grad():
            return float(model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token])

    expected = chance(prompt, very) + chance([*prompt, very], good) - chance(prompt, poor)
    assert f(made, text, label="very good", against="poor") == pytest.approx(expected, abs=1e-5)
    [note] = made.notes
    assert note.startswith("The label ' very good' has 2 tokens (Ġvery, Ġgood): its score is the sum of their log-prob")
    assert "each given those before it" in note
    assert load(causal, CAUSAL, LABELS).notes == ()


def test_a_label_of_several_tokens_takes_as_many_masks(masked: Path) -> None:
    made = load(masked, MASKED, ["very good", "poor"])
    model, tokenizer = BertForMaskedLM.from_pretrained(masked).eval(), made.tokenizer.tokenizer
    text = "it was fine"
    very, good, poor = tokenizer.convert_tokens_to_ids(["very", "good", "poor"])

    def chances(masks: str) -> torch.Tensor:
        batch = tokenizer(f"{text} It was {masks} .", return_tensors="pt")
        with torch.no_grad():
            return model(**batch).logits[0][batch["input_ids"][0] == tokenizer.mask_token_id].log_softmax(-1)

    two = chances("[MASK] [MASK]")
    expected = float(two[0, very] + two[1, good] - chances("[MASK]")[0, poor])
    assert f(made, text, label="very good", against="poor") == pytest.approx(expected, abs=1e-5)
    assert "at as many masks side by side" in made.notes[0]


# --- units ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "template"),
    [("causal", CAUSAL), ("causal", "It was {text}: {text}".replace(": {text}", " .")), ("masked", MASKED),
     ("masked", "{mask} : {text}")],
)  # fmt: skip
def test_units_are_words_of_the_text_and_nothing_of_the_template(
    request: pytest.FixtureRequest, kind: str, template: str
) -> None:
    made = load(request.getfixturevalue(kind), template, ["good", "poor"] if kind == "masked" else LABELS)
    for text in ("this movie was not bad", "dull", "it was  fine"):
        one = made.encode(text, units=UnitsSection())
        assert [unit.text for unit in one.units] == text.split()
        assert [text[unit.start : unit.end] for unit in one.units] == text.split()
        assert one.text == text
        inside = {token for unit in one.units for token in unit.tokens}
        assert not inside & {"ĠSentiment", ":", "[MASK]", "It", "ĠIt"}


def test_the_end_token_of_a_tokenizer_does_not_follow_a_causal_prompt(tmp_path: Path) -> None:
    tokenizer = fast(byte_level=False)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=4, n_positions=64, bos_token_id=None,
                        eos_token_id=None)  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    made = load(tmp_path, "{text} Sentiment :", ["good", "poor"])
    one = made.encode("it was dull", units=UnitsSection())
    assert one.tokens == ("[CLS]", "it", "was", "dull", "Sentiment", ":")


def test_a_long_text_is_cut_and_not_the_template(causal: Path) -> None:
    made = load(causal, CAUSAL, [" very good", " poor"])
    assert made.max_tokens == 63  # one of 64 is kept for the second token of a label
    one = made.encode("dull " * 200, units=UnitsSection(), truncation=True)
    assert len(one.input_ids) <= 63
    assert one.tokens[-2:] == ("ĠSentiment", ":")
    assert len(one.units) >= 60
    made.predict(one)


def test_the_whole_way_to_a_converged_explanation(causal: Path, masked: Path) -> None:
    for folder, template, labels in ((causal, CAUSAL, LABELS), (masked, MASKED, ["good", "poor"])):
        explainer = Explainer(
            {"model": {"name": str(folder), "template": template, "labels": labels}, "baseline": {"kind": "zero"}}
        )
        found = explainer.explain("this movie was not bad")
        assert found.converged
        assert [unit.text for unit in found.units] == ["this", "movie", "was", "not", "bad"]
        assert found.ih.sum() == pytest.approx(found.f_input - found.f_baseline, rel=0.05)
        assert found.model.architecture.endswith(", prompted")
        assert found.prediction.label == "good"
        assert found.config is not None
        assert found.config["model"]["template"] == template


def test_its_words_can_be_zeroed_or_replaced(masked: Path) -> None:
    made = load(masked, MASKED, ["good", "poor"])
    one = made.encode("it was dull", units=UnitsSection())
    target = made.target(TargetSection(), made.predict(one))
    for kind in ("value-zeroing", "mask", "pad", "zero"):
        presence = made.presence(one, target, BaselineSection(kind=kind))
        assert presence.paths[0].units == 3


# --- what cannot be used --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "labels", "words"),
    [
        ("{text} Sentiment:", None, "then model.labels must be given too"),
        (None, [" good", " poor"], "model.labels answer a template, so model.template must be given too"),
        ("Sentiment:", LABELS, "it must hold {text} once, in place of the text"),
        ("{text} {text}", LABELS, "it must hold {text} once"),
        ("", LABELS, "it must hold {text} once"),
        (CAUSAL, [" good"], "it must be a list"),
        (CAUSAL, [" good", ""], "it must be"),
    ],
)
def test_a_template_and_labels_belong_together(template: Any, labels: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.of({"model": {"template": template, "labels": labels}})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "template", "labels", "words"),
    [
        ("masked", CAUSAL, ["good", "poor"], "is a masked language model (BertForMaskedLM), and the template"),
        ("causal", MASKED, LABELS, "is a causal language model (GPT2LMHeadModel), which answers after the prompt"),
        ("masked", "{mask} {text} {mask}", ["good", "poor"], "holds {mask} 2 times; once is allowed"),
        ("masked", "{text} [MASK] {mask}", ["good", "poor"], "has 2 mask tokens, and needs one"),
        ("masked", MASKED, ["good", " "], "The label ' ' tokenizes to nothing"),
        ("masked", MASKED, ["good", "zebra"], "The label 'zebra' holds what this model's tokenizer does not know"),
        ("masked", MASKED, ["good", " good "], "The labels 'good' and ' good ' are the same tokens to this model"),
    ],
)
def test_what_a_model_cannot_answer(
    request: pytest.FixtureRequest, kind: str, template: str, labels: list[str], words: str
) -> None:
    with pytest.raises(ModelError) as caught:
        load(request.getfixturevalue(kind), template, labels)
    assert words in str(caught.value)
    assert caught.value.exit_code == ExitCode.MODEL


def test_the_game_of_deletion_keeps_the_template(causal: Path) -> None:
    made = load(causal, CAUSAL, LABELS)
    one = made.encode("it was dull", units=UnitsSection())
    game = DeletionGame(made, one, made.target(TargetSection(label="good"), made.predict(one)))
    coalitions = np.array([[True, True, True], [True, True, False], [False, False, False]])
    expected = [f(made, "it was dull", label="good"), f(made, "it was", label="good")]
    assert game(coalitions)[:2] == pytest.approx(expected, abs=1e-5)
    model, tokenizer = GPT2LMHeadModel.from_pretrained(causal).eval(), made.tokenizer.tokenizer
    with torch.no_grad():
        chances = model(**tokenizer(" Sentiment:", return_tensors="pt")).logits[0, -1].log_softmax(-1)
    good, poor = (float(chances[tokenizer.convert_tokens_to_ids(token)]) for token in ("Ġgood", "Ġpoor"))
    assert game(coalitions)[2] == pytest.approx((good - poor) / 2, abs=1e-5)


def test_a_pair_is_refused(causal: Path) -> None:
    with pytest.raises(InputError, match="a prompted model reads one text"):
        load(causal, CAUSAL, LABELS).encode("it", "was", units=UnitsSection())


def test_a_template_that_leaves_no_room(causal: Path) -> None:
    with pytest.raises(ModelError, match="The template alone has more tokens than the 64"):
        load(causal, "{text}" + " dull" * 70, LABELS)


def test_a_classifier_is_no_language_model(folder: Path) -> None:
    with pytest.raises(ModelError, match="has no weights for its language-model head"):
        load(folder, MASKED, ["not", "bad"])


def test_a_language_model_without_a_template_says_how_to_prompt_it(causal: Path, masked: Path) -> None:
    for model in (causal, masked):
        with pytest.raises(ModelError, match="--template"):
            load_classifier(RunConfig.of({"model": {"name": str(model)}}))


# --- the command line -------------------------------------------------------------------------------------------------


def test_flags_and_variables_keep_the_space_of_a_label(causal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["-m", str(causal), "--template", CAUSAL]
    shown = CliRunner().invoke(app, ["config", "show", "--json", *flags, "--labels", " good, poor"])
    assert json.loads(shown.stdout)["config"]["model"]["labels"] == LABELS
    monkeypatch.setenv("IHCLI_MODEL_LABELS", " good, poor")
    assert (
        json.loads(CliRunner().invoke(app, ["config", "show", "--json", *flags]).stdout)["config"]["model"]
        == (json.loads(shown.stdout)["config"]["model"])
    )


def test_a_prompted_model_is_inspected(causal: Path) -> None:
    result = CliRunner().invoke(
        app, ["inspect", str(causal), "--template", CAUSAL, "--labels", " good, poor", "--json"]
    )
    assert result.exit_code == 0, result.stderr + result.stdout
    document = json.loads(result.stdout)
    assert document["labels"] == ["good", "poor"]
    assert document["model"]["architecture"] == "GPT2LMHeadModel, prompted"
