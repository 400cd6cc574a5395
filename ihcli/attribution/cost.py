"""What evaluations cost, in gradients of the same batch."""

ROW_COST = {"reverse": 1.6, "forward": 0.55}
"""Gradients that one row of a Hessian costs."""
PAIRS = {"reverse": 0.0, "forward": 1 / 210_000}
"""What sums over pairs of units add to a row for each unit and position: 0.3 at 270 positions, 1.1 at 510."""


LONG = 128
"""Positions from which a row of reverse over reverse costs more, because attention's passes outgrow the products."""
PER_POSITION = 1 / 200
"""What each further position adds to it: 1.3 to 1.6 gradients a row up to 160 positions, 2.5 at 310."""


def row_cost(engine: str, units: int, positions: int) -> float:
    """Gradients that one row of a whole Hessian costs."""
    return ROW_COST[engine] + PAIRS[engine] * units * positions


def hessian_cost(engine: str, units: int, positions: int) -> float:
    """Gradients that the whole Hessian of one node costs."""
    return 1 + row_cost(engine, units, positions) * units


def product_cost(rows: int, positions: int = 0) -> float:
    """Gradients that products of the Hessian of one node with `rows` vectors cost, by reverse over reverse."""
    return 1 + (ROW_COST["reverse"] + max(0, positions - LONG) * PER_POSITION) * rows
