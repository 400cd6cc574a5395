import math
from itertools import combinations

import pytest
from drawn_figures import by_gid, draw
from explanations import make_explanation


@pytest.mark.parametrize("units", [3, 16, 17, 60])
def test_the_strongest_pairs_are_joined_and_labels_are_apart(units: int) -> None:
    e = make_explanation(units)
    figure = draw("network", e, top=4)
    assert set(by_gid(figure, "edge ")) == {f"edge {i} {j}" for i, j, _ in e.pairs()[:4]}
    assert set(by_gid(figure, "node ")) == {f"node {u}" for u in range(units)}
    centres = [by_gid(figure, f"unit {u}")[f"unit {u}"].get_position() for u in range(units)]
    closest = min(math.dist(a, b) for a, b in combinations(centres, 2))
    assert closest >= 8.5 * 1.1 / 72  # inches: the labels' height, and they point away from the centre
