"""Value zeroing against hooks on the models' own value projections, masked attention against attention masks."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from architectures import classifier, family_of
from presences import presence_of
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
)
from transformers.masking_utils import eager_mask

from ihcli.attribution.reverse import ReverseEngine
from ihcli.config import BaselineSection, ModelSection, TargetSection, UnitsSection
from ihcli.errors import BaselineError
from ihcli.models import LoadedClassifier, Presence
from ihcli.models.attention import ExplicitAttention
from ihcli.models.loading import assemble
from ihcli.models.value_zeroing import EPSILON
from ihcli.pipeline import Explainer
from ihcli.text_games import CornerGame

TEXT = "this movie was not bad"
WORDS = UnitsSection()
VALUES = BaselineSection(kind="value-zeroing")
PROJECTIONS = {
    "BERT": "value", "RoBERTa": "value", "XLM-RoBERTa": "value", "ALBERT": "value", "ELECTRA": "value",
    "DistilBERT": "v_lin", "MPNet": "v", "DeBERTa-v2": "value_proj", "Llama": "v_proj", "Mistral": "v_proj",
    "Qwen2": "v_proj", "Qwen3": "v_proj", "Gemma 2": "v_proj",
}  # fmt: skip
"""The module that computes the values in each family, biases included."""
REQUIRED = (*PROJECTIONS, "ModernBERT", "GPT-2", "GPT-NeoX", "XLNet", "BART", "T5", "BLOOM", "Phi-3")


@contextmanager
def scaled(model: nn.Module, name: str, switches: Tensor) -> Iterator[None]:
    """Multiply what every value projection returns by the switches (B, T) of its tokens."""
    modules = [module for where, module in model.named_modules() if where.split(".")[-1] == name]
    assert modules
    handles = [module.register_forward_hook(lambda _, __, found: found * switches.unsqueeze(-1)) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def made_of(name: str) -> tuple[LoadedClassifier, Any, Presence]:
    made = classifier(family_of(name), "off")
    one = made.encode(TEXT, units=WORDS)
    return made, one, presence_of(made, one, VALUES)


def random_switches(one: Any, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    free = torch.rand(count, len(one.input_ids), generator=generator)
    return torch.where(one.explained, free, 1.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "projection"), PROJECTIONS.items())
def test_the_switches_scale_what_the_value_projections_return(name: str, projection: str) -> None:
    made, one, presence = made_of(name)
    switches = random_switches(one)
    path, score = presence.paths[0], made.score(one, made.target(TargetSection(), made.predict(one)))
    embeddings = made.embed(one).expand(len(switches), -1, -1)
    with torch.no_grad():
        found = dataclasses.replace(presence.score, epsilon=1.0)(switches, *path.parameters_at(len(switches)))
        with scaled(made.model, projection, switches):
            expected = score(embeddings)
    assert torch.allclose(found, expected, atol=1e-6, rtol=1e-5)
    assert found.std() > 1e-6  # the switches do something


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "Llama", "Qwen2"])
@pytest.mark.parametrize("share", [EPSILON, 0.2])
def test_the_weights_of_present_words_are_renormalised_in_part(name: str, share: float) -> None:
    """Against an attention function of our own in transformers' registry: Σ w s v / (ε + (1 - ε) Σ w s)."""
    made, one, presence = made_of(name)
    switches = random_switches(one)

    def attention(_module, query, key, value, mask, scaling=None, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
        if mask is not None:
            scores = scores + mask[..., : key.shape[2]]
        present = torch.softmax(scores, -1) * switches[:, None, None, :]
        total = share + (1 - share) * present.sum(-1, keepdim=True)
        return (present @ value / total).transpose(1, 2).contiguous(), None

    AttentionInterface.register("renormalised_in_part", attention)
    AttentionMaskInterface.register("renormalised_in_part", eager_mask)
    path, score = presence.paths[0], made.score(one, made.target(TargetSection(), made.predict(one)))
    embeddings = made.embed(one).expand(len(switches), -1, -1)
    if len(path.parameters_at(1)) > 1:  # the position that the head reads
        embeddings = embeddings - (1 - switches).unsqueeze(-1) * path.parameters_at(len(switches))[1]
    with torch.no_grad():
        found = dataclasses.replace(presence.score, epsilon=share)(switches, *path.parameters_at(len(switches)))
        before = made.model.config._attn_implementation
        made.model.config._attn_implementation = "renormalised_in_part"
        try:
            expected = score(embeddings)
        finally:
            made.model.config._attn_implementation = before
    assert torch.allclose(found, expected, atol=1e-6, rtol=1e-5)
    assert found.std() > 1e-6


def state_of(model: nn.Module) -> dict[str, Any]:
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "hooks": [(name, len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in model.named_modules()],
        "modes": [(name, m.training) for name, m in model.named_modules()],
        "config": model.config.to_dict(),
        "attention": model.config._attn_implementation,
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REQUIRED)
def test_a_family(name: str) -> None:
    made = classifier(family_of(name))
    before = state_of(made.model)
    one = made.encode(TEXT, units=WORDS)
    assert made.value_plan().refusal is None
    presence = presence_of(made, one, VALUES)
    path = presence.paths[0]
    with torch.no_grad():
        plain = dataclasses.replace(presence.score, kinks=(), beta=None)
        whole = plain(torch.ones(1, len(one.input_ids)), *path.parameters_at(1))
        logits = made.adapter.of_ids(one.input_ids[None], one.extras)
    index = made.predict(one).index
    assert abs(float(whole - logits[:, index])) <= 1e-5 * max(1.0, float(logits.abs().max()))
    after = state_of(made.model)
    assert all(torch.equal(value, after["values"][key]) for key, value in before.pop("values").items())
    after.pop("values")
    assert before == after
    made.model.double()
    assert row_against_differences(presence_of(made, one, VALUES)) < 2e-2  # a fault of a rule changes a row by its size


def row_against_differences(presence: Presence) -> float:
    """One row of H against central differences of the gradient, at the best of a few steps."""
    path, engine = presence.paths[0], ReverseEngine(presence.score)
    unit = torch.eye(path.units, dtype=torch.float64)[1]
    t = torch.tensor([0.6], dtype=torch.float64)
    row = engine.evaluate(path, t, 2, unit[None]).hessian[0, 0]
    direction = torch.where(path.groups == 1, path.delta, 0.0)
    errors = []
    for h in (1e-1, 1e-2, 1e-3, 1e-4):
        ahead, behind = (dataclasses.replace(path, start=path.start + side * h * direction) for side in (1, -1))
        slopes = [engine.evaluate(side, t, order=1).gradient[0] for side in (ahead, behind)]
        errors.append(np.abs((slopes[0] - slopes[1]) / (2 * h) - row).max())
    return float(min(errors) / np.abs(row).max())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["BERT", "DistilBERT", "RoBERTa", "ModernBERT", "BART"])
def test_nothing_of_the_words_is_read_at_zero_but_the_attention_that_they_draw(name: str) -> None:
    """With weights that are equal for all keys, a text of other words has the same F(0)."""
    made = classifier(family_of(name), "off")

    def at_zero(text: str) -> float:
        one = made.encode(text, units=WORDS)
        presence = presence_of(made, one, VALUES, label=0)
        with torch.no_grad(), uniform():
            return float(presence.at(torch.zeros(1, len(one.units)))[0])

    first, second = at_zero(TEXT), at_zero("this bad bad bad bad")
    assert len(made.encode(TEXT, units=WORDS).input_ids) == len(
        made.encode("this bad bad bad bad", units=WORDS).input_ids
    )
    assert abs(first - second) <= 1e-5 * max(1.0, abs(first))


@contextmanager
def uniform() -> Iterator[None]:
    """Every softmax gives equal weights."""
    original = functional.softmax
    try:
        functional.softmax = lambda z, dim=-1, **_: torch.full_like(z, 1 / z.shape[dim]).softmax(dim)
        yield
    finally:
        functional.softmax = original


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "why"), [("FNet", "no attention"), ("ConvBERT", "convolution")])
def test_a_model_in_which_words_travel_otherwise_is_refused_with_the_reason(name: str, why: str) -> None:
    made = classifier(family_of(name))
    one = made.encode(TEXT, units=WORDS)
    with pytest.raises(BaselineError, match=rf"value-zeroing cannot be used with .*{why}.*Use the baseline mask"):
        presence_of(made, one, VALUES)
    assert made.resolved_kind(BaselineSection(kind="auto")) == "mask"
    assert presence_of(made, one, BaselineSection(kind="auto")).description["kind"] == "mask"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["BERT", "RoBERTa", "MPNet", "DistilBERT"])
def test_masked_attention_is_the_model_s_own_attention_mask(name: str) -> None:
    made = classifier(family_of(name), "off")
    one = made.encode(TEXT, units=WORDS)
    presence = presence_of(made, one, BaselineSection(kind="masked-attention"))
    present = np.array([[True, False, True, True, False], [False] * 5, [True] * 5])
    found = CornerGame(presence)(present)
    index = made.predict(one).index
    for row, value in zip(present, found, strict=True):
        groups = one.groups.tolist()
        mask = torch.tensor([[1 if group < 0 or row[group] else 0 for group in groups]])
        extras = {name: own[None] for name, own in one.extras.items()}
        with torch.no_grad():
            logits = made.model(input_ids=one.input_ids[None], attention_mask=mask, **extras).logits
        assert value == pytest.approx(float(logits[0, index]), abs=2e-5)


def plain_decoder() -> LoadedClassifier:
    """A decoder whose tokenizer adds no special tokens, so that the head reads the last word."""
    torch.manual_seed(0)
    vocabulary = {word: i for i, word in enumerate(["<eos>", "<unk>", *TEXT.split(), "good", "film"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    own = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", unk_token="<unk>", pad_token="<eos>")
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        num_labels=2,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    config._attn_implementation = "eager"
    model = GPT2ForSequenceClassification(config).eval().requires_grad_(requires_grad=False)
    info = classifier(family_of("GPT-2")).info
    return assemble(model, own, info, ModelSection())


def test_where_the_head_reads_the_last_word_its_embedding_is_switched_too() -> None:
    made = plain_decoder()
    assert made.value_plan().reads == "last"
    one = made.encode(TEXT, units=WORDS)
    presence = presence_of(made, one, VALUES, label=0)
    assert presence.description["embeddings_switched"] == "last"
    other = made.encode("this movie was not good", units=WORDS)  # the last word differs, and is absent at s = 0
    values = [float(presence_of(made, text, VALUES, label=0).at(torch.zeros(1, 5))[0]) for text in (one, other)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    whole = float(presence.at(torch.ones(1, 5))[0])
    with torch.no_grad():
        logits = made.model(input_ids=one.input_ids[None]).logits
    assert whole == pytest.approx(float(logits[0, 0]), abs=1e-6)


@pytest.mark.parametrize(("causal", "grouped"), [(False, False), (True, False), (True, True)])
def test_fused_attention_is_computed_explicitly(causal: bool, grouped: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 5, 8, generator=generator, dtype=torch.float64)
    key, value = (torch.randn(2, 2 if grouped else 4, 5, 8, generator=generator).double() for _ in range(2))
    options = {"is_causal": causal, "enable_gqa": grouped}
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    with ExplicitAttention():
        found = functional.scaled_dot_product_attention(query, key, value, **options)
    assert torch.allclose(found, expected, atol=1e-12)


def test_the_default_is_value_zeroing_and_its_axioms_hold() -> None:
    result = Explainer({"attribution": {"removal": False}}).explain(TEXT)
    assert result.baseline == {"kind": "value-zeroing", "chosen": "auto"}
    assert result.converged
    largest = np.abs(result.ih).max()
    assert np.abs(result.ih.sum(1) - result.ig).max() <= 0.01 * largest
    assert result.ih.sum() == pytest.approx(result.f_input - result.f_baseline, abs=0.01 * largest)
