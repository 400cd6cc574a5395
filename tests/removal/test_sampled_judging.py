"""R² from few values: exact where all are known, against closed forms, and its errors against exact values."""

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.judging import QuadraticForm, integrated_hessians_form, judge, linear_form, r_squared
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.sampled_judging import fits, is_flat, spread_coalitions
from ihcli.removal.stratified import uniform_sizes

UNITS = 8


def game_of(seed, units=UNITS):
    """A smooth game with terms of every order, and its values at all coalitions."""
    random = np.random.default_rng(seed)
    main, pairs = random.normal(size=units), random.normal(size=(units, units)) / 3

    def game(coalitions):
        present = coalitions.astype(float)
        return 3 * np.tanh((present @ main + ((present @ pairs) * present).sum(axis=1)) / 4)

    return game


def asked(units, seed, top=6):
    """What the check by removal asks for: the text, without one unit, without some pairs, nothing, and some between."""
    rows = [np.ones(units, dtype=bool), np.zeros(units, dtype=bool), *~np.eye(units, dtype=bool)]
    pairs = [(u, v) for u in range(units) for v in range(u)]
    for u, v in np.random.default_rng(seed).permutation(pairs)[:top]:
        row = np.ones(units, dtype=bool)
        row[[u, v]] = False
        rows.append(row)
    return np.unique(np.concatenate([np.array(rows), spread_coalitions(units, 10, seed)]), axis=0)


@pytest.mark.parametrize("units", [2, 3, 5])
def test_all_values_give_the_exact_figures(units):
    game, rows = game_of(units, units), all_coalitions(units)
    gamma = exact_interactions(game, units).matrix * 1.7
    forms = [integrated_hessians_form(gamma, 0.2), linear_form(gamma.sum(axis=1), 0.2)]
    sample = uniform_sizes(units, 2**units)
    for form, found in zip(forms, fits(forms, rows, game(rows)), strict=True):
        assert found.r_squared == pytest.approx(judge(form, game, sample).r_squared)
        held, fitted = game(sample.coalitions), form(sample.coalitions)
        factor, shift = np.polyfit(fitted, held, 1, w=np.sqrt(sample.weights))
        share = r_squared(held, factor * fitted + shift, sample.weights)
        assert (found.scale, found.r_squared_scaled) == pytest.approx((factor, share))
        assert (found.error, found.error_scaled) == (0, 0)


def test_a_form_that_is_the_game_is_found_to_be():
    random = np.random.default_rng(3)
    pairs = random.normal(size=(UNITS, UNITS))
    form = QuadraticForm(0.3, random.normal(size=UNITS), pairs + pairs.T - 2 * np.diag(np.diag(pairs)))
    half = QuadraticForm(0.15, form.main / 2, form.pairs / 2)
    rows = asked(UNITS, 0)
    (found,) = fits([form], rows, form(rows))
    assert found.r_squared == pytest.approx(1, abs=1e-6)
    assert found.error < 1e-6
    (found,) = fits([half], rows, form(rows))
    assert found.scale == pytest.approx(2, abs=1e-3)
    assert found.r_squared_scaled == pytest.approx(1, abs=1e-3)


def test_a_form_that_has_nothing_to_do_with_the_game_is_not_taken_to_be_right():
    for seed in range(5):
        game, other = game_of(seed), game_of(seed + 100)
        gamma = exact_interactions(other, UNITS).matrix
        form, rows = integrated_hessians_form(gamma, 0.0), asked(UNITS, seed)
        exact = judge(form, game, uniform_sizes(UNITS, 2**UNITS)).r_squared
        (found,) = fits([form], rows, game(rows))
        assert exact < 0.5
        assert abs(found.r_squared - exact) < 4 * found.error


def test_the_error_covers_the_exact_r_squared_and_is_smaller_than_that_of_a_plain_sample():
    errors, plain, covered = [], [], []
    for seed in range(40):
        game, rows = game_of(seed), asked(UNITS, seed)
        gamma = exact_interactions(game, UNITS).matrix * 1.5
        nothing = float(game(np.zeros((1, UNITS), dtype=bool))[0])
        forms = [integrated_hessians_form(gamma, nothing), linear_form(gamma.sum(axis=1), nothing)]
        exact = judge(forms[0], game, uniform_sizes(UNITS, 2**UNITS)).r_squared
        found = fits(forms, rows, game(rows))[0]
        errors.append(found.r_squared - exact)
        covered.append(abs(errors[-1]) <= 1.96 * found.error)
        plain.append(judge(forms[0], game, uniform_sizes(UNITS, 32, seed)).r_squared - exact)
    assert np.mean(covered) >= 0.5
    assert np.sqrt(np.mean(np.square(errors))) < np.sqrt(np.mean(np.square(plain)))


def test_coalitions_between_are_different_hold_every_unit_and_leave_three_out():
    for units, count in ((6, 10), (12, 12), (40, 40), (400, 64)):
        rows = spread_coalitions(units, count)
        size = rows.sum(axis=1)
        assert len(rows) == len(np.unique(rows, axis=0)) <= count
        assert size.min() >= 1
        assert size.max() <= units - 3
        assert len(set(size.tolist())) >= min(units - 3, count) * 0.9
        assert rows.any(axis=0).all()
        assert not rows.all(axis=0).any()
    np.testing.assert_array_equal(spread_coalitions(9, 10), spread_coalitions(9, 10))


def test_values_that_do_not_differ_have_no_fit():
    rows = asked(UNITS, 0)
    form = linear_form(np.ones(UNITS), 0.0)
    assert fits([form], rows, np.full(len(rows), 1 / 3)) is None
    assert is_flat(np.zeros(3))
    assert not is_flat(np.array([1.0, 1.0 + 1e-6]))


def test_a_constant_form_has_no_factor():
    game, rows = game_of(1), asked(UNITS, 1)
    flat, other = fits([linear_form(np.zeros(UNITS), 0.5), linear_form(np.ones(UNITS), 0.0)], rows, game(rows))
    assert (flat.scale, flat.r_squared_scaled, flat.error_scaled) == (None, None, None)
    assert flat.r_squared <= 0.05
    assert other.scale is not None
