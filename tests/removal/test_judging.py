"""R² and the share, against closed forms."""

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.judging import (
    QuadraticForm,
    integrated_hessians_form,
    judge,
    linear_form,
    pair_effects,
    pair_share,
    r_squared,
)
from ihcli.removal.methods import METHODS, explain_game
from ihcli.removal.stratified import uniform_sizes


def degree_two(units, seed):
    """A game constant + Σ a_u s_u + Σ b_uv s_u s_v, its Γ by hand, and its two coefficients."""
    generator = np.random.default_rng(seed)
    main = generator.normal(size=units)
    pairs = np.triu(generator.normal(size=(units, units)), k=1)
    pairs = pairs + pairs.T

    def game(coalitions):
        present = coalitions.astype(float)
        return 0.7 + present @ main + np.einsum("nu,uv,nv->n", present, pairs, present) / 2

    gamma = pairs / 4 + np.diag(main + pairs.sum(axis=1) / 4)  # each product gives a quarter to its four entries
    return game, gamma


@pytest.mark.parametrize("units", [2, 3, 6])
def test_integrated_hessians_predict_games_of_degree_two_exactly(units):
    game, gamma = degree_two(units, seed=units)
    for evaluations in (2**units, max(2**units // 2, 4)):
        found = judge(integrated_hessians_form(gamma, 0.7), game, uniform_sizes(units, evaluations))
        assert found.r_squared == pytest.approx(1, abs=1e-12)
        assert found.share is None or found.share == pytest.approx(1, abs=1e-9)
    assert judge(integrated_hessians_form(gamma, 0.7), game, uniform_sizes(units, 2**units)).share is not None


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.pairs])
def test_every_method_with_pairs_predicts_games_of_degree_two_exactly(method):
    game, _ = degree_two(5, seed=11)
    result = explain_game(game, 5, method)
    found = judge(result.quadratic_form, game, uniform_sizes(5, 32))
    assert found.r_squared == pytest.approx(1, abs=1e-9)
    assert found.share == pytest.approx(1, abs=1e-9)


def test_a_product_of_two_by_hand():
    # v = 0, 0, 0, 1 with weights 1/3, 1/6, 1/6, 1/3: variance 2/9; the Shapley values 1/2 err by 1/2 at one unit.
    sample = uniform_sizes(2, 4)
    found = judge(linear_form(np.array([0.5, 0.5]), 0.0), lambda rows: 1.0 * rows.all(axis=1), sample)
    assert found.r_squared == pytest.approx(1 - (1 / 12) / (2 / 9))
    assert found.share == pytest.approx(0)


def test_a_product_of_three_by_hand():
    # Γ is 1/9 everywhere: q(S) = |S|·(1/9 − 2/9) + 4/9·C(|S|, 2), that is 0, −1/9, 2/9, 1.
    found = judge(
        integrated_hessians_form(np.full((3, 3), 1 / 9), 0.0), lambda r: 1.0 * r.all(axis=1), uniform_sizes(3, 8)
    )
    assert found.r_squared == pytest.approx(1 - (1 / 4) * (1 / 81 + 4 / 81) / (3 / 16))
    assert found.share == pytest.approx(1)  # by symmetry equal pairs are the best pairs


def test_a_sum_leaves_nothing_for_pairs():
    slopes = np.array([1.0, 2.0, -3.0])
    found = judge(linear_form(slopes, 5.0), lambda rows: 5 + rows @ slopes, uniform_sizes(3, 8))
    assert found.r_squared == pytest.approx(1, abs=1e-12)
    assert found.share is None


def test_a_constant_game_cannot_be_judged():
    found = judge(linear_form(np.zeros(3), 2.0), lambda rows: np.full(len(rows), 2.0), uniform_sizes(3, 8))
    assert (found.r_squared, found.share) == (None, None)


def test_one_unit_has_no_share():
    found = judge(linear_form(np.array([2.0]), 1.0), lambda rows: 1 + 2.0 * rows[:, 0], uniform_sizes(1, 2))
    assert found.r_squared == pytest.approx(1)
    assert found.share is None


def test_the_scale_of_the_pairs_does_not_change_the_share_but_their_pattern_does():
    generator = np.random.default_rng(2)
    values, sample = generator.normal(size=64), uniform_sizes(6, 64)
    pairs = generator.normal(size=(6, 6))
    pairs = pairs + pairs.T
    share = pair_share(values, pairs, sample)
    assert pair_share(values, -7 * pairs, sample) == pytest.approx(share)
    assert 0 < share < 1
    assert pair_share(values, np.abs(pairs), sample) != pytest.approx(share)


def test_a_sample_judges_as_all_coalitions_do():
    units = 10
    generator = np.random.default_rng(6)
    table = generator.normal(size=2**units)
    smooth, gamma = degree_two(units, seed=7)

    def game(rows):
        return smooth(rows) + table[rows @ (1 << np.arange(units))]

    noisy = gamma + np.diag(np.diag(gamma)) + generator.normal(size=gamma.shape) * 0.3
    form = integrated_hessians_form((noisy + noisy.T) / 2, 0.7)
    whole = judge(form, game, uniform_sizes(units, 2**units))
    samples = [judge(form, game, uniform_sizes(units, 110, seed)) for seed in range(20)]
    assert np.mean([part.r_squared for part in samples]) == pytest.approx(whole.r_squared, abs=0.1)
    assert np.mean([part.share for part in samples]) == pytest.approx(
        whole.share, abs=0.06
    )  # 0.08 without degrees of freedom
    assert 0.2 < whole.share < 0.9


def test_too_few_coalitions_give_no_share():
    game, gamma = degree_two(8, seed=1)
    assert judge(integrated_hessians_form(gamma, 0.7), game, uniform_sizes(8, 37)).share is None  # 37 coefficients
    assert judge(integrated_hessians_form(gamma, 0.7), game, uniform_sizes(8, 60)).share == pytest.approx(1)


def test_a_form_reads_its_coefficients():
    form = QuadraticForm(1.0, np.array([10.0, 20.0]), np.array([[0.0, 5.0], [5.0, 0.0]]))
    assert form(all_coalitions(2)).tolist() == [1, 11, 21, 36]
    assert pair_effects(all_coalitions(2), np.array([[9.0, 5.0], [5.0, 9.0]])).tolist() == [0, 0, 0, 5]


def test_r_squared_by_hand():
    assert r_squared(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
    assert r_squared(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([3.0, 1.0])) == pytest.approx(1 - 1 / 3)
