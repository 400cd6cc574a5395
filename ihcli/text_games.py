"""Games of a text: its score when only some of its units are present, and explanations computed from them alone.

v(S) is F at the corner S of its cube of switches for an absence that has switches, the score of the cut text for
`deletion`.  Integrated Hessians of a game are those of its multilinear extension; the other methods are those of
`ihcli.removal.methods`.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ihcli.config import RunConfig
from ihcli.errors import UsageError
from ihcli.models import EncodedText, LoadedClassifier, Presence
from ihcli.models.deletion import DeletionGame
from ihcli.removal.game import Array, Coalitions, CountedGame, Game
from ihcli.removal.integrated_hessians import integrated_hessians_of_game
from ihcli.removal.methods import MethodResult, explain_game
from ihcli.removal.multilinear import NORMAL_95
from ihcli.results import Certificate, Quadrature, Target

GAME_BASELINES = ("deletion", "masked-attention")
"""Kinds of absence that exist at the corners only."""
_CORNERS = 256
"""Corners of the cube evaluated in one call."""


@dataclass(frozen=True, slots=True)
class CornerGame:
    """v(S) = F at the corner S."""

    presence: Presence

    def __call__(self, coalitions: Coalitions) -> Array:
        """F at corners (n, U), (n,)."""
        delta = self.presence.paths[0].delta
        switches = torch.as_tensor(coalitions, dtype=delta.dtype, device=delta.device)
        parts = [self.presence.at(part) for part in switches.split(_CORNERS)]  # type: ignore[no-untyped-call]
        return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class GameExplanation:
    """Attributions and a matrix computed from a game, and how far they may be off."""

    ig: Array
    ih: Array
    f_input: float
    f_baseline: float
    certificate: Certificate
    quadrature: Quadrature


def is_game(config: RunConfig) -> bool:
    """Whether a configuration asks for what evaluates coalitions alone."""
    return config.attribution.method != "ih" or config.baseline.kind in GAME_BASELINES


def kind_of(config: RunConfig) -> str:
    """The kind of absence of a game: deletion where the configuration leaves it open."""
    return "deletion" if config.baseline.kind == "auto" else config.baseline.kind


def game_of(
    classifier: LoadedClassifier,
    encoded: EncodedText,
    target: Target,
    kind: str,
    presence: Presence | None = None,
    logits: dict[bytes, Array] | None = None,
) -> Game:
    """The game of one kind of absence; raises `BaselineError`, `PreflightError`.

    `logits` are those of cut texts known to the classifier, which deletion reads and adds to.
    """
    if kind == "deletion":
        return DeletionGame(classifier, encoded, target, {} if logits is None else logits)
    assert presence is not None  # noqa: S101  (every other kind has switches)
    return CornerGame(presence)


def explain(game: Game, units: int, config: RunConfig) -> GameExplanation:
    """The explanation of a game by the method that a configuration names; raises `UsageError`, `NonFiniteError`."""
    settings = config.attribution
    if settings.top is not None and settings.method != "ih":
        message = (
            f"top is {settings.top} and the method is {settings.method}; only Integrated Hessians (ih) of a game can "
            "spend more on the strongest pairs. Leave --top out, or use --method ih with --baseline deletion."
        )
        raise UsageError(message)
    counted = CountedGame(game, units, settings.evaluations)
    if settings.method == "ih":
        return _integrated(counted, units, config)
    result = explain_game(
        counted, units, settings.method, evaluations=settings.evaluations, seed=settings.seed,
        tolerance=settings.tolerance,
    )  # fmt: skip
    return _by_method(result)


def _integrated(game: CountedGame, units: int, config: RunConfig) -> GameExplanation:
    """Integrated Hessians of the multilinear extension, exact where all coalitions may be evaluated.

    Otherwise `top` spends half of the coalitions on the strongest pairs; the certificate remains that of all entries.
    """
    settings = config.attribution
    result = integrated_hessians_of_game(
        game, units, evaluations=settings.evaluations, seed=settings.seed, top=settings.top
    )
    error = float(result.matrix_errors.max())
    largest = float(np.abs(result.matrix).max())
    difference = result.v_all - result.v_none
    certificate = Certificate(
        completeness_gap=abs(float(result.matrix.sum()) - difference),
        row_gap=float(np.abs(result.matrix.sum(1) - result.attributions).max()),
        asymmetry=0.0,
        quadrature_error=NORMAL_95 * error,
        surrogate_gap=None,
        tolerance=settings.tolerance,
        converged=NORMAL_95 * error <= settings.tolerance * largest,
        standard_error=error,
    )
    rule = "all coalitions" if result.evaluations == 2**units else "sampled coalitions"
    return GameExplanation(
        result.attributions, result.matrix, result.v_all, result.v_none, certificate,
        Quadrature(rule, "paper", nodes=0, hessian_vector_products=0, engine="game", evaluations=result.evaluations),
    )  # fmt: skip


def _by_method(result: MethodResult) -> GameExplanation:
    gap = result.completeness_gap
    certificate = Certificate(
        completeness_gap=float("nan") if gap is None else gap,
        row_gap=0.0,
        asymmetry=0.0,
        quadrature_error=result.error,
        surrogate_gap=None,
        tolerance=result.tolerance,
        converged=result.converged,
        standard_error=result.error / NORMAL_95,
    )
    rule = "all coalitions" if result.exact else "sampled coalitions"
    return GameExplanation(
        result.attributions, result.matrix, result.v_all, result.v_none, certificate,
        Quadrature(rule, result.method, nodes=0, hessian_vector_products=0, engine="game",
                   evaluations=result.evaluations),
    )  # fmt: skip
