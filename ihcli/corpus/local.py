"""Explaining groups of rows in this process, and what an engine is."""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ihcli.corpus.records import Keyed, Outcome
from ihcli.errors import IhError

if TYPE_CHECKING:
    from ihcli.results import Explanation


Outcomes = Generator[list[Outcome], None, None]
"""What became of each group; closing it stops the work."""


class Explains(Protocol):
    """What explains texts: an `Explainer`."""

    def explain_together(self, texts: Sequence[tuple[str, str | None]]) -> "Sequence[Explanation | IhError]":
        """Of each text (and its pair) the explanation, or the error that it met."""


class Engine(Protocol):
    """Whatever explains groups of rows; the caller writes."""

    def outcomes(self, groups: Iterator[list[Keyed]], rows: int | None) -> Outcomes:
        """What became of each group, in any order; `rows` is about how many the whole input has, where it is known."""


class LocalEngine:
    """One model in this process."""

    def __init__(self, explainer: Explains) -> None:
        """Explain with `explainer`."""
        self.explainer = explainer

    def outcomes(self, groups: Iterator[list[Keyed]], rows: int | None) -> Outcomes:
        """One group after the other, the memory of each given back before the next."""
        from ihcli.runtime.malloc import release_free_memory

        del rows
        for group in groups:
            yield explain_group(self.explainer, group)
            release_free_memory()


def explain_group(explainer: Explains, group: Sequence[Keyed]) -> list[Outcome]:
    """An outcome for every row: whatever a row meets is its own, and stops nothing."""
    outcomes = [unreadable(keyed) for keyed in group if keyed.row.problem is not None]
    readable = [keyed for keyed in group if keyed.row.problem is None]
    if not readable:
        return outcomes
    try:
        found = explainer.explain_together([(keyed.row.text, keyed.row.text_pair) for keyed in readable])
    except Exception as error:  # noqa: BLE001  (memory, a fault in the model's code: the row says which)
        if len(readable) > 1:  # alone each row shows whether it was the cause
            return outcomes + [one for keyed in readable for one in explain_group(explainer, [keyed])]
        return [*outcomes, outcome_of(readable[0], error)]
    return outcomes + [outcome_of(keyed, result) for keyed, result in zip(readable, found, strict=True)]


def unreadable(keyed: Keyed) -> Outcome:
    """The error row of a row that could not be read."""
    return Outcome(keyed, None, "InputError", keyed.row.problem)


def outcome_of(keyed: Keyed, result: "Explanation | Exception") -> Outcome:
    """The outcome of an explanation or an error."""
    if not isinstance(result, Exception):
        return Outcome(keyed, result)
    name = type(result).__name__
    message = str(result) if isinstance(result, IhError) else f"{name}: {result}"
    return Outcome(keyed, None, name, f"{keyed.row.place}: {message}")


def lost(keyed: Keyed, times: int, how: str) -> Outcome:
    """The error row of a row whose worker died whenever it explained it."""
    message = f"{keyed.row.place}: the process that explained it died {times} times ({how}). Is memory short?"
    return Outcome(keyed, None, "WorkerDied", message)
