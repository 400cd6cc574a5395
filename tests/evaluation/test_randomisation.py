import math

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.evaluation.randomisation import compare_randomised, randomisation_check


def explanations(count, *, same, units=7, sign=1.0):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        phi, half = rng.normal(size=units), rng.normal(size=(units, units))
        other, other_half = rng.normal(size=units), rng.normal(size=(units, units))
        if same:
            other, other_half = sign * np.sign(phi) * phi**2, sign * half
        found.append(compare_randomised(phi, other, half + half.T, other_half + other_half.T))
    return found


def test_ranks_by_hand():
    found = compare_randomised([1.0, -2.0, 3.0], [10.0, -30.0, 20.0])
    assert found.attributions == pytest.approx(1.0)  # ranks 2 1 3 and 2 1 3
    assert found.attribution_sizes == pytest.approx(0.5)  # ranks 1 2 3 and 1 3 2
    assert math.isnan(found.pairs)


def test_an_unrelated_explanation_differs():
    check = randomisation_check(explanations(40, same=False))
    assert check.attribution_verdict == check.pair_verdict == "differs"
    assert check.passed
    assert "the attributions differs" in check.sentence
    assert abs(check.attributions.estimate) < 0.2
    assert check.pairs.n == 40


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_explanation_that_stays_or_turns_every_sign_does_not_differ(sign):
    check = randomisation_check(explanations(40, same=True, sign=sign))
    assert check.attributions.estimate == pytest.approx(sign)
    assert check.attribution_sizes.estimate == pytest.approx(1.0)
    assert check.attribution_verdict == check.pair_verdict == "does not differ"
    assert not check.passed


def test_magnitudes_alone_can_give_it_away():
    rng = np.random.default_rng(1)
    texts = []
    for _ in range(40):
        phi = rng.normal(size=9)
        texts.append(compare_randomised(phi, phi * rng.choice([-1.0, 1.0], 9)))
    check = randomisation_check(texts)
    assert check.attributions.estimate < 0.5
    assert check.attribution_verdict == "does not differ"
    assert check.pair_verdict == "undecided"
    assert check.pairs.n == 0


def test_few_texts_leave_it_undecided():
    check = randomisation_check(explanations(1, same=False))
    assert check.attribution_verdict == "undecided"
    assert not check.passed
    none = randomisation_check([])
    assert not none.passed
    assert "nothing could be compared" in none.sentence


def test_short_texts_and_unknown_pairs_are_left_out():
    assert math.isnan(compare_randomised([1.0, 2.0], [2.0, 1.0]).attributions)
    assert math.isnan(compare_randomised([1.0, 1.0, 1.0], [2.0, 1.0, 3.0]).attributions)
    full, partial = np.arange(16.0).reshape(4, 4), np.arange(16.0).reshape(4, 4)
    full, partial = full + full.T, partial + partial.T
    partial[0, 1] = partial[1, 0] = np.nan
    assert compare_randomised(None, None, full, partial).pairs == pytest.approx(1.0)


def test_unfit_explanations_are_refused():
    with pytest.raises(UsageError, match="only one of the two"):
        compare_randomised([1.0, 2.0, 3.0], None)
    with pytest.raises(UsageError, match="same text and units"):
        compare_randomised([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        randomisation_check([], limit=0.0)
