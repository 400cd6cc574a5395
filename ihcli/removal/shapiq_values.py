"""Results as the interaction values of the package shapiq, for its plots, arithmetic and files."""

from typing import TYPE_CHECKING

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal.methods import MethodResult

if TYPE_CHECKING:
    from shapiq import InteractionValues

INDICES = {"shapley": "STII", "sii": "SII", "faith-shap": "FSII", "kernel-shap": "SV"}
"""shapiq's name for what a method of ours computes; the other methods have none."""


def to_shapiq(result: MethodResult) -> "InteractionValues":
    """A result as shapiq's record: the diagonal as interactions of one unit, the entries as those of two.

    Args:
        result: of `shapley`, `sii`, `faith-shap` or `kernel-shap`.

    Returns:
        A `shapiq.InteractionValues` of order 2 (1 for `kernel-shap`) with v(∅) as its baseline.

    Raises:
        UsageError: where shapiq is not installed, or has no index for the method.

    Example:
        >>> from ihcli.removal.methods import explain_game
        >>> product = lambda present: 12.0 * (present[:, 0] & present[:, 1])
        >>> float(to_shapiq(explain_game(product, 2, "sii"))[(0, 1)])
        12.0

    """
    if result.method not in INDICES:
        message = (
            f"shapiq has no index for the method {result.method!r}; it has one for {', '.join(INDICES)}. "
            "Use one of these methods."
        )
        raise UsageError(message)
    try:
        from shapiq import InteractionValues
    except ImportError as error:
        message = f"The conversion needs shapiq ({error}). Install it with: pip install 'ihcli[compare]'"
        raise UsageError(message) from error
    units = len(result.attributions)
    values: dict[tuple[int, ...], float] = {(): result.v_none}
    values.update({(unit,): float(result.matrix[unit, unit]) for unit in range(units)})
    rows, columns = np.triu_indices(units, k=1)
    pairs = zip(rows.tolist(), columns.tolist(), result.matrix[rows, columns].tolist(), strict=True)
    order = 1 if INDICES[result.method] == "SV" else 2
    values.update({(u, v): value for u, v, value in pairs if order > 1})
    return InteractionValues(
        values=values,
        index=INDICES[result.method],
        max_order=order,
        min_order=0,
        n_players=units,
        estimated=not result.exact,
        estimation_budget=result.evaluations,
        baseline_value=result.v_none,
    )
