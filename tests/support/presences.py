"""Presences of a text with the predicted label's logit as the target, for tests of models."""

from typing import Any

from torch import Tensor

from ihcli.config import BaselineSection, TargetSection
from ihcli.models import LoadedClassifier, Presence


def presence_of(made: LoadedClassifier, encoded: Any, section: BaselineSection, **target: Any) -> Presence:
    """F of an encoded text under a kind of absence."""
    return made.presence(encoded, made.target(TargetSection(**target), made.predict(encoded)), section)


def starts(made: LoadedClassifier, encoded: Any, section: BaselineSection) -> list[Tensor]:
    """The baseline embeddings (T, D) of an encoded text."""
    return [path.start for path in presence_of(made, encoded, section).paths]
