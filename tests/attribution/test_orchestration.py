"""Several integrals whose nodes share forward passes: the numbers of each alone, whatever shares and however many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ihcli.attribution import integrated_hessians
from ihcli.attribution.footprint import Footprint
from ihcli.attribution.forward import ForwardEngine
from ihcli.attribution.integrated import Interactions, Options, integrate_paths
from ihcli.attribution.orchestration import Integration, run
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine
from ihcli.attribution.sampling import EvaluationLog
from ihcli.curvature import trace
from ihcli.errors import InputError, NonFiniteError, UsageError
from ihcli.pipeline import Explainer
from ihcli.results import Explanation

T, D = 5, 3
GROUPS = (None, [0, 0, 1, 2, 2], [0, 1, 2, 3, 4], [0, -1, 0, 1, 1], [0, 0, 0, 0, 0])
"""Different numbers of units, one position in none, a single unit: all of one shape."""


def curved(seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A smooth function of (B, T, D) with a spike, in which positions interact."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((T * D, 8), (8, 1)))

    def f(points: Tensor) -> Tensor:
        hidden = torch.tanh(3 * points.flatten(1) @ first)
        return (hidden @ second)[:, 0] + points[:, 0, 0] * points[:, 2, 1] * points[:, 4, 2]

    return f


@dataclass(frozen=True)
class Task:
    """One integral: x, its baselines, its groups."""

    x: Tensor
    baselines: Sequence[Tensor]
    groups: Tensor | None = None


def tasks(baselines: int = 1) -> list[Task]:
    generator = torch.Generator().manual_seed(1)
    found = []
    for groups in GROUPS[1:]:
        x, *others = torch.randn(1 + baselines, T, D, generator=generator, dtype=torch.float64)
        own = torch.tensor(groups)
        found.append(Task(x, [torch.where(own[:, None] < 0, x, b) for b in others], own))
    return found


def integrated_hessians_together(f, several, *, memory=None, engine=None, **options):
    """All tasks in one call, through the function that the pipeline uses."""
    paths = [[Path.between(task.x, b, task.groups) for b in task.baselines] for task in several]
    return integrate_paths(paths, engine or ReverseEngine(f, memory), Options(**options))


def alone(f: Callable[[Tensor], Tensor], task: Task, **settings: object) -> Interactions:
    return integrated_hessians(f, task.x, list(task.baselines), task.groups, **settings)  # type: ignore[arg-type]


def same(found: Interactions | NonFiniteError, expected: Interactions, accuracy: float = 1e-9) -> None:
    assert isinstance(found, Interactions)
    scale = accuracy * np.abs(expected.ih).max()
    np.testing.assert_allclose(found.ih, expected.ih, rtol=0, atol=scale)
    np.testing.assert_allclose(found.ig, expected.ig, rtol=0, atol=scale)
    assert (found.ih_spread is None) == (expected.ih_spread is None)
    if found.ih_spread is not None and expected.ih_spread is not None:
        np.testing.assert_allclose(found.ih_spread, expected.ih_spread, rtol=0, atol=scale)
    assert found.f_input == pytest.approx(expected.f_input)
    assert found.f_baseline == pytest.approx(expected.f_baseline)
    for field in fields(found.quadrature):
        assert getattr(found.quadrature, field.name) == getattr(expected.quadrature, field.name), field.name
    assert found.certificate.converged == expected.certificate.converged
    np.testing.assert_allclose(found.path.t, expected.path.t)
    np.testing.assert_allclose(found.path.curvature, expected.path.curvature, rtol=1e-6)


@pytest.mark.parametrize("formulation", ["paper", "article", "article-code"])
@pytest.mark.parametrize("baselines", [1, 3])
def test_each_task_gets_what_it_gets_alone(formulation: str, baselines: int) -> None:
    f = curved()
    found = integrated_hessians_together(f, tasks(baselines), tolerance=1e-2, formulation=formulation)
    assert len(found) == 4
    for task, own in zip(tasks(baselines), found, strict=True):
        same(own, alone(f, task, tolerance=1e-2, formulation=formulation))


def test_a_product_of_powers_gives_its_closed_form() -> None:
    powers = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    points = torch.tensor([[2.0, 1.5, 0.5], [1.0, -1.0, 2.0], [0.3, 0.7, 1.1]], dtype=torch.float64)
    several = [Task(x, [torch.zeros_like(x)]) for x in points]

    def f(x: Tensor) -> Tensor:
        return x.pow(powers).prod(-1)

    for x, own in zip(points, integrated_hessians_together(f, several, tolerance=1e-6), strict=True):
        assert isinstance(own, Interactions)
        expected = float(f(x[None])) * np.outer(powers, powers) / float(powers.sum()) ** 2
        np.testing.assert_allclose(own.ih, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("share", [1.5, 4, 20])
def test_the_size_of_a_chunk_changes_nothing(share: float) -> None:
    f, several = curved(), tasks()
    footprint = Footprint.measure(f, _path(several[0]))
    memory = int(share * footprint.bytes(1, 1))
    batches: list[int] = []

    def watched(points: Tensor) -> Tensor:
        batches.append(len(points))
        return f(points)

    found = integrated_hessians_together(watched, several, tolerance=1e-4, memory=memory)
    assert max(batches) <= max(1, memory // (2 * footprint.saved))
    for own, expected in zip(found, integrated_hessians_together(f, several, tolerance=1e-4), strict=True):
        assert isinstance(expected, Interactions)
        same(own, expected)


def _path(task: Task) -> object:
    return Path.between(task.x, task.baselines[0], task.groups)


def test_nodes_of_all_tasks_share_forward_passes() -> None:
    f, several = curved(), tasks()
    calls: dict[str, list[int]] = {"alone": [], "together": []}

    def watched(name: str) -> Callable[[Tensor], Tensor]:
        def g(points: Tensor) -> Tensor:
            calls[name].append(len(points))
            return f(points)

        return g

    for task in several:
        alone(watched("alone"), task)
    integrated_hessians_together(watched("together"), several)
    assert len(calls["together"]) < len(calls["alone"]) / 2
    assert sum(calls["together"]) <= sum(calls["alone"])


def test_the_forward_engine_serves_paths_of_their_own() -> None:
    f, several = curved(), tasks()
    program = trace(f, several[0].x.unsqueeze(0))
    engine = ForwardEngine(program, 1 << 30, ReverseEngine(f))
    tight = replace(engine, limit=3 * program.bytes_per_node(T))
    for chosen in (engine, tight):
        found = integrated_hessians_together(f, several, tolerance=1e-4, engine=chosen)
        for task, own in zip(several, found, strict=True):
            expected = alone(f, task, tolerance=1e-4, engine=engine)
            same(own, expected)
            reverse = alone(f, task, tolerance=1e-4)
            scale = np.abs(reverse.ih).max()
            np.testing.assert_allclose(own.ih, reverse.ih, rtol=0, atol=2e-4 * scale)  # type: ignore[union-attr]


def test_nan_on_one_path_is_the_outcome_of_its_task_alone() -> None:
    smooth, several = curved(), tasks()
    bad = several[1].x[0, 0]

    def f(points: Tensor) -> Tensor:
        near = (points[:, 0, 0] - bad).abs() < 1e-9  # the end of one path
        return torch.where(near, torch.nan, 1.0) * smooth(points)

    found = integrated_hessians_together(f, several, tolerance=1e-4)
    assert isinstance(found[1], NonFiniteError)
    assert "t = 1 " in str(found[1])
    for place in (0, 2, 3):
        same(found[place], alone(smooth, several[place], tolerance=1e-4))


def test_no_tasks_are_no_results_and_bad_settings_are_refused() -> None:
    assert integrated_hessians_together(curved(), []) == []
    with pytest.raises(UsageError, match="tolerance"):
        integrated_hessians_together(curved(), tasks(), tolerance=0)


# --- the bundled model --------------------------------------------------------------------------------------------


def test_texts_explained_together_are_explained_as_alone() -> None:
    explainer = Explainer({"attribution": {"tolerance": 0.1, "removal": False}, "model": {"dtype": "float64"}})
    texts = ["not bad", "a fine film", "so dull", " "]
    found = explainer.explain_together([(text, None) for text in texts])
    assert isinstance(found[-1], InputError)
    for text, own in zip(texts[:-1], found[:-1], strict=True):
        assert isinstance(own, Explanation)
        expected = explainer.explain(text)
        scale = np.abs(expected.ih).max()
        np.testing.assert_allclose(own.ih, expected.ih, rtol=0, atol=1e-6 * scale)
        np.testing.assert_allclose(own.ig, expected.ig, rtol=0, atol=1e-6 * scale)
        assert (own.text, own.units, own.prediction.label) == (text, expected.units, expected.prediction.label)
        assert own.quadrature == expected.quadrature
        assert own.certificate.converged == expected.certificate.converged


def test_differences_of_several_texts_are_the_products_of_each() -> None:
    f, several = curved(), tasks()
    engine, t = ReverseEngine(f), np.array([0.2, 0.7])
    paths = [Path.between(task.x, task.baselines[0], task.groups) for task in several]
    rng = np.random.default_rng(0)
    vectors = [rng.choice([-1.0, 1.0], size=(2 + k, path.units)) for k, path in enumerate(paths)]

    def asked(kind: str) -> list[Any]:
        logs = [EvaluationLog(path.units) for path in paths]
        steps = [
            log.product(t, own) if kind == "product" else log.difference(t, own, 1e-7)
            for log, own in zip(logs, vectors, strict=True)
        ]
        found = run([Integration(asks, path) for asks, path in zip(steps, paths, strict=True)], engine)
        if kind == "difference":  # a gradient at each node, and one more for each vector
            assert [log.gradients for log in logs] == [2 * (1 + len(own)) for own in vectors]
            assert all(log.products == 0 for log in logs)
        return found

    for own, found, expected in zip(vectors, asked("difference"), asked("product"), strict=True):
        assert found.shape == expected.shape == (2, len(own), own.shape[1])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_displaced_point_that_is_not_finite_ends_with_its_node() -> None:
    x = torch.ones(2, dtype=torch.float64)
    path = Path.between(x, torch.zeros_like(x))
    log = EvaluationLog(2)
    asks = log.difference(np.array([0.25, 0.5]), np.array([[0.1, 0.1], [1.0, 1.0]]), 1.0)
    (found,) = run([Integration(asks, path)], ReverseEngine(lambda z: (1.45 - z.sum(1) / 2).sqrt()))
    assert isinstance(found, NonFiniteError)
    assert "t = 0.5" in str(found)
