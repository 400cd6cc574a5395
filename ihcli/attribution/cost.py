"""What evaluations cost, in gradients of the same batch."""

LEAST_UNITS = 64
"""Units up to which the whole matrix costs little more than a search for its strongest pairs."""
LEAST_ROWS, UNITS_OF_A_ROW = 12, 10
"""Rows of such a search, as a rule: so many, and one more for so many units. On seven texts of 95 to 259 units there
were 8 to 42."""
ROW_COST = {"reverse": 1.6, "forward": 0.62}
"""Gradients that one row of a Hessian costs."""
PAIRS = {"reverse": 0.0, "forward": 1 / 160_000}
"""What sums over pairs of units add to a row for each unit and position: 0.4 at 260 positions."""

REMOVED_TEXT = 0.45
"""Gradients that one text without some of its words costs in the check by removal."""


def hessian_cost(engine: str, units: int, positions: int) -> float:
    """Gradients that the whole Hessian of one node costs."""
    return 1 + (ROW_COST[engine] + PAIRS[engine] * units * positions) * units


def product_cost(rows: int) -> float:
    """Gradients that products of the Hessian of one node with `rows` vectors cost, by reverse over reverse."""
    return 1 + ROW_COST["reverse"] * rows


def search_rows(units: int) -> int:
    """Rows that a search for the strongest pairs computes, as a rule."""
    return LEAST_ROWS + units // UNITS_OF_A_ROW
