from dataclasses import replace

import numpy as np
import pytest
from explanations import make_explanation

from ihcli import wording
from ihcli.removal.methods import METHODS
from ihcli.results import Explanation


def by_method(method: str, ih: np.ndarray | None = None, **certificate: object) -> Explanation:
    e = make_explanation(3, ih=ih, method=method)
    quadrature = replace(e.quadrature, formulation=method, engine="game", evaluations=8)
    return replace(e, quadrature=quadrature, certificate=replace(e.certificate, **certificate), path=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_has_its_own_words(method: str) -> None:
    words = wording.method_words(by_method(method))
    assert "Integrated" not in words.attributions
    assert words.attributions != method
    assert (words.entry, words.added) == ("interaction", "interaction")
    assert words.has_pairs == METHODS[method].pairs
    assert words.adds_up == METHODS[method].matrix_complete


def test_integrated_hessians_count_a_pair_twice_and_other_methods_once() -> None:
    ih = np.array([[1.0, 0.5, 0.0], [0.5, -2.0, 0.0], [0.0, 0.0, 0.25]])
    assert wording.contributions(make_explanation(3, ih=ih)).pairs == 1.0
    sums = wording.contributions(by_method("shapley", ih))
    assert (sums.pairs, sums.diagonal, sums.total) == (0.5, -0.75, -0.25)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_sum_is_told_for_methods_whose_matrix_adds_up(method: str) -> None:
    ih = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.25]])
    sentence = wording.certificate(by_method(method, ih))[-1]
    if METHODS[method].matrix_complete:
        assert sentence.startswith("The pairs add +0.50 and the diagonal +2.25, together +2.75")
    else:
        assert sentence == f"In the method {method} the entries do not sum to f(x) − f(x′)."


def test_the_verdict_of_a_game_says_what_it_rests_on() -> None:
    exact = by_method("shapley", standard_error=0.0, quadrature_error=0.0)
    assert wording.certificate(exact)[0] == (
        "Exact: all 8 coalitions of units that the method asks for were evaluated."
    )
    ih = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.25]])
    sampled = by_method("shapley", ih, standard_error=0.05, quadrature_error=0.1, tolerance=0.04, converged=False)
    assert wording.certificate(sampled)[0] == (
        "NOT CONVERGED to 4 %: the largest 95 % error of an entry is 5 % of the largest entry, "
        "from 8 coalitions of units."
    )
