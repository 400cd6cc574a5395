"""`top`: the strongest pairs of a function of many units, without all rows."""

import dataclasses

import numpy as np
import pytest
import torch
from explanations import make_explanation

from ihcli.attribution import integrated_hessians, screening
from ihcli.attribution.forward import ForwardEngine, choose_engine
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine
from ihcli.attribution.screening import Search, sign_vectors, student_quantile
from ihcli.errors import UsageError
from ihcli.results import Explanation

UNITS, TOP = 72, 5


def field(seed):
    """Seventy-two units with weak pairs everywhere and strong ones among eight of them, through a steep step."""
    generator = torch.Generator().manual_seed(seed)
    weak = torch.randn(UNITS, UNITS, generator=generator, dtype=torch.float64) * 0.02
    few = torch.randperm(UNITS, generator=generator)[:8]
    strong = torch.zeros(UNITS, UNITS, dtype=torch.float64)
    strong[few[:, None], few] = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    matrix = weak + weak.T + strong + strong.T
    return lambda z: torch.einsum("bi,ij,bj->b", z, matrix, z) + torch.tanh(20 * (z[:, few[0]] * z[:, few[1]] - 0.2))


def strongest(matrix):
    rows, columns = np.triu_indices(len(matrix), k=1)
    values = np.nan_to_num(np.abs(matrix[rows, columns]))
    order = np.argsort(-values)[:TOP]
    return {(int(rows[i]), int(columns[i])) for i in order}


def forward_engine(f, x, b):
    path = Path.between(x, b)
    return ForwardEngine(choose_engine(f, path, "forward").program, 1 << 30, ReverseEngine(f, 1 << 30))


@pytest.fixture(scope="module")
def runs():
    """The full matrix and the strongest pairs of four functions, of the last two by the forward engine."""
    x, b = torch.ones(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)
    engines = [None, None, forward_engine(field(2), x, b), forward_engine(field(3), x, b)]
    return [
        (integrated_hessians(field(s), x, b), integrated_hessians(field(s), x, b, top=TOP, engine=engine))
        for s, engine in enumerate(engines)
    ]


def test_a_third_of_the_products_are_enough(runs):
    spent = [(some.quadrature.hessian_vector_products, full.quadrature.hessian_vector_products) for full, some in runs]
    assert np.median([a / b for a, b in spent]) <= 1 / 3


@pytest.mark.parametrize("seed", range(4))
def test_the_strongest_pairs_are_those_of_the_full_matrix(seed, runs):
    full, some = runs[seed]
    assert some.certificate.converged
    assert strongest(some.ih) == strongest(full.ih)
    known = ~np.isnan(some.ih)
    assert np.abs(some.ih - full.ih)[known].max() <= 0.02 * np.abs(full.ih).max()
    chosen = known.any(axis=1)
    assert 1 < chosen.sum() < UNITS / 2
    assert np.array_equal(known, np.outer(chosen, chosen))  # the others are absent, not zero
    assert np.array_equal(some.ih[known], some.ih.T[known])
    np.testing.assert_allclose(some.ig, full.ig, atol=0.02 * np.abs(full.ih).max())


@pytest.mark.parametrize("seed", range(4))
def test_the_certificate_is_that_of_the_entries_that_are_shown(seed, runs):
    full, some = runs[seed]
    largest = np.nanmax(np.abs(some.ih))
    assert np.isnan(some.certificate.completeness_gap)
    assert max(some.certificate.row_gap, some.certificate.quadrature_error) <= 0.01 * largest
    actual = np.nanmax(np.abs(some.ih - full.ih))
    assert actual <= some.certificate.quadrature_error + full.certificate.quadrature_error
    assert largest == pytest.approx(np.abs(full.ih).max(), rel=0.02)  # so the tolerance is a share of the same number


def test_a_search_that_was_too_coarse_goes_on(monkeypatch):
    """Three nodes see little of a narrow step, in which two of three pairs of units have all of their interaction."""
    x, b = torch.ones(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)

    def f(z):
        steps = torch.tanh(30 * (z[:, 0] + z[:, 1] - 1.3)) * 0.2 + torch.tanh(30 * (z[:, 2] * z[:, 3] - 0.7)) * 0.2
        return steps + z[:, 4] * z[:, 5] * 0.6 + z[:, 6] * z[:, 7] * 0.5

    full = integrated_hessians(f, x, b)
    monkeypatch.setattr(screening, "COARSE_SHARE", float("inf"))
    some = integrated_hessians(f, x, b, top=4)
    pairs = np.argsort(-np.abs(full.ih[np.triu_indices(UNITS, 1)]))[:4]
    assert not np.isnan(some.ih[np.triu_indices(UNITS, 1)][pairs]).any()


def test_the_search_is_one_phase_whose_progress_never_goes_back():
    x, b = torch.ones(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)
    calls = []
    integrated_hessians(field(0), x, b, top=TOP, progress=lambda *call: calls.append(call))
    phases = [phase for phase, *_ in calls]
    assert list(dict.fromkeys(phases))[:3] == ["gradients", "search", "hessians"]
    done = [step for phase, step, _ in calls if phase == "search"]
    totals = [total for phase, _, total in calls if phase == "search"]
    assert len(done) > 2
    assert done == sorted(done)
    assert totals == sorted(totals)
    assert all(step <= total for step, total in zip(done, totals, strict=True))
    assert totals[0] >= 3 * (10 + 19)  # ten probes and 19 rows as a rule, at three nodes or more


@pytest.mark.parametrize("kind", ["linear", "same", "additive"])
def test_what_holds_no_pair_is_answered(kind):
    weights = torch.arange(1, 73).double()
    x = torch.ones(72).double()
    f = {
        "linear": lambda x: x @ weights,
        "same": lambda x: torch.tanh(x @ weights),
        "additive": lambda x: x**2 @ weights,
    }
    found = integrated_hessians(f[kind], x, x.clone() if kind == "same" else 0 * x, top=3)
    assert found.certificate.converged
    expected = np.zeros((72, 72)) if kind == "same" else np.diag(weights.numpy())
    known = ~np.isnan(found.ih)
    assert known.any()
    np.testing.assert_allclose(found.ih[known], expected[known], atol=1e-6 * 72)
    if kind != "same":
        assert found.ih[71, 71] == pytest.approx(72)  # the largest entry is always among those that are computed


def test_a_text_with_few_units_gets_its_whole_matrix():
    f = lambda z: (z[:, 0] * z[:, 1] * z[:, 2]) ** 2  # noqa: E731
    x, b = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    assert not np.isnan(integrated_hessians(f, x, b, top=1).ih).any()


def test_rows_of_equal_weight_are_all_taken():
    # every pair is as strong as every other: nothing may be left out
    f = lambda z: z.sum(1) ** 2  # noqa: E731
    x, b = torch.ones(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)
    found = integrated_hessians(f, x, b, top=3000)
    assert np.abs(found.ih - (0.5 + UNITS / 2 * np.eye(UNITS))).max() < 1e-9  # H = 2 everywhere, g = 2 U t


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [(0.05, 14, 1.761), (0.01, 14, 2.624), (0.001, 14, 3.787), (0.001, 30, 3.385), (0.0001, 14, 4.985)],
)
def test_the_quantile_is_that_of_the_tables(probability, freedom, value):
    assert student_quantile(probability, freedom) == pytest.approx(value, rel=0.03)


@pytest.mark.parametrize(("units", "probes"), [(65, 10), (512, 10), (513, 11), (1025, 12)])
def test_no_two_columns_of_the_signs_are_the_same_or_opposite(units, probes):
    signs = sign_vectors(units, np.random.default_rng(0))
    assert signs.shape == (probes, units)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    overlap = np.abs(signs.T @ signs) - probes * np.eye(units)
    assert overlap.max() <= probes - 2


def symmetric(rng, units, power=3):
    """A matrix with heavy tails: few large entries."""
    half = rng.normal(size=(units, units)) ** power
    return half + half.T


def searched(rng, matrix, rows=()):
    signs = sign_vectors(len(matrix), rng)
    rows = list(rows)
    return Search(np.ones(1), np.ones(1), signs, signs @ matrix, rows, matrix[rows])


def test_a_pair_is_above_its_bound_as_seldom_as_it_says():
    rng = np.random.default_rng(0)
    broken, trials, units = 0, 300, 40
    for _ in range(trials):
        matrix = symmetric(rng, units)
        _, bounds = searched(rng, matrix).bounds(1)
        i, j = np.unravel_index(np.argmax(np.abs(matrix - np.diag(np.diag(matrix)))), matrix.shape)
        broken += bounds[i, j] < np.abs(matrix[i, j])
    assert broken / trials < 2 * screening.CONFIDENCE


def test_rows_that_are_known_leave_only_what_is_unknown():
    """Where all but three rows are known, only the diagonal and three pairs are left of the probes."""
    rng = np.random.default_rng(1)
    matrix = np.zeros((30, 30))
    matrix[:27] = rng.normal(size=(27, 30))
    matrix[:, :27] = matrix[:27].T
    matrix[[27, 28], [28, 27]] = 5.0
    matrix[29, 29] = 7.0
    rest, bounds = searched(rng, (matrix + matrix.T) / 2, range(27)).bounds(1)
    assert rest.tolist() == [27, 28, 29]
    assert np.array_equal(bounds, bounds.T)
    assert bounds[0, 1] >= 5.0
    assert bounds[0, 2] < 5.0 * student_quantile(0.01, 14)  # noise of the known pair, none of the known rows


def test_the_diagonal_is_exact_in_known_rows_and_estimated_in_others():
    rng = np.random.default_rng(2)
    matrix = np.diag(np.arange(20.0))
    found = searched(rng, matrix, [3, 7])
    np.testing.assert_allclose(found.diagonal(), np.arange(20.0))
    assert np.isnan(found.matrix()).sum() == 18 * 18


@pytest.mark.parametrize(
    "options", [{"top": 0}, {"top": 2, "formulation": "article-code"}, {"top": 2, "baseline": "two"}]
)
def test_what_top_cannot_do_is_refused(options):
    x, b = torch.ones(80), torch.zeros(80)
    baseline = [b, b + 0.1] if options.pop("baseline", None) else b
    with pytest.raises(UsageError, match="top"):
        integrated_hessians(lambda z: z.prod(1), x, baseline, **options)


def test_absent_rows_stay_absent_in_the_files(tmp_path):
    matrix = np.array([[1.0, 2.0, 3.0], [2.0, np.nan, np.nan], [3.0, np.nan, np.nan]])
    result = make_explanation(3, ih=matrix)
    result = dataclasses.replace(
        result, certificate=dataclasses.replace(result.certificate, completeness_gap=float("nan"))
    )
    again = Explanation.load(result.save(tmp_path))
    assert np.array_equal(again.ih, matrix, equal_nan=True)
    assert np.isnan(again.certificate.completeness_gap)
    assert [pair[:2] for pair in again.pairs()] == [(0, 2), (0, 1)]
    assert "[3.0, null, null]" in (tmp_path / "result.json").read_text(encoding="utf-8")
