"""The sampled matrix: its axioms, its accuracy and standard errors on games whose matrix is known."""

import numpy as np
import pytest

from ihcli.config import RunConfig, TargetSection, UnitsSection
from ihcli.errors import UsageError
from ihcli.models import load_classifier
from ihcli.models.deletion import DeletionGame
from ihcli.removal import sampling
from ihcli.removal.game import CountedGame
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.sampling import draw, estimate, expected_game, sampled_interactions, strongest
from ihcli.removal.sampling_kernel import quadratic_game

UNITS = 9


def sparse_game(units, seed, orders=(1, 1, 1, 2, 2, 2, 2, 3, 3, 4)):
    """A sum of a few products of units, strong where the order is low, and the matrix that it has."""
    random = np.random.default_rng(seed)
    terms = [(random.permutation(units)[:order], random.standard_normal() / order) for order in orders]
    matrix = np.zeros((units, units))
    for members, size in terms:
        matrix[np.ix_(members, members)] += size / len(members) ** 2
    return lambda rows: sum(size * rows[:, members].all(axis=1) for members, size in terms), matrix


def smooth_game(units, seed):
    """A network of one layer: all orders, falling, with weak and strong units."""
    random = np.random.default_rng(seed)
    into = random.standard_normal((units, 12)) * random.gamma(0.5, 1, (units, 1))
    out = random.standard_normal(12)
    return lambda rows: np.tanh(rows @ into * 0.7 + 0.3) @ out


def majority(rows):
    return (rows.sum(axis=1) * 2 > rows.shape[1]).astype(float)


def upper(matrix, above=0):
    return matrix[np.triu_indices(len(matrix), above)]


# --- which coalitions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "count"), [(9, 21), (9, 300), (9, 511), (30, 500), (70, 142)])
def test_coalitions_are_distinct_complementary_and_hold_both_ends(units, count):
    rows = draw(units, count, 0)
    assert rows.shape == (count, units)
    assert len({row.tobytes() for row in rows}) == count
    assert rows[0].all()
    assert not rows[1].any()
    known = {row.tobytes() for row in rows}
    assert sum((~row).tobytes() in known for row in rows) >= count - 1


def test_every_size_is_as_likely():
    sizes = draw(40, 4000, 0).sum(axis=1)
    counts, _ = np.histogram(sizes, bins=[4, 12, 20, 29, 37])  # of 8 sizes, without the ends, where few are distinct
    assert abs(counts / counts.mean() - 1).max() < 0.3


@pytest.mark.parametrize("count", [60, 300])
def test_the_seed_decides(count):
    assert np.array_equal(draw(UNITS, count, 3), draw(UNITS, count, 3))
    assert not np.array_equal(draw(UNITS, count, 3), draw(UNITS, count, 4))


def test_large_coalitions_are_no_likelier_where_much_is_drawn():
    first = np.concatenate([draw(12, 1400, seed)[2:202] for seed in range(10)])
    share = np.bincount(first.sum(axis=1), minlength=13)[1:12] / len(first)
    # Sizes 1 and 11 have twelve coalitions each, of which none is drawn twice.
    assert abs(share[1:-1] / share[1:-1].mean() - 1).max() < 0.3
    assert share[[0, -1]].min() > 0.03


# --- axioms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_rows_and_completeness_hold_exactly(seed):
    game = smooth_game(15, seed)
    found = sampled_interactions(game, 15, 120, seed)
    everyone, nobody = game(np.array([[True] * 15, [False] * 15]))
    assert (found.v_all, found.v_none) == pytest.approx((everyone, nobody), abs=1e-12)
    np.testing.assert_allclose(found.matrix.sum(axis=1), found.attributions, atol=1e-13)
    assert found.matrix.sum() == pytest.approx(everyone - nobody, abs=1e-12)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    assert (found.matrix_errors > 0).all()
    assert (found.attribution_errors > 0).all()
    assert found.evaluations == 120


def test_equal_seeds_give_equal_results():
    game = smooth_game(15, 0)
    one, same, other = (sampled_interactions(game, 15, 100, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.matrix, same.matrix)
    np.testing.assert_array_equal(one.matrix_errors, same.matrix_errors)
    assert (one.matrix != other.matrix).any()


def test_a_scale_and_a_constant_change_nothing_else():
    game = smooth_game(10, 4)
    one = sampled_interactions(game, 10, 100)
    other = sampled_interactions(lambda rows: 1e3 * game(rows) - 7, 10, 100)
    np.testing.assert_allclose(other.matrix, 1e3 * one.matrix, atol=1e-3)
    np.testing.assert_allclose(other.matrix_errors, 1e3 * one.matrix_errors, rtol=1e-3)


def test_the_order_of_units_does_not_matter():
    game = smooth_game(10, 5)
    rows = draw(10, 100, 0)
    order = np.random.default_rng(0).permutation(10)
    one, other = (estimate(own, game(rows), 0) for own in (rows, rows[:, order]))
    np.testing.assert_allclose(other.matrix, one.matrix[np.ix_(order, order)], atol=1e-4)


def test_all_coalitions_are_exact():
    game = smooth_game(5, 1)
    counted = CountedGame(game, 5)
    found = sampled_interactions(counted, 5, 32)
    np.testing.assert_array_equal(found.matrix, exact_interactions(game, 5).matrix)
    assert counted.evaluations == found.evaluations == 32
    assert not found.matrix_errors.any()


def test_a_constant_game_is_zero_throughout():
    found = sampled_interactions(lambda rows: np.full(len(rows), 3.0), 15, 64)
    assert not found.matrix.any()
    assert not found.matrix_errors.any()
    assert found.v_all == found.v_none == 3


# --- accuracy -----------------------------------------------------------------------------------------------------


def test_effects_that_add_up_have_a_diagonal_matrix():
    effects = np.random.default_rng(0).standard_normal(25)
    found = sampled_interactions(lambda rows: rows @ effects, 25, 120)
    np.testing.assert_allclose(found.matrix, np.diag(effects), atol=1e-3)


@pytest.mark.parametrize("members", [2, 3])
def test_a_product_among_many_units_is_found(members):
    found = sampled_interactions(lambda rows: 9.0 * rows[:, :members].all(axis=1), 25, 400)
    expected = np.zeros((25, 25))
    expected[:members, :members] = 9 / members**2
    np.testing.assert_allclose(found.matrix, expected, atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_sparse_games_of_many_units(seed):
    game, expected = sparse_game(30, seed)
    found = sampled_interactions(game, 30, 700)
    assert np.abs(found.matrix - expected).max() < 0.03 * np.abs(expected).max()


def test_a_majority_is_no_pairwise_game_and_still_met():
    found = sampled_interactions(majority, 11, 1024)
    exact = exact_interactions(majority, 11)
    assert (np.abs(found.attributions - exact.attributions) < 4 * found.attribution_errors).all()
    assert (np.abs(found.matrix - exact.matrix) < 4 * found.matrix_errors).all()
    assert found.attribution_errors.max() < 0.05


@pytest.mark.parametrize("evaluations", [128, 256, 512])
def test_intervals_cover_what_they_say(evaluations):
    """95 % intervals over games and entries, for units that are few enough to know the matrix."""
    within = []
    for seed in range(6):
        units = 10 + seed % 3
        game = smooth_game(units, seed)
        exact, found = exact_interactions(game, units), sampled_interactions(game, units, evaluations, seed)
        within.append(upper(np.abs(found.matrix - exact.matrix) <= 1.96 * found.matrix_errors))
        within.append(np.abs(found.attributions - exact.attributions) <= 1.96 * found.attribution_errors)
    assert np.concatenate(within).mean() >= 0.93


def test_standard_errors_are_no_excuse():
    """They are at most a few times the errors that are there."""
    ratios = []
    for seed in range(6):
        game = smooth_game(11, seed)
        exact, found = exact_interactions(game, 11), sampled_interactions(game, 11, 256, seed)
        errors = upper(found.matrix - exact.matrix)
        ratios.append(np.sqrt((upper(found.matrix_errors) ** 2).mean() / (errors**2).mean()))
    assert np.median(ratios) < 3


def test_more_coalitions_than_a_block(monkeypatch):
    game = smooth_game(12, 2)
    exact = exact_interactions(game, 12).matrix
    whole = sampled_interactions(game, 12, 1500)
    monkeypatch.setattr(sampling, "BLOCK", 400)
    parts = sampled_interactions(game, 12, 1500)
    one = sampled_interactions(game, 12, 400)
    assert parts.evaluations == 1500
    assert parts.matrix.sum() == pytest.approx(whole.matrix.sum(), abs=1e-12)
    error, single = (np.sqrt(((found.matrix - exact) ** 2).mean()) for found in (parts, one))
    assert error < single
    covered = np.abs(parts.matrix - exact) <= 1.96 * parts.matrix_errors
    assert upper(covered).mean() >= 0.9


@pytest.mark.parametrize("block", [4096, 100])
def test_the_expected_game_has_the_matrix(block, monkeypatch):
    monkeypatch.setattr(sampling, "BLOCK", block)
    game = smooth_game(10, 6)
    rows = draw(10, 200, 0)
    expected = expected_game(rows, game(rows), 0)
    found = estimate(rows, game(rows), 0)
    np.testing.assert_allclose(exact_interactions(expected, 10).matrix, found.matrix, atol=1e-6)
    assert expected(rows[:2]) == pytest.approx(game(rows[:2]), abs=1e-5)
    rest = np.random.default_rng(0).random((300, 10)) < 0.5
    assert np.std(expected(rest) - game(rest)) < 0.1 * np.std(game(rest))
    assert expected_game(rows, np.full(200, 4.0), 0)(rest).tolist() == [4.0] * 300


# --- the strongest pairs, and what is expected --------------------------------------------------------------------


def test_the_strongest_pairs_can_be_had_alone():
    game, exact = smooth_game(12, 7), exact_interactions(smooth_game(12, 7), 12).matrix
    first = strongest(exact, 1)[0]
    asked = []

    def watched(rows):
        asked.append(rows)
        return game(rows)

    found = sampled_interactions(watched, 12, 512, top=1)
    assert [len(rows) for rows in asked] == [256, 256]
    assert len({row.tobytes() for rows in asked for row in rows}) == found.evaluations == 512
    spread = sampled_interactions(game, 12, 512)
    assert found.matrix_errors[first] < spread.matrix_errors[first]
    assert abs(found.matrix[first] - exact[first]) <= 0.05 * np.abs(upper(exact, 1)).max()


def test_strongest_is_by_size_and_ties_by_place():
    assert strongest(np.array([[9, 1, -3], [1, 9, 1], [-3, 1, 9.0]]), 3) == [(0, 2), (0, 1), (1, 2)]


def test_few_coalitions_gain_by_a_true_expectation_and_lose_little_by_a_false_one():
    random = np.random.default_rng(3)
    half = random.standard_normal((14, 14))
    gamma = half + half.T

    def game(rows):
        z = np.where(rows, 1.0, -1.0)
        return quadratic_game(gamma, z) + 0.05 * np.sin(rows @ half).sum(axis=1)

    exact = exact_interactions(game, 14).matrix
    plain, true, false = (
        np.abs(sampled_interactions(game, 14, 80, prior=prior).matrix - exact).max()
        for prior in (None, 5 * gamma, random.standard_normal((14, 14)))
    )
    assert true < 0.5 * plain
    assert false < 1.5 * plain


# --- the bundled model --------------------------------------------------------------------------------------------

SENTENCES = {
    "The plot is thin but the actors save it .": (256, 512),
    "I would not call this dull story a complete waste": (256, 512),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_deletion_of_words_from_a_few_hundred_texts(text):
    model = load_classifier(RunConfig())
    encoded = model.encode(text, units=UnitsSection())
    target = model.target(TargetSection(label="POSITIVE"), model.predict(encoded))
    game = CountedGame(DeletionGame(model, encoded, target), len(encoded.units))
    exact = exact_interactions(game, game.units)
    few, many = (sampled_interactions(game, game.units, count) for count in SENTENCES[text])
    assert np.corrcoef(upper(few.matrix, 1), upper(exact.matrix, 1))[0, 1] >= 0.95
    assert np.abs(many.matrix - exact.matrix).max() <= 0.10 * np.abs(exact.matrix).max()
    assert np.abs(upper(many.matrix - exact.matrix, 1)).max() <= 0.10 * np.abs(upper(exact.matrix, 1)).max()
    for found in (few, many):
        covered = np.abs(found.matrix - exact.matrix) <= 1.96 * found.matrix_errors
        assert upper(covered).mean() >= 0.8


# --- what is refused ----------------------------------------------------------------------------------------------


def test_too_few_evaluations_are_refused():
    with pytest.raises(UsageError, match="61 evaluations were asked for and 30 units need at least 62"):
        sampled_interactions(majority, 30, 61)


@pytest.mark.parametrize("prior", [np.ones((3, 3)), np.full((30, 30), np.nan)])
def test_a_prior_of_another_shape_or_with_nan_is_refused(prior):
    with pytest.raises(UsageError, match=r"must be a finite matrix \(30, 30\)"):
        sampled_interactions(majority, 30, 100, prior=prior)


def test_no_pairs_at_all_are_refused():
    with pytest.raises(UsageError, match="strongest 0 pairs"):
        sampled_interactions(majority, 30, 100, top=0)


def test_a_game_of_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"shape \(100, 30\) for 100 coalitions"):
        sampled_interactions(lambda rows: rows.astype(float), 30, 100)
