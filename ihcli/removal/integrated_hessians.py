"""Integrated Hessians of a game: exact where all coalitions may be evaluated, else from a sample of them."""

from ihcli.errors import UsageError
from ihcli.removal.game import Array, CountedGame, Game
from ihcli.removal.methods import default_evaluations
from ihcli.removal.multilinear import EXACT_UNITS, GameInteractions, exact_interactions
from ihcli.removal.sampling import sampled_interactions


def integrated_hessians_of_game(
    game: Game,
    units: int,
    *,
    evaluations: int | None = None,
    seed: int = 0,
    prior: Array | None = None,
    top: int | None = None,
) -> GameInteractions:
    """Integrated Hessians of any function of sets of units, which needs no derivative.

    Equation: Γ_uv = ∫₀¹ −t ln t E[v(S∪uv) − v(S∪u) − v(S∪v) + v(S)] dt, each other unit in S with probability t
    (Owen 1972; Janizek, Sturmfels, Lee 2021); in Möbius coefficients Γ_uv = Σ_{T∋u,v} m_T / |T|².  All 2^U coalitions
    are evaluated where `evaluations` allows it (and U is at most 20), otherwise that many, with standard errors
    (`ihcli.removal.sampling`).

    Args:
        game: v, from coalitions (n, U) of truth values, true where a unit is present, to scores (n,).  Each row counts
            by itself, and equal rows must have equal scores.
        units: U, the number of units, at least 1.
        evaluations: the most distinct coalitions to evaluate; None for 4,096, or eight times the number of units and
            pairs where that is more.
        seed: of the coalitions drawn; the same seed gives the same result.
        prior: for samples, a matrix (U, U) that Γ is expected to be like up to a factor; None for no expectation.
        top: for samples, spend half of the evaluations on so many of the strongest pairs; None for none in particular.

    Returns:
        A record with the Shapley values `attributions` (U,), `matrix` Γ (U, U), their standard errors, in units of v,
        and the number of `evaluations`.  The rows of the matrix sum to the attributions, and the matrix to
        v(all) − v(∅).

    Raises:
        UsageError: for no units, too few evaluations, or a game that returns another shape.
        NonFiniteError: where the game is NaN or infinite.

    Example:
        >>> import ihcli
        >>> both = lambda present: 12.0 * (present[:, 0] & present[:, 1])
        >>> found = ihcli.integrated_hessians_of_game(both, 3)
        >>> found.matrix.round(6)
        array([[3., 3., 0.],
               [3., 3., 0.],
               [0., 0., 0.]])
        >>> found.relative_error
        0.0

    """
    if not callable(game):
        message = f"game is a {type(game).__name__}; it must be a function of coalitions (n, U)."  # type: ignore[unreachable]
        raise UsageError(message)
    for name, value in (("units", units), ("evaluations", evaluations), ("seed", seed), ("top", top)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            message = f"{name} is {value!r}; it must be a whole number."
            raise UsageError(message)
    if seed < 0:
        message = f"seed is {seed}; it must be at least 0."
        raise UsageError(message)
    if units < 1:
        message = f"The game has {units} units; it needs at least 1."
        raise UsageError(message)
    counted = game if isinstance(game, CountedGame) else CountedGame(game, units)
    allowed = default_evaluations(units) if evaluations is None else evaluations
    if units <= EXACT_UNITS and 2**units <= allowed:
        return exact_interactions(counted, units)
    return sampled_interactions(counted, units, allowed, seed, prior=prior, top=top)
