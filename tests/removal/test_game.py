"""The game: caching, counting, limits and bad results."""

import numpy as np
import pytest

from ihcli.errors import NonFiniteError, UsageError
from ihcli.removal.game import CountedGame, all_coalitions


def test_every_coalition_is_evaluated_once():
    asked = []

    def size(coalitions):
        asked.append(len(coalitions))
        return coalitions.sum(axis=1).astype(float)

    game = CountedGame(size, 3)
    everything = all_coalitions(3)
    assert game(everything).tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert game(everything[[7, 7, 0]]).tolist() == [3, 3, 0]
    assert game.evaluations == 8
    assert asked == [8]


def test_what_is_known_of_all_units_is_not_asked():
    asked = []

    def size(coalitions):
        asked.extend(coalitions.tolist())
        return coalitions.sum(axis=1).astype(float)

    game = CountedGame(size, 2, whole=7.0)
    assert game(all_coalitions(2)).tolist() == [0, 1, 1, 7]
    assert game.evaluations == 3
    assert [True, True] not in asked


def test_a_limit_is_never_exceeded():
    game = CountedGame(lambda rows: rows.sum(1).astype(float), 3, limit=7)
    with pytest.raises(UsageError, match="8 evaluations are needed and at most 7"):
        game(all_coalitions(3))
    assert game.evaluations == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(value):
    game = CountedGame(lambda rows: np.where(rows[:, 1], value, 1.0), 2)
    with pytest.raises(NonFiniteError, match=r"units \[1\]"):
        game(all_coalitions(2))
