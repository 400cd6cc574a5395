"""Value zeroing: the absence of a word as an absence of what others may read of it.

In every attention the value vector of a token is multiplied by its switch s, and what is read is renormalised in part:

    o_i = Σ_j w_ij s_j v_j / (ε + (1 - ε) Σ_j w_ij s_j),   ε = 0.5

with the attention weights w, which queries and keys give as ever.  ε = 1 is value zeroing proper, whose absent words
keep drawing weight to nothing; ε = 0 is masked attention, which jumps where the last word vanishes.  Special tokens
keep s = 1.  At s = 0 no position reads any word.  Where the head reads a word's own position beside attention (the last
token of a decoder, mean pooling), the embedding there is switched as well, x - (1 - s) δ with δ = x - a and a the
embedding of a token that says nothing.

ε was chosen by measurement (`tests/studies/presence.py`, 60 texts of 5 to 8 words a model): against 1, one half brings
Γ nearer to the interactions of deletion on every model that was tried.

Two facts are learnt from one run of the model without attention, on a sample text and its variants with one token
replaced: which tokens the keys of each attention carry, and at which positions the head reads a token's own stream.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ihcli.models.adapter import Adapter
from ihcli.models.attention import FrozenWeights, Keys, Probe, SwitchedValues
from ihcli.models.encoding import EncodedText

EPSILON = 0.5
"""ε: 1 leaves the attention weights as they are, 0 renormalises those of the present words to one."""
LEAK = 1e-5
"""Largest change of the logits at s = 0, relative to the largest, when other words stand in the text."""
_CHANGED = 1e-6

Reads = Literal["none", "last", "all"]
"""The positions of words whose own stream the head reads: none (a special token is read), the last one, or all."""


@dataclass(frozen=True, slots=True)
class ValuePlan:
    """How value zeroing enters one model, or why it cannot."""

    keys: tuple[Keys, ...] = ()
    """What the keys of each attention carry, in the order of the calls."""
    reads: Reads = "none"
    refusal: str | None = None
    """Why this model cannot be explained by value zeroing; None where it can."""


def find_plan(adapter: Adapter, encoded: EncodedText, architecture: str, token: int | None = None) -> ValuePlan:
    """The plan of a model, from a sample text; nothing is raised for what is found."""
    refused = f"value-zeroing cannot be used with {architecture}: "
    advice = " Use the baseline mask, or pad."
    try:
        with torch.no_grad():
            plan = _observed(adapter, encoded)
            if isinstance(plan, str):
                return ValuePlan(refusal=f"{refused}{plan}.{advice}")
            gap = _leak(adapter, encoded, plan, token)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a foreign model may raise anything; it becomes the reason
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return ValuePlan(refusal=f"{refused}its attention cannot be followed ({first[:200]}).{advice}")
    if gap > LEAK:
        why = f"its words reach the score by another way than attention (at s = 0 other words change it by {gap:.1e})"
        return ValuePlan(refusal=f"{refused}{why}.{advice}")
    return plan


def _observed(adapter: Adapter, encoded: EncodedText) -> ValuePlan | str:
    """The plan, or why there is none, from the text beside variants with one explained token replaced each."""
    places = encoded.explained.nonzero().flatten().tolist()
    x = adapter.embed(encoded.input_ids)
    points = x.expand(len(places) + 1, *x.shape).clone()
    for variant, place in enumerate(places, start=1):
        points[variant, place] = x[place].roll(1) * 0.9 + 0.1 * x[place].norm() / x.shape[1] ** 0.5
    probe = Probe()
    input_plan = adapter.plan(encoded.input_ids, encoded.extras)
    with probe:
        logits = adapter.of_embeddings(points, encoded.input_ids, encoded.extras, input_plan)
    if not probe.values:
        return "it has no attention in which a softmax is multiplied with values"
    keys: list[Keys] = []
    for values in probe.values:
        kind = _carried(values, places, len(x))
        if kind is None:
            return "positions are mixed by something else than attention (a convolution, a recurrence, a pooling)"
        keys.append(kind)
    changed = (logits[1:] - logits[0]).abs().amax(dim=1) > _CHANGED * logits[0].abs().max().clamp_min(1e-3)
    read = [place for place, one in zip(places, changed.tolist(), strict=True) if one]
    if not read:
        return ValuePlan(tuple(keys), "none")
    if read == places[-1:]:
        return ValuePlan(tuple(keys), "last")
    return ValuePlan(tuple(keys), "all")


def _carried(values: Tensor, places: list[int], tokens: int) -> Keys | None:
    """What the keys of one attention carry, from its values (T', B', …) of the text and its variants."""
    if values.shape[0] != tokens:
        return "other"
    variants = len(places) + 1
    own = values.reshape(tokens, variants, -1)  # heads that are folded into the samples follow each other
    base = own[:, :1]
    changed = (own[:, 1:] - base).abs().amax(dim=2) > _CHANGED * base.abs().max().clamp_min(1e-6)  # (T, variants - 1)
    found = [column.nonzero().flatten().tolist() for column in changed.t()]
    if all(rows in ([], [place]) for rows, place in zip(found, places, strict=True)):
        return "text" if any(found) else "other"
    if all(rows in ([], [place + 1]) for rows, place in zip(found, places, strict=True)):
        return "shifted"
    return None


def _leak(adapter: Adapter, encoded: EncodedText, plan: ValuePlan, token: int | None) -> float:
    """How far the logits at s = 0 move, relative to the largest, when other words stand in the text.

    Attention weights are those of the text: what words draw of attention is theirs to change.
    """
    other = encoded.input_ids.clone()
    other[encoded.explained] = encoded.input_ids[encoded.explained].flip(0)
    found = []
    recorded: list[Tensor] = []
    for replay, ids in ((False, encoded.input_ids), (True, other)):
        x = adapter.embed(ids)
        switches = torch.where(encoded.explained, 0.0, 1.0).to(x)[None]
        difference = absence(adapter, encoded, x, plan.reads, token)
        points = x[None] if difference is None else x[None] - difference
        mode = FrozenWeights(SwitchedValues(switches, plan.keys, EPSILON), recorded, replay)
        input_plan = adapter.plan(ids, encoded.extras)
        with mode:
            found.append(adapter.of_embeddings(points, ids, encoded.extras, input_plan)[0])
    return float((found[0] - found[1]).abs().max() / found[0].abs().max().clamp_min(1e-3))


def absence(adapter: Adapter, encoded: EncodedText, x: Tensor, reads: Reads, token: int | None = None) -> Tensor | None:
    """δ = x - a at the positions of words that the head reads, 0 elsewhere (T, D); None where it reads none.

    `a` is the embedding of `token`, or the mean over the vocabulary without one.
    """
    if reads == "none":
        return None
    places = encoded.explained.nonzero().flatten()
    chosen = places[-1:] if reads == "last" else places
    if token is not None:
        absent = adapter.embed(torch.tensor([token], device=x.device))[0]
    else:
        absent = _mean_embedding(adapter, x)
    difference = torch.zeros_like(x)
    difference[chosen] = x[chosen] - absent
    return difference


def _mean_embedding(adapter: Adapter, x: Tensor) -> Tensor:
    weight: Tensor | None = getattr(adapter.embedding, "weight", None)
    return torch.zeros_like(x[0]) if weight is None else weight.detach().to(x).mean(0)
