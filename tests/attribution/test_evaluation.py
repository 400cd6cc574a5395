"""Evaluations: joined, cut to one path, and refused where they are not finite."""

import numpy as np
import pytest

from ihcli.attribution.evaluation import Evaluations, Request, joined
from ihcli.errors import NonFiniteError


def evaluations(nodes: int, units: int = 3, rows: int | None = None, seed: int = 0) -> Evaluations:
    rng = np.random.default_rng(seed)
    hessian = None if rows is None else rng.normal(size=(nodes, rows, units))
    return Evaluations(
        rng.normal(size=nodes), rng.normal(size=(nodes, units)), rng.normal(size=(nodes, units)), hessian
    )


def same(one: Evaluations, other: Evaluations) -> bool:
    values = zip((one.value, one.gradient, one.left), (other.value, other.gradient, other.left), strict=True)
    return all(np.array_equal(a, b) for a, b in values) and (
        (one.hessian is None) == (other.hessian is None)
        and (one.hessian is None or np.array_equal(one.hessian, other.hessian))
    )


@pytest.mark.parametrize("rows", [None, 3, 2])
def test_chunks_joined_are_the_whole(rows) -> None:
    whole = evaluations(7, rows=rows)
    units = rows or 3
    assert same(joined([whole.of(part, 3, units) for part in (slice(0, 3), slice(3, 4), slice(4, 7))]), whole)


def test_a_path_gets_the_nodes_units_and_rows_that_are_its_own() -> None:
    whole = evaluations(6, units=4, rows=5)
    own = whole.of(slice(2, 4), 3, 2)
    assert own.value.shape == (2,)
    assert own.gradient.shape == own.left.shape == (2, 3)
    assert own.hessian is not None
    assert np.array_equal(own.hessian, whole.hessian[2:4, :2, :3])


def test_phases_are_named_by_what_is_requested() -> None:
    t = np.array([0.5])
    asked = (Request(t, 1), Request(t, 2), Request(t, 2, np.ones((1, 3))))
    assert [request.phase for request in asked] == ["gradients", "hessians", "verification"]


@pytest.mark.parametrize(("place", "name"), [("value", "output"), ("gradient", "gradient"), ("hessian", "Hessian")])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_first_node_that_is_not_finite_is_named(place, name, bad) -> None:
    found = evaluations(4, rows=3)
    t = np.array([0.0, 0.25, 0.5, 1.0])
    found.require_finite(t)
    getattr(found, place)[1:3] = bad
    with pytest.raises(NonFiniteError, match=rf"{name} is NaN or infinite on the path at t = 0\.25 "):
        found.require_finite(t)


def test_a_hessian_may_be_infinite_at_the_ends_but_a_gradient_may_not() -> None:
    found = evaluations(3, rows=3)
    t = np.array([0.0, 0.5, 1.0])
    found.hessian[0], found.hessian[2] = np.inf, np.nan
    found.require_finite(t)
    found.gradient[2] = np.nan
    with pytest.raises(NonFiniteError, match="gradient"):
        found.require_finite(t)
