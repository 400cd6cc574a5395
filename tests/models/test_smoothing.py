"""Kinks: found wherever they are called, smoothed while a score is computed, and what that changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from architectures import TEXT, classifier, family_of, save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers.activations import ACT2FN

from ihcli.attribution import integrated_hessians
from ihcli.config import BaselineSection, TargetSection, UnitsSection
from ihcli.models import LoadedClassifier, Presence
from ihcli.models.discontinuities import choices
from ihcli.models.smoothing import SHARPNESS, SMOOTHED, Smoothing, names, observe
from ihcli.pipeline import Explainer

POINT = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]  # (T, D), with a point on the kink at zero
Z = torch.linspace(-9.0, 9.0, 721, dtype=torch.float64)


def smoothed(f: Callable[[Tensor], Tensor], z: Tensor, beta: float) -> Tensor:
    calls = observe(f, z)
    with Smoothing(beta, calls):
        return f(z[None])[0]


PRELU = nn.PReLU(init=0.1).double()
EDGE = torch.tensor(0.3, dtype=torch.float64)
WAYS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "module": ("relu", nn.ReLU()),
    "module in place": ("relu", lambda z: nn.ReLU(inplace=True)(z * 1)),
    "functional": ("relu", F.relu),
    "functional in place": ("relu", lambda z: F.relu(z * 1, inplace=True)),
    "functional in place by position": ("relu", lambda z: F.relu(z * 1, True)),  # noqa: FBT003
    "in place, then read again": ("relu", lambda z: _read_again(z * 1)),
    "torch": ("relu", torch.relu),
    "method": ("relu", lambda z: z.relu()),
    "method in place": ("relu", lambda z: (z * 1).relu_()),
    "table": ("relu", ACT2FN["relu"]),
    "table, squared": ("relu", ACT2FN["relu2"]),
    "relu6": ("relu6", F.relu6),
    "relu6 as a module": ("hardtanh", nn.ReLU6()),
    "leaky": ("leaky_relu", nn.LeakyReLU(0.2)),
    "prelu": ("prelu", PRELU),
    "selu": ("selu", F.selu),
    "abs": ("abs", abs),
    "absolute": ("abs", torch.absolute),
    "clamp": ("clamp", lambda z: z.clamp(-1, 2)),
    "clamp by name": ("clamp", lambda z: torch.clamp(input=z, max=0.5)),
    "clip": ("clamp", lambda z: z.clip(min=0)),
    "clamp_min": ("clamp_min", lambda z: torch.clamp_min(z, 0.3)),
    "clamp_max": ("clamp_max", lambda z: z.clamp_max(0.3)),
    "maximum": ("maximum", lambda z: torch.maximum(z, EDGE)),
    "the other way round": ("maximum", lambda z: torch.maximum(EDGE, z)),
    "minimum": ("minimum", lambda z: torch.minimum(z, EDGE)),
    "max of two": ("maximum", lambda z: torch.max(z, 2 * z)),
    "min of two": ("minimum", lambda z: z.min(EDGE)),
    "hardtanh": ("hardtanh", nn.Hardtanh()),
    "threshold": ("threshold", lambda z: F.threshold(z, 0.5, 0.5)),
    "hardsigmoid": ("hardsigmoid", F.hardsigmoid),
    "hardswish": ("hardswish", nn.Hardswish()),
    "softshrink": ("softshrink", nn.Softshrink()),
}


def _read_again(z: Tensor) -> Tensor:
    F.relu(z, inplace=True)
    return z


@pytest.mark.parametrize("way", WAYS)
def test_a_kink_is_found_and_approached_as_the_sharpness_grows(way: str) -> None:
    name, f = WAYS[way]
    with torch.no_grad():
        assert names(observe(f, Z)) == (name,)
        hard = f(Z[None])[0]
        gaps = [float((smoothed(f, Z, beta) - hard).abs().max()) for beta in (10.0, 100.0, 1000.0)]
    slope = 20.0 if name in {"hardswish", "relu"} else 3.0  # of what is done with the kinked value
    assert 0 < gaps[0] <= slope / 10
    assert gaps[1] <= gaps[0] / 5
    assert gaps[2] <= gaps[1] / 5


@pytest.mark.parametrize("way", WAYS)
def test_the_smooth_form_has_the_curvature_that_the_kink_hides(way: str) -> None:
    """The change of slope over an interval is the integral of the second derivative, here by the trapezoid rule."""
    _, f = WAYS[way]
    z = torch.linspace(-8.5, 8.5, 17001, dtype=torch.float64, requires_grad=True)
    value = smoothed(f, z, 20.0)
    (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), z)
    assert torch.isfinite(curvature).all()
    total, ends = torch.trapezoid(curvature, z.detach()), slope.detach()[[0, -1]]
    assert float(total) == pytest.approx(float(ends[1] - ends[0]), abs=1e-3)
    assert float(curvature.abs().max()) > 0.5


def test_every_form_is_tried() -> None:
    assert {name for name, _ in WAYS.values()} == SMOOTHED


def test_a_kink_that_does_not_see_the_input_is_left_alone() -> None:
    constant = torch.tensor([-1.0, 0.01])
    f = lambda z: z.sum((1, 2)) * torch.relu(constant).sum() + z.relu().sum((1, 2))  # noqa: E731
    calls = observe(f, POINT.float())
    assert calls[0] is None
    assert names(calls) == ("relu",)
    with Smoothing(1.0, calls):
        assert torch.equal(f(torch.zeros(1, 1, 1)), F.softplus(torch.zeros(1)))


def test_a_bound_that_is_never_met_is_no_kink() -> None:
    lowest = torch.tensor(torch.finfo(torch.float32).min)
    for f in (lambda z: torch.maximum(z, lowest), lambda z: z.clamp(min=torch.finfo(torch.float32).min)):
        assert names(observe(f, POINT.float())) == ()


def test_a_pooling_by_the_largest_keeps_its_place() -> None:
    f = lambda z: z.amax(1).sum(-1)  # noqa: E731
    calls = observe(f, POINT)
    assert names(calls) == ("amax",)
    assert not any(kink.smoothable for kink in calls if kink is not None)
    with Smoothing(1.0, calls):
        assert f(POINT[None]) == 1.5


def test_torch_is_as_before_also_after_a_failure() -> None:
    functions = torch.relu, F.relu, Tensor.relu, Tensor.clamp, nn.ReLU.forward
    calls = observe(torch.relu, POINT)
    zero = torch.zeros(1, dtype=torch.float64)
    with pytest.raises(ZeroDivisionError), Smoothing(1.0, calls):
        _ = 1 / (torch.relu(zero) < 0.6).sum().item()  # softplus(0) is ln 2
    assert (torch.relu, F.relu, Tensor.relu, Tensor.clamp, nn.ReLU.forward) == functions
    assert torch.relu(torch.zeros(1)) == 0


# --- jumps and comparisons ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "jumps", "branches"),
    [
        (lambda z: z.gather(1, z.topk(2, dim=1).indices).sum((1, 2)), ("topk",), ()),
        (lambda z: z.topk(2, dim=1).values.sum((1, 2)), (), ()),
        (lambda z: z.max(dim=1).values.sum(-1), (), ()),
        (lambda z: F.one_hot(z.max(dim=1).indices, 9).double().sum((1, 2)), ("max",), ()),
        (lambda z: z[:, z[0].argmax()].sum(-1), ("argmax",), ()),
        (lambda z: (z * (z.argsort(1) == 3)).sum((1, 2)), ("argsort",), ()),
        (lambda z: (z + z.round()).sum((1, 2)), ("round",), ()),
        (lambda z: z.sum((1, 2)) * z.sum().long(), ("long",), ()),
        (lambda z: z.sum((1, 2)) if int(z.argmax()) else z.prod(), ("argmax",), ()),
        (lambda z: torch.where(z > 0, z, 0).sum((1, 2)), (), ("gt",)),
        (lambda z: z.sum((1, 2)) if z.sum() > 5 else z.square().sum((1, 2)), (), ("gt",)),
        (lambda z: z.masked_fill(torch.ones_like(z, dtype=torch.bool).expand_as(z), 0).sum((1, 2)), (), ()),
        (lambda z: z.masked_fill(torch.isnan(z), 0).sum((1, 2)), (), ()),
        (lambda z: z[:, torch.tensor([2, 1]).argmax()].sum(-1), (), ()),
    ],
)
def test_what_the_input_chooses(
    f: Callable[[Tensor], Tensor], jumps: tuple[str, ...], branches: tuple[str, ...]
) -> None:
    found = choices(f, POINT)
    assert (found.jumps, found.branches) == (jumps, branches)


# --- models ---------------------------------------------------------------------------------------------------------


def case(made: LoadedClassifier) -> tuple[Any, Any, Presence]:
    one = made.encode(TEXT, units=UnitsSection())
    aim = made.target(TargetSection(), made.predict(one))
    return one, aim, made.presence(one, aim, BaselineSection(kind="mask"))


def by_hand(made: LoadedClassifier, beta: float | None, points: Tensor) -> Tensor:
    """The logits of DistilBERT with the ReLU of its head replaced in the module's own code."""
    hidden = made.model.distilbert(inputs_embeds=points).last_hidden_state[:, 0]
    hidden = made.model.pre_classifier(hidden)
    return made.model.classifier(F.relu(hidden) if beta is None else F.softplus(hidden, beta=beta))  # type: ignore[no-any-return]


@pytest.mark.parametrize("beta", [3.0, 50.0])
def test_the_sharpness_that_is_asked_for(beta: float) -> None:
    made = classifier(family_of("DistilBERT"), beta)
    one, aim, presence = case(made)
    points = torch.stack([made.embed(one), presence.paths[0].start])
    with torch.no_grad():
        soft, hard = by_hand(made, beta, points), by_hand(made, None, points)
        assert torch.allclose(presence.score(points), soft[:, aim.index], atol=1e-6)
    found = presence.surrogate
    assert found is not None
    change = (soft - hard)[:, aim.index]
    assert (found.beta, found.kinks) == (beta, ("relu",))
    assert found.f_input_change == pytest.approx(float(change[0]), abs=1e-6)
    assert found.difference_change == pytest.approx(float(change[0] - change[1]), abs=1e-6)
    assert found.label_changed == (int(soft[0].argmax()) != int(hard[0].argmax()))


def test_auto_takes_the_smoothest_that_changes_less_than_a_hundredth_all_along_the_path() -> None:
    made = classifier(family_of("DistilBERT"))
    one, aim, presence = case(made)
    end = presence.paths[0].start
    points = torch.stack([end + t * (made.embed(one) - end) for t in (0, 0.25, 0.5, 0.75, 1)])
    with torch.no_grad():
        hard = by_hand(made, None, points)[:, aim.index]
        good = {}
        for beta in SHARPNESS:
            soft = by_hand(made, beta, points)[:, aim.index]
            change = ((soft - soft[0]) - (hard - hard[0])).abs()
            good[beta] = change[-1] <= 0.01 * (hard[-1] - hard[0]).abs() and (
                change.max() <= 0.01 * (hard - hard[0]).abs().max()
            )
    assert presence.score.beta == next(beta for beta in SHARPNESS if good[beta])
    assert SHARPNESS[0] < presence.score.beta < SHARPNESS[-1]


def test_auto_without_a_sharpness_that_suffices_is_the_sharpest_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ihcli.models.presence.SHARPNESS", (2.0, 3.0))
    monkeypatch.setattr("ihcli.models.presence.LARGEST_GAP", 1e-9)
    presence = case(classifier(family_of("DistilBERT")))[-1]
    assert presence.score.beta == 3.0
    found = presence.surrogate
    assert found is not None
    assert found.beta == 3.0
    assert found.difference_change != 0


def test_off_leaves_the_kinks_and_the_certificate_shows_it() -> None:
    rough, smooth = classifier(family_of("DistilBERT"), "off"), classifier(family_of("DistilBERT"))
    found = {}
    for made in (rough, smooth):
        one, _, presence = case(made)
        found[made.smoothing] = integrated_hessians(
            presence.score, made.embed(one), presence.paths[0].start, one.groups, max_nodes=64
        )
        assert (presence.score.beta is None) == (presence.surrogate is None) == (made is rough)
    gap = {how: result.certificate.row_gap / np.abs(result.ih).max() for how, result in found.items()}
    assert gap["off"] > 0.03
    assert not found["off"].certificate.converged
    assert gap["auto"] < 0.01
    assert found["auto"].certificate.converged


def test_a_smooth_model_has_no_surrogate() -> None:
    presence = case(classifier(family_of("BERT"), 5.0))[-1]
    assert presence.score.beta is None
    assert presence.surrogate is None


def test_the_model_answers_as_before_after_it_was_explained() -> None:
    made = classifier(family_of("T5"), 3.0)
    one, _, presence = case(made)
    with torch.no_grad():
        before = made.model(input_ids=one.input_ids[None]).logits
        smooth = presence.score.logits(made.embed(one)[None])
    assert not torch.allclose(smooth, before, atol=1e-4)
    integrated_hessians(presence.score, made.embed(one), presence.paths[0].start, one.groups, max_nodes=8)
    with torch.no_grad():
        assert torch.equal(made.model(input_ids=one.input_ids[None]).logits, before)


def test_a_large_gap_and_a_changed_label_are_warnings_in_the_result(tmp_path: Path) -> None:
    save(tmp_path, "DistilBERT")
    found = Explainer(
        {
            "model": {"name": str(tmp_path), "smoothing": 0.5},
            "baseline": {"kind": "mask"},
            "attribution": {"removal": False},
        }
    ).explain(TEXT)
    surrogate = found.certificate.surrogate
    assert surrogate is not None
    assert found.certificate.surrogate_gap == abs(surrogate.difference_change)
    share = abs(surrogate.difference_change) / abs(found.f_input - found.f_baseline)
    assert share > 0.01
    assert found.warnings[0].startswith("Smoothing the kinks (relu) changed f(x) - f(x')")
    assert any("changed the predicted label" in warning for warning in found.warnings) == surrogate.label_changed
    calm = Explainer(
        {"model": {"name": str(tmp_path)}, "baseline": {"kind": "mask"}, "attribution": {"removal": False}}
    ).explain(TEXT)
    assert calm.converged
    assert calm.warnings == ()
    assert calm.certificate.surrogate_gap < 0.01 * abs(calm.f_input - calm.f_baseline) * 1.02
