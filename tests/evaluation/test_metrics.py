"""Every metric against its published formula, transcribed in `published.py` or run by the library itself."""

import itertools
import math

import captum.metrics
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.errors import UsageError
from ihcli.evaluation import metrics
from ihcli.removal.game import CountedGame, all_coalitions
from tests.evaluation import published


def random_game(units, seed):
    """A game whose every coalition has a probability of its own: (game over coalitions, the same over sets)."""
    table = np.random.default_rng(seed).uniform(0.05, 0.95, 2**units)
    powers = 2 ** np.arange(units)

    def game(coalitions):
        return table[coalitions.astype(int) @ powers]

    def of_set(present):
        return float(table[sum(2**i for i in present)])

    return game, of_set


def random_attributions(units, seed, *, ties):
    values = np.random.default_rng(seed + 1000).normal(size=units)
    return np.round(values) if ties else values


def random_matrix(units, seed):
    half = np.random.default_rng(seed + 2000).normal(size=(units, units))
    return half + half.T


cases = st.tuples(st.integers(1, 9), st.integers(0, 10**6), st.booleans())


@settings(derandomize=True, max_examples=150, deadline=None)
@given(cases, st.booleans())
def test_areas_over_every_size_are_ferrets(case, keep):
    units, seed, ties = case
    game, p = random_game(units, seed)
    phi = random_attributions(units, seed, ties=ties)
    ours = metrics.aopc_sufficiency if keep else metrics.aopc_comprehensiveness
    assert ours(phi, game) == pytest.approx(published.ferret_aopc(phi, p, keep=keep), abs=1e-12)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(cases, st.booleans(), st.sampled_from([metrics.ERASER_BINS, (0.1, 0.3, 0.5, 0.7, 0.9), (0.34, 0.35, 1.0)]))
def test_areas_over_fractions_are_ferrets(case, keep, fractions):
    units, seed, ties = case
    game, p = random_game(units, seed)
    phi = random_attributions(units, seed, ties=ties)
    ours = metrics.aopc_sufficiency if keep else metrics.aopc_comprehensiveness
    expected = published.ferret_aopc(phi, p, keep=keep, thresholds=fractions, based_on="perc")
    assert ours(phi, game, fractions) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_areas_are_erasers_where_every_bin_has_a_size_of_its_own(keep, seed):
    # 100 units: ERASER's bins of 1, 5, 10, 20, 50 % are five sizes.
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=100)
    phi = rng.normal(size=100)

    def game(coalitions):
        return 1 / (1 + np.exp(-np.sin(coalitions @ weights)))

    def p(present):
        return float(game(np.array([[i in present for i in range(100)]]))[0])

    ours = metrics.aopc_sufficiency if keep else metrics.aopc_comprehensiveness
    expected = published.eraser_aopc(phi, p, keep=keep, bins=metrics.ERASER_BINS)
    assert ours(phi, game, metrics.ERASER_BINS) == pytest.approx(expected, abs=1e-12)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(cases)
def test_log_odds_are_digs(case):
    units, seed, ties = case
    game, p = random_game(units, seed)
    phi = random_attributions(units, seed, ties=ties)
    if units < 5:
        assert math.isnan(metrics.log_odds(phi, game))
    else:
        assert metrics.log_odds(phi, game) == pytest.approx(published.dig_log_odds(phi, p), abs=1e-12)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(cases)
def test_tau_of_leaving_one_out_is_ferrets(case):
    units, seed, ties = case
    game, p = random_game(units, seed)
    phi = random_attributions(units, seed, ties=ties)
    expected = published.tau_loo(phi, p)
    assert metrics.tau_leave_one_out(phi, game) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10**6), st.booleans(), st.sampled_from([1, 3, 100]))
def test_insertion_and_deletion_are_interpretos(units, seed, insert, steps):
    game, p = random_game(units, seed)
    phi = random_attributions(units, seed, ties=False)
    ours = metrics.insertion_area if insert else metrics.deletion_area
    curve = published.interpreto_curve(phi.tolist(), p, insert=insert, n_perturbations=steps)
    assert ours(phi, game, steps) == pytest.approx(published.interpreto_area(curve), abs=1e-12)


@pytest.mark.parametrize("units", [100, 101, 128, 150, 250])
def test_curves_of_long_texts_are_interpretos(units):
    phi = np.random.default_rng(units).normal(size=units)
    curve = published.interpreto_curve(phi.tolist(), lambda s: math.sin(sum(s)) ** 2, insert=True)

    def game(coalitions):
        return np.sin(coalitions @ np.arange(units)) ** 2

    assert metrics.insertion_area(phi, game) == pytest.approx(published.interpreto_area(curve), abs=1e-9)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_infidelity_is_captums(seed, normalize):

    units = 6
    game, _ = random_game(units, seed)
    phi = random_attributions(units, seed, ties=False)
    rng = np.random.default_rng(seed)
    coalitions = rng.random((40, units)) < 0.5

    def forward(x):
        return torch.tensor(game(x.numpy() > 0.5))

    def perturb(x):
        kept = torch.tensor(coalitions, dtype=torch.float64)
        return x - kept, kept  # I and x - I for the 40 repeats of the one text

    expected = captum.metrics.infidelity(
        forward,
        perturb,
        torch.ones(1, units, dtype=torch.float64),
        torch.tensor(phi)[None],
        n_perturb_samples=len(coalitions),
        normalize=normalize,
    )
    ours = metrics.infidelity(phi, game, coalitions, normalize=normalize)
    assert ours == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_weights_of_infidelity_are_repeats(seed):
    game, p = random_game(4, seed)
    phi = random_attributions(4, seed, ties=False)
    rows = all_coalitions(4)
    counts = np.random.default_rng(seed).integers(0, 4, 16)
    everything = frozenset(range(4))
    terms = []
    for row, count in zip(rows, counts, strict=True):
        present = frozenset(np.flatnonzero(row).tolist())
        removed = sum(phi[i] for i in everything - present)
        terms += [(removed - (p(everything) - p(present))) ** 2] * count
    assert metrics.infidelity(phi, game, rows, counts) == pytest.approx(sum(terms) / len(terms), abs=1e-12)


def test_the_right_attributions_of_a_sum_have_no_infidelity():
    weights = np.array([0.3, -0.2, 0.1])
    game = lambda s: 0.4 + s @ weights  # noqa: E731
    assert metrics.infidelity(weights, game, all_coalitions(3)) == pytest.approx(0.0, abs=1e-15)
    assert metrics.infidelity(7 * weights, game, all_coalitions(3), normalize=True) == pytest.approx(0.0, abs=1e-15)
    assert metrics.infidelity(7 * weights, game, all_coalitions(3)) > 0.1
    assert metrics.infidelity(np.zeros(3), game, all_coalitions(3), normalize=True) > 0


def test_a_sum_by_hand():
    # p = 0.1 + 0.4 s₀ + 0.2 s₁ + 0.1 s₂, attributions in that order.
    game = lambda s: 0.1 + s @ np.array([0.4, 0.2, 0.1])  # noqa: E731
    phi = [3.0, 2.0, 1.0]
    assert metrics.comprehensiveness(phi, game, 0.4) == pytest.approx(0.4)
    assert metrics.sufficiency(phi, game, 0.4) == pytest.approx(0.3)
    assert metrics.aopc_comprehensiveness(phi, game) == pytest.approx((0.4 + 0.6 + 0.7) / 3)
    assert metrics.aopc_sufficiency(phi, game) == pytest.approx((0.3 + 0.1 + 0.0) / 3)
    assert metrics.log_odds(phi, game, 0.4) == pytest.approx(math.log(0.4 / 0.8))
    assert metrics.tau_leave_one_out(phi, game) == 1
    assert metrics.tau_leave_one_out([-1, -2, -3], game) == 1
    assert metrics.deletion_area(phi, game) == pytest.approx((0.8 / 2 + 0.4 + 0.2 + 0.1 / 2) / 3)
    assert metrics.insertion_area(phi, game) == pytest.approx((0.1 / 2 + 0.5 + 0.7 + 0.8 / 2) / 3)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6), st.integers(1, 25))
def test_pairs_against_removal_one_at_a_time(units, seed, k):
    game, p = random_game(units, seed)
    m = random_matrix(units, seed)
    pairs = sorted(itertools.combinations(range(units), 2), key=lambda pair: -abs(m[pair]))[:k]
    assert metrics.strongest_pairs(m, k) == pairs
    effects = [published.mixed_difference(p, units, i, j) for i, j in pairs]
    assert metrics.pair_effect(m, game, k) == pytest.approx(np.mean(np.abs(effects)), abs=1e-12)
    right = [(effect > 0) == (m[pair] > 0) for effect, pair in zip(effects, pairs, strict=True)]
    assert metrics.sign_agreement(m, game, k) == pytest.approx(np.mean(right))
    gone = frozenset(itertools.chain.from_iterable(pairs))
    everything = frozenset(range(units))
    assert metrics.pair_deletion(m, game, k) == pytest.approx(p(everything) - p(everything - gone), abs=1e-12)


def test_pairs_that_are_not_known_are_left_out():
    m = np.array([[0.0, np.nan, 0.2], [np.nan, 0.0, -0.1], [0.2, -0.1, 0.0]])
    assert metrics.strongest_pairs(m, 5) == [(0, 2), (1, 2)]
    reference = np.array([[0.0, 5.0, 1.0], [5.0, 0.0, 3.0], [1.0, 3.0, 0.0]])
    assert metrics.pair_correlation(m, reference) == pytest.approx(-1.0)
    unknown = np.full((3, 3), np.nan)
    for metric in (metrics.pair_deletion, metrics.pair_effect, metrics.sign_agreement):
        assert math.isnan(metric(unknown, lambda s: s.sum(1) / 3))
        assert math.isnan(metric([[1.0]], lambda s: s.sum(1) / 3))
    assert math.isnan(metrics.pair_correlation(unknown, reference))


def test_a_product_agrees_with_its_own_matrix():
    game = lambda s: 0.5 + 0.4 * s[:, 0] * s[:, 2] - 0.1 * s[:, 1]  # noqa: E731
    m = np.zeros((3, 3))
    m[0, 2] = m[2, 0] = 0.1
    assert metrics.pair_effect(m, game) == pytest.approx(0.4)
    assert metrics.sign_agreement(m, game) == 1
    assert metrics.sign_agreement(-m, game) == 0
    assert metrics.sign_agreement(m, game, 3) == pytest.approx(1 / 3)  # entries of 0 agree with nothing
    assert metrics.pair_deletion(m, game) == pytest.approx(0.4)


def test_rounding_is_no_sign():
    # In single precision the text without either word differs from the sum of both by the last digit alone.
    game = lambda s: 3.1 + 0.1 * s[:, 0] + 0.7 * s[:, 1] + 3e-7 * s[:, 0] * s[:, 1]  # noqa: E731
    m = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert metrics.sign_agreement(m, game) == 0
    assert metrics.sign_agreement(m, lambda s: game(s) + 1e-4 * s[:, 0] * s[:, 1]) == 1


def test_a_scale_of_the_matrix_changes_no_correlation():
    m, other = random_matrix(5, 1), random_matrix(5, 2)
    pairs = np.triu_indices(5, 1)
    expected = np.corrcoef(m[pairs], other[pairs])[0, 1]
    assert metrics.pair_correlation(m, other) == pytest.approx(expected)
    assert metrics.pair_correlation(40 * m, other) == pytest.approx(expected)
    assert metrics.pair_correlation(m, -3 * m) == pytest.approx(-1.0)


def test_evaluations_are_shared_through_a_counted_game():
    game, _ = random_game(5, 3)
    counted = CountedGame(game, 5)
    phi = random_attributions(5, 3, ties=False)
    metrics.aopc_comprehensiveness(phi, counted)
    metrics.deletion_area(phi, counted)
    assert counted.evaluations == 6  # the text, and one to five units removed


def test_texts_that_are_too_short_have_no_value():
    flat = lambda s: np.full(len(s), 0.5)  # noqa: E731
    assert math.isnan(metrics.comprehensiveness([1.0], flat))
    assert math.isnan(metrics.sufficiency([1.0, 2.0, 3.0, 4.0], flat))
    assert math.isnan(metrics.insertion_area([1.0], flat))
    assert math.isnan(metrics.tau_leave_one_out([1.0], flat))
    assert math.isnan(metrics.tau_leave_one_out([1.0, 2.0], flat))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g: metrics.comprehensiveness([[1.0]], g), r"shape \(1, 1\)"),
        (lambda g: metrics.comprehensiveness([], g), r"shape \(0,\)"),
        (lambda g: metrics.comprehensiveness([1.0, math.nan], g), "unit 1 is NaN"),
        (lambda g: metrics.comprehensiveness([1.0, 2.0], g, 0.0), "above 0 and at most 1"),
        (lambda g: metrics.aopc_sufficiency([1.0, 2.0], g, (0.5, 1.5)), "is 1.5"),
        (lambda g: metrics.insertion_area([1.0, 2.0], g, 0), "at least 1"),
        (lambda _: metrics.log_odds([1.0] * 5, lambda s: 2.0 * s.sum(1)), r"in \(0, 1\]"),
        (lambda g: metrics.infidelity([1.0, 2.0], g, np.ones((3, 3), dtype=bool)), r"\(n, 2\)"),
        (lambda g: metrics.infidelity([1.0, 2.0], g, np.ones((0, 2), dtype=bool)), "n at least 1"),
        (lambda g: metrics.infidelity([1.0, 2.0], g, np.ones((2, 2), dtype=bool), [1.0, -1.0]), "none negative"),
        (lambda g: metrics.infidelity([1.0, 2.0], g, np.ones((2, 2), dtype=bool), [0.0, 0.0]), "not all 0"),
        (lambda g: metrics.pair_effect([[1.0, 2.0]], g), r"\(U, U\)"),
        (lambda g: metrics.pair_effect([[0.0, 2.0], [1.0, 0.0]], g), "symmetric"),
        (lambda g: metrics.pair_effect([[0.0, 2.0], [2.0, 0.0]], g, 0), "at least 1 pair"),
        (lambda _: metrics.pair_correlation(np.eye(2), np.eye(3)), "same units"),
    ],
)
def test_unfit_input_is_refused(call, words):
    with pytest.raises(UsageError, match=words):
        call(lambda s: s.mean(axis=1))
