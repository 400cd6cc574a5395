"""LIME and KernelSHAP against closed forms derived by hand."""

import math

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.stratified import uniform_sizes
from ihcli.removal.surrogates import (
    consistent_errors,
    kernel_shap,
    kernel_shap_errors,
    lime_expected_counts,
    lime_fit,
    lime_neighbourhood,
    lime_weights,
)


def test_limes_weights_by_hand():
    rows = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    # cosine similarities 1, 1/2, 0: distances 0, 50, 100 over the width 25
    np.testing.assert_allclose(lime_weights(rows), [1, math.exp(-2), math.exp(-8)])


def test_limes_ridge_of_one_unit_by_hand():
    rows = np.array([[False], [True]])
    weights = np.array([2.0, 6.0])
    fit = lime_fit(rows, np.array([1.0, 5.0]), weights, penalty=0.5)
    # The intercept is free, so the slope sees the two rows through 2·6/(2 + 6) = 3/2: 4 · 1.5 / (1.5 + 0.5).
    assert fit.coefficients[0] == pytest.approx(3)
    assert fit.intercept == pytest.approx((2 * 1 + 6 * (5 - 3)) / 8)


def test_lime_without_penalty_is_exact_for_a_sum():
    rows = all_coalitions(5)
    slopes = np.array([1.0, -2.0, 0.0, 4.0, 0.5])
    fit = lime_fit(rows, 3 + rows @ slopes, lime_weights(rows), penalty=0.0)
    np.testing.assert_allclose(fit.coefficients, slopes, atol=1e-10)
    assert fit.intercept == pytest.approx(3)
    np.testing.assert_allclose(fit.errors, 0, atol=1e-10)


def test_limes_neighbourhood_starts_with_the_text_and_has_uniform_sizes():
    rows = lime_neighbourhood(4, 4001, seed=5)
    assert rows[0].all()
    absent = (~rows[1:]).sum(axis=1)
    assert np.bincount(absent, minlength=5)[0] == 0
    np.testing.assert_allclose(np.bincount(absent)[1:], 1000, atol=4 * math.sqrt(750))
    # 1 … 4 absent of 4, uniformly: a unit is present in 3/8 of the texts.
    np.testing.assert_allclose(rows[1:].mean(axis=0), 3 / 8, atol=4 * math.sqrt(15 / 64 / 4000))
    assert (lime_neighbourhood(4, 50, seed=5) == lime_neighbourhood(4, 50, seed=5)).all()
    assert (lime_neighbourhood(4, 50, seed=5) != lime_neighbourhood(4, 50, seed=6)).any()


def test_expected_counts_of_lime_by_hand():
    counts = lime_expected_counts(all_coalitions(2), samples=101)
    np.testing.assert_allclose(counts, [50, 25, 25, 1])


def test_errors_of_a_mean_are_its_standard_error():
    # One column of ones: the estimate is a mean, its leverage 1/n, HC3 the deviations times n/(n − 1).
    values = np.array([1.0, 2.0, 4.0, 9.0])
    residual = values - values.mean()
    errors = consistent_errors(np.ones((4, 1)), residual, np.ones(4), np.array([[0.25]]))
    assert errors[0] == pytest.approx(math.sqrt((residual**2).sum()) / 3)


def test_kernel_shap_of_a_product_by_hand():
    rows = all_coalitions(3)
    values = 6.0 * rows.all(axis=1)
    np.testing.assert_allclose(kernel_shap(rows, values, np.ones(8), 0.0, 6.0), [2, 2, 2], atol=1e-12)


def test_errors_of_kernel_shap_are_its_spread_even_in_small_samples():
    table = np.random.default_rng(5).normal(size=2**10)
    bits = 1 << np.arange(10)
    found, errors = [], []
    for seed in range(300):
        sample = uniform_sizes(10, 60, seed)
        values = table[sample.coalitions @ bits]
        found.append(kernel_shap(sample.coalitions, values, sample.factors, table[0], table[-1]))
        errors.append(kernel_shap_errors(sample, values, found[-1]))
    spread = np.std(found, axis=0)
    assert np.sqrt((np.square(errors)).mean()) == pytest.approx(np.sqrt((spread**2).mean()), rel=0.1)
