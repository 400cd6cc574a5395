"""Integrated Hessians of any function of sets: closed forms, exact and sampled alike, and bad input."""

import numpy as np
import pytest

import ihcli
from ihcli import integrated_hessians_of_game


def product_of(*places, factor=1.0):
    return lambda present: factor * present[:, list(places)].all(axis=1)


def test_a_product_of_three_is_a_ninth_everywhere_of_its_units() -> None:
    """m_T / |T|² for T of three units."""
    found = integrated_hessians_of_game(product_of(0, 2, 3, factor=9.0), 5)
    expected = np.zeros((5, 5))
    expected[np.ix_([0, 2, 3], [0, 2, 3])] = 1.0
    assert found.matrix == pytest.approx(expected, abs=1e-12)
    assert found.attributions == pytest.approx([3, 0, 3, 3, 0], abs=1e-12)
    assert found.evaluations == 32
    assert found.relative_error == 0


def test_exact_where_all_coalitions_may_be_evaluated_and_sampled_elsewhere() -> None:
    random = np.random.default_rng(0)
    linear, pairs = random.normal(size=13), np.triu(random.normal(size=(13, 13)), 1)

    def game(present):
        return present @ linear + np.einsum("nu,uv,nv->n", present, pairs, present)

    sampled = integrated_hessians_of_game(game, 13, evaluations=150)
    exact = integrated_hessians_of_game(game, 13, evaluations=2**13)
    assert (sampled.evaluations, exact.evaluations) == (150, 2**13)
    assert exact.matrix == pytest.approx((pairs + pairs.T) / 4 + np.diag(linear + (pairs + pairs.T).sum(0) / 4))
    assert np.abs(sampled.matrix - exact.matrix).max() <= sampled.relative_error * np.abs(sampled.matrix).max() + 1e-9


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"units": 0}, "at least 1"),
        ({"units": 2.5}, "units is 2.5"),
        ({"units": True}, "units is True"),
        ({"units": 3, "evaluations": "many"}, "evaluations is 'many'"),
        ({"units": 30, "evaluations": 20}, "at least 62"),
    ],
)
def test_bad_input_is_a_usage_error(asked, said) -> None:
    with pytest.raises(ihcli.IhError, match=said):
        integrated_hessians_of_game(product_of(0), **asked)


def test_a_game_of_another_shape_and_one_that_is_infinite() -> None:
    with pytest.raises(ihcli.IhError, match="must be"):
        integrated_hessians_of_game(lambda present: np.zeros((len(present), 2)), 3)
    with pytest.raises(ihcli.IhError, match="NaN or infinite"):
        integrated_hessians_of_game(lambda present: np.where(present.all(1), np.inf, 0.0), 3)
