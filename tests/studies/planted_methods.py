"""The methods and baselines that planted truth is asked of: a table of callables `text -> (attributions, matrix)`.

A new method is one entry of `GAMES` (from a game) or one more kind of baseline, which is read from the configuration.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ihcli.config import BaselineSection, RunConfig, TargetSection, UnitsSection
from ihcli.models import load_classifier
from ihcli.models.deletion import DeletionGame
from ihcli.pipeline import Explainer
from ihcli.removal.game import CountedGame
from ihcli.removal.methods import METHODS, explain_game
from ihcli.removal.multilinear import exact_interactions

Array = NDArray[np.float64]
Answer = tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: the method, how units are absent, and what explains a text."""

    method: str
    absence: str
    explain: Callable[[str], Answer]


def _exact(game: CountedGame) -> Answer:
    found = exact_interactions(game, game.units)
    return found.attributions, found.matrix


def _known(method: str) -> Callable[[CountedGame], Answer]:
    def explain(game: CountedGame) -> Answer:
        found = explain_game(game, game.units, method)
        return found.attributions, found.matrix

    return explain


GAMES: dict[str, Callable[[CountedGame], Answer]] = {
    "ih": _exact,
    **{name: _known(name) for name, method in METHODS.items() if method.pairs},
}
"""Methods that need only a game."""


def baseline_kinds() -> list[str]:
    """The kinds of baseline that this version's configuration knows and that need nothing else."""
    annotation: Any = BaselineSection.model_fields["kind"].annotation
    return [kind for kind in get_args(annotation) if _alone(kind)]


def _alone(kind: str) -> bool:
    """Whether a kind of baseline needs no text or file of its own."""
    try:
        BaselineSection(kind=kind)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def table(folder: Path) -> Iterator[Entry]:
    """Every method and baseline for one model; models are loaded as entries are reached."""
    for kind in baseline_kinds():
        if kind not in _ELSEWHERE:
            yield Entry("ih", kind, _Embedded(folder, kind))
    deletion = _Deleted(folder)
    for name, explain in GAMES.items():
        yield Entry(name, "deletion", lambda text, explain=explain: explain(deletion.game(text)))
    yield Entry("chance", "", lambda text: (np.zeros(len(text.split())), np.zeros((len(text.split()),) * 2)))


_ELSEWHERE = {"auto", "deletion"}
"""Kinds that stand for another one, or whose game every method of `GAMES` is asked of."""


class _Embedded:
    """Integrated Hessians by `ihcli` itself, along a path or of a game, as the kind of baseline says."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.config = RunConfig.of(
            {"model": {"name": str(folder)}, "baseline": {"kind": kind}, "attribution": {"removal": False}}
        )
        self.explainer: Explainer | None = None
        self.missed = 0

    def __call__(self, text: str) -> Answer:
        self.explainer = self.explainer or Explainer(self.config)
        found = self.explainer.explain(text)
        self.missed += not found.converged
        return found.ig, found.ih


class _Deleted:
    """The game of deletion of the last text asked for, so that several methods share its evaluations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.classifier: Any = None
        self.games: dict[str, CountedGame] = {}

    def game(self, text: str) -> CountedGame:
        self.classifier = self.classifier or load_classifier(RunConfig.of({"model": {"name": str(self.folder)}}))
        if text not in self.games:
            encoded = self.classifier.encode(text, units=UnitsSection())
            target = self.classifier.target(TargetSection(), self.classifier.predict(encoded))
            self.games[text] = CountedGame(DeletionGame(self.classifier, encoded, target), len(encoded.units))
        return self.games[text]
