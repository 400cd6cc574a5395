"""A stand-in for a model with two labels, and texts for its summary."""

import dataclasses

from corpora import StandIn

from ihcli.results import Explanation, Prediction, Target

TEXTS = [
    "this is not a bad film", "a bad film", "the film was bad bad", "never a dull day , bad film", "good", "is nan",
    "it was n't good", "it is good", "a slow good one", "Not good , never bad",
]  # fmt: skip


class Opinionated(StandIn):
    """Predicts NEGATIVE for texts of an odd number of words, and explains that label."""

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        found = super().one(text, pair)
        if isinstance(found, Exception) or len(text.split()) % 2 == 0:
            return found
        prediction = Prediction("NEGATIVE", 0, {"NEGATIVE": 0.8, "POSITIVE": 0.2})
        return dataclasses.replace(found, prediction=prediction, target=Target("NEGATIVE", 0, "logit"))
