"""`top`: the strongest pairs of a function of many units, without all rows."""

import dataclasses

import numpy as np
import pytest
import torch
from explanations import make_explanation

from ihcli.attribution import integrated_hessians
from ihcli.attribution.screening import norm_bound
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


@pytest.fixture(scope="module")
def runs():
    """The full matrix and the strongest pairs of four functions."""
    x, b = torch.ones(UNITS, dtype=torch.float64), torch.zeros(UNITS, dtype=torch.float64)
    return [(integrated_hessians(field(s), x, b), integrated_hessians(field(s), x, b, top=TOP)) for s in range(4)]


def test_half_of_the_products_are_enough(runs):
    spent = [(some.quadrature.hessian_vector_products, full.quadrature.hessian_vector_products) for full, some in runs]
    assert np.median([a / b for a, b in spent]) <= 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_strongest_pairs_are_those_of_the_full_matrix(seed, runs):
    full, some = runs[seed]
    assert some.certificate.converged
    assert strongest(some.ih) == strongest(full.ih)
    known = ~np.isnan(some.ih)
    assert np.abs(some.ih - full.ih)[known].max() <= 0.02 * np.abs(full.ih).max()
    rows = known.all(axis=1)
    assert 0 < rows.sum() < UNITS / 2
    assert not known[np.ix_(~rows, ~rows)].any()  # absent, not zero
    assert np.array_equal(some.ih[known], some.ih.T[known])
    assert np.abs(some.ih[rows].sum(1) - some.ig[rows]).max() <= 0.01 * np.nanmax(np.abs(some.ih))


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
    assert known.sum() > 72
    np.testing.assert_allclose(found.ih[known], expected[known], atol=1e-6 * 72)


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


def test_the_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(0)
    broken, trials, units = 0, 400, 40
    for _ in range(trials):
        row = rng.normal(size=units) ** 3  # heavy tails: few large entries
        samples = rng.choice([-1.0, 1.0], size=(16, units)) @ row
        bound = norm_bound(np.array([samples.var(ddof=1)]), 16, 1)[0]
        broken += np.linalg.norm(row) > bound
    assert broken / trials < 0.02


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
