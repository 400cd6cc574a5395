import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ihcli.errors import UsageError
from ihcli.evaluation.correlation import kendall, pearson

small = st.integers(2, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)] * 2)
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(small)
def test_correlations_are_those_of_scipy(vectors):
    first, second = vectors
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert math.isnan(pearson(first, second))
        assert math.isnan(kendall(first, second))
        return
    assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


def test_by_hand():
    assert kendall([1.0, 2, 3, 4], [1.0, 2, 2, 4]) == pytest.approx(5 / math.sqrt(30))  # Kendall 1945
    assert pearson([0.0, 1, 2], [1.0, -1, -3]) == pytest.approx(-1.0)
    assert math.isnan(pearson([1.0], [2.0]))
    assert pearson([1e-200, 2e-200, 4e-200], [1.0, 2, 4]) == pytest.approx(1.0)


@pytest.mark.parametrize("correlate", [pearson, kendall])
def test_unfit_vectors_are_refused(correlate):
    with pytest.raises(UsageError, match=r"\(2,\) and \(3,\)"):
        correlate([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="finite"):
        correlate([1.0, math.nan], [1.0, 2.0])
