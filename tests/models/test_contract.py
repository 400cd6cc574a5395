"""Every family of classifiers through the same checks, each against something that the product does not use.

What was found stands in the documentation (architectures); `python tests/support/architectures.py` writes it anew.
"""

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from architectures import (
    END,
    FAMILIES,
    START,
    TEXT,
    UNTRIED,
    Family,
    classifier,
    family_of,
    finding,
    read_table,
    summary,
)
from presences import presence_of
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from ihcli.attribution import integrated_hessians
from ihcli.attribution.path import Path as Line
from ihcli.attribution.reverse import ReverseEngine
from ihcli.config import BaselineSection, UnitsSection
from ihcli.models import LoadedClassifier, Score, preflight

PAGE = (Path(__file__).parents[2] / "configs/docs/reference/architectures.md").read_text(encoding="utf-8")
SHOWN = read_table(PAGE[PAGE.index(START) : PAGE.index(END)])
FIRST_TEN = ("BERT", "RoBERTa", "XLM-RoBERTa", "DistilBERT", "ALBERT", "ELECTRA", "DeBERTa", "DeBERTa-v2", "MPNet",
             "ModernBERT")  # fmt: skip
WORDS = UnitsSection()


@dataclasses.dataclass
class Case:
    """One text of one model, ready to be explained."""

    made: LoadedClassifier
    encoded: Any
    score: Score
    x: torch.Tensor
    baseline: torch.Tensor

    @classmethod
    def of(cls, made: LoadedClassifier, kind: str = "mask") -> "Case":
        encoded = made.encode(TEXT, units=WORDS)
        presence = presence_of(made, encoded, BaselineSection(kind=kind))  # type: ignore[arg-type]
        return cls(made, encoded, presence.score, made.embed(encoded), presence.paths[0].start)


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that explaining could change and must not."""
    hooks = [(name, len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in model.named_modules()]
    named = [*model.named_parameters(), *model.named_buffers()]
    return {
        "values": {name: value.detach().clone() for name, value in named},
        "kinds": [(name, value.dtype, value.requires_grad, value.grad is None) for name, value in named],
        "modes": [(name, m.training) for name, m in model.named_modules()],
        "hooks": hooks,
        "classes": [(name, type(m)) for name, m in model.named_modules()],
        "config": model.config.to_dict(),
        "attention": model.config._attn_implementation,
    }


def same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    values = before.pop("values"), after.pop("values")
    return before == after and all(torch.equal(values[0][name], values[1][name]) for name in values[0] | values[1])


def numbers_aside(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?(e[+-]\d+)?", "#", text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family(family: Family) -> None:
    made = classifier(family)
    before = state_of(made.model)
    report = preflight.inspect(made, made.encode(TEXT, units=WORDS), thorough=True)
    found, shown = finding(made, report), SHOWN[family.name]
    assert found.supported == shown.supported, found.detail
    assert numbers_aside(found.detail) == numbers_aside(shown.detail)
    if found.supported:
        case = Case.of(made)
        assert embeddings_against_ids(case) < 1e-5
        assert batch_against_alone(case) < 1e-4
        assert row_against_differences(case) < 5e-3  # casts to float32 on the way leave noise in the differences
        rows_add_up(case)
    assert same(before, state_of(made.model))


def embeddings_against_ids(case: Case) -> float:
    """The logits of the user's own call, with a mask, for the text and for another of its length; relative."""
    ids = case.encoded.input_ids
    other = ids.clone()
    other[case.encoded.explained] = ids[case.encoded.explained].roll(1)
    worst = 0.0
    for own in (ids, other):
        extras = {name: value[None] for name, value in case.encoded.extras.items()}
        if "attention_mask" in case.made.adapter.accepted:
            extras["attention_mask"] = torch.ones_like(own[None])
        with torch.no_grad():
            expected = case.made.model(input_ids=own[None], **extras).logits
            embedded = case.made.adapter.embedding(own[None])
            embedded = embedded[0] if isinstance(embedded, tuple) else embedded
            plain = dataclasses.replace(case.score, beta=None)
            found = plain.logits(embedded)
        worst = max(worst, float((found - expected).abs().max() / expected.abs().max()))
    return worst


def batch_against_alone(case: Case) -> float:
    """f and H at two nodes, together and one by one; relative to the largest entry."""
    line = Line.between(case.x, case.baseline, case.encoded.groups)
    t = torch.tensor([0.3, 0.8])
    engine = ReverseEngine(case.score)
    together = engine.evaluate(line, t, order=2)
    alone = [engine.evaluate(line, node[None], order=2) for node in t]
    values = np.concatenate([one.value for one in alone]) - together.value
    hessians = np.concatenate([one.hessian for one in alone]) - together.hessian
    return max(
        float(np.abs(values).max() / np.abs(together.value).max()),
        float(np.abs(hessians).max() / np.abs(together.hessian).max()),
    )


def row_against_differences(case: Case) -> float:
    """One row of H in float64 against central differences of the unit gradients, at the best of a few steps."""
    twin = copy.deepcopy(case.made.model).double()
    score = dataclasses.replace(case.score, adapter=dataclasses.replace(case.score.adapter, model=twin))
    line = Line.between(case.x.double(), case.baseline.double(), case.encoded.groups)
    unit = torch.eye(line.units, dtype=torch.float64)[1]
    engine = ReverseEngine(score)
    row = engine.evaluate(line, torch.tensor([0.7], dtype=torch.float64), 2, unit[None]).hessian[0, 0]
    direction = torch.where((case.encoded.groups == 1)[:, None], line.delta, 0.0)
    errors = []
    for h in (1e-1, 1e-2, 1e-3, 1e-4):
        ahead, behind = (dataclasses.replace(line, start=line.start + side * h * direction) for side in (1, -1))
        at = torch.tensor([0.7], dtype=torch.float64)
        difference = (engine.evaluate(ahead, at, order=1).gradient - engine.evaluate(behind, at, order=1).gradient)[
            0
        ] / (2 * h)
        errors.append(float(np.abs(difference - row).max() / np.abs(row).max()))
    return min(errors)


def rows_add_up(case: Case) -> None:
    """The certificate holds, and Γ sums to f(x) - f(x')."""
    found = integrated_hessians(case.score, case.x, case.baseline, case.encoded.groups)
    largest = float(np.abs(found.ih).max())
    assert found.certificate.converged
    assert np.abs(found.ih.sum(1) - found.ig).max() <= 0.02 * largest
    assert abs(found.ih.sum() - (found.f_input - found.f_baseline)) <= 0.01 * len(found.ig) * largest


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Llama", "GPT-2", "Gemma 3 with images"])
def test_a_decoder_whose_configuration_names_no_pad_token_takes_a_batch(name: str) -> None:
    """Its class refuses batches then, since it could not find the last token; without padding there is no doubt."""
    family = family_of(name)
    inner = family.settings.get("text_config")
    without = {"pad_token_id": None} if inner is None else {"text_config": {**inner, "pad_token_id": None}}
    made = classifier(family, **without)
    before = state_of(made.model)
    case = Case.of(made)
    assert preflight.inspect(made, case.encoded, thorough=True).ok
    assert embeddings_against_ids(case) < 1e-5
    assert batch_against_alone(case) < 1e-4
    rows_add_up(case)
    assert same(before, state_of(made.model))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FIRST_TEN)
def test_the_first_ten_from_the_default_baseline(name: str) -> None:
    made = classifier(family_of(name))
    rows_add_up(Case.of(made, "pad"))


def test_the_table_holds_every_family_and_enough_are_supported() -> None:
    assert set(SHOWN) == {family.name for family in FAMILIES}
    supported = {name for name, shown in SHOWN.items() if shown.supported}
    assert len(supported) >= 22
    assert supported >= set(FIRST_TEN)
    assert f"\n{len(supported)} of {len(SHOWN)} are supported." in PAGE


@pytest.mark.skipif(not transformers.__version__.startswith("5.23."), reason="another version has other families")
def test_no_family_of_this_version_is_left_out_in_silence() -> None:
    assert {family.model_type for family in FAMILIES}.isdisjoint(UNTRIED)
    offered = set(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)
    assert offered == {family.model_type for family in FAMILIES} | set(UNTRIED)
    ordered = {family.name: SHOWN[family.name] for family in FAMILIES}
    assert f"\n{summary(ordered)}\n" in PAGE
