import math

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.evaluation.measuring import Explained
from ihcli.evaluation.table import Evaluation, Source
from ihcli.removal.stability import stability, turning


def explained(attributions, pairs):
    m = np.zeros((len(attributions),) * 2)
    m[np.triu_indices(len(m), 1)] = pairs
    return Explained(np.array(attributions), m + m.T)


FIRST = explained([1.0, 2.0, 3.0], [0.5, 0.2, -0.1])
TURNED = explained([-1.0, -2.0, -3.0], [-0.5, -0.2, 0.1])


def test_equal_and_opposite_explanations():
    same = stability([FIRST, FIRST, FIRST])
    assert (same.attribution_correlation, same.pair_correlation) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (same.attribution_signs, same.pair_signs, same.same_strongest_pair, same.turning) == (1, 1, 1, ())
    turned = stability([FIRST, TURNED])
    assert (turned.attribution_correlation, turned.pair_correlation) == (pytest.approx(-1.0), pytest.approx(-1.0))
    assert (turned.attribution_signs, turned.pair_signs, turned.same_strongest_pair) == (0, 0, 1)
    assert turned.turning == ((0, 1), (0, 2), (1, 2))


def test_means_are_over_all_pairs_of_explanations():
    found = stability([FIRST, FIRST, TURNED])  # one pair agrees, two are opposite
    assert found.attribution_correlation == pytest.approx(-1 / 3)
    assert found.pair_signs == pytest.approx(1 / 3)
    other = explained([1.0, 2.0, 3.0], [0.5, 0.2, 0.9])
    both = stability([FIRST, other])
    assert both.same_strongest_pair == 0
    assert both.turning == ((1, 2),)
    small = explained([1.0, 2.0, 3.0], [5.0, 0.2, 0.4])  # below a tenth of the largest, where the sign is another
    assert stability([FIRST, small]).turning == ()


def test_unknown_pairs_are_left_out():
    partial = FIRST.matrix.copy()
    partial[0, 1] = partial[1, 0] = np.nan
    found = stability([Explained(FIRST.attributions, partial), TURNED])
    assert found.turning == ((0, 2), (1, 2))
    assert found.pair_correlation == pytest.approx(-1.0)
    single = stability([Explained(np.array([1.0]), np.eye(1))] * 2)
    assert math.isnan(single.pair_correlation)


def test_it_goes_into_the_table():
    evaluation = Evaluation()
    evaluation.add(Source("ih"), "a", stability([FIRST, TURNED]).to_dict())
    assert evaluation.table().interval(Source("ih"), "turning_pairs").estimate == 3


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="at least two"):
        stability([FIRST])
    with pytest.raises(UsageError, match="lacks attributions or a matrix"):
        stability([FIRST, Explained(np.zeros(3))])
    with pytest.raises(UsageError, match="same"):
        stability([FIRST, explained([1.0, 2.0], [0.5])])


def test_what_turns_is_notable_on_both_sides_and_comes_strongest_first():
    values = np.array([[10.0, -2.0, 1.0, -0.5, np.nan, 3.0], [5.0, 1.0, -9.0, 5.0, -1.0, -np.nan]])
    assert turning(values) == [1]  # of the third and the fourth one side is within a tenth of its largest
    values[0, 2] = 4.0
    assert turning(values) == [2, 1]
    assert turning(np.zeros((2, 3))) == []
