"""Explaining groups of rows in this process, and the protocol of all engines that do so."""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ihcli.corpus.records import RowOutcome
from ihcli.corpus.row_keys import KeyedRow
from ihcli.errors import IhError

if TYPE_CHECKING:
    from ihcli.results import Explanation

OutcomeGroups = Generator[list[RowOutcome], None, None]
"""The outcomes of one group after the other; closing the generator stops the work."""


class GroupExplainer(Protocol):
    """Explains texts, as `ihcli.Explainer` does."""

    def explain_together(self, texts: Sequence[tuple[str, str | None]]) -> "Sequence[Explanation | IhError]":
        """For each text and its pair the explanation, or the error that it raised."""


class CorpusEngine(Protocol):
    """Explains groups of rows; the caller writes the outcomes."""

    def explain_groups(self, groups: Iterator[list[KeyedRow]], rows: int | None) -> OutcomeGroups:
        """The outcomes of all groups in any order; `rows` is the approximate size of the whole input, where known."""


class LocalEngine:
    """Explains with one model in this process."""

    def __init__(self, explainer: GroupExplainer) -> None:
        """Use `explainer`."""
        self.explainer = explainer

    def explain_groups(self, groups: Iterator[list[KeyedRow]], rows: int | None) -> OutcomeGroups:
        """One group after the other; free memory is released between them."""
        from ihcli.runtime.malloc import release_free_memory

        del rows
        for group in groups:
            yield explain_group(self.explainer, group)
            release_free_memory()


def explain_group(explainer: GroupExplainer, group: Sequence[KeyedRow]) -> list[RowOutcome]:
    """An outcome for every row; an error of one row does not stop the others."""
    outcomes = [
        RowOutcome(keyed, None, "InputError", keyed.row.problem) for keyed in group if keyed.row.problem is not None
    ]
    readable = [keyed for keyed in group if keyed.row.problem is None]
    if not readable:
        return outcomes
    try:
        results = explainer.explain_together([(keyed.row.text, keyed.row.text_pair) for keyed in readable])
    except Exception as error:  # noqa: BLE001  (out of memory, or a fault in the model's code: the row names it)
        if len(readable) > 1:  # explained one by one, only the row that caused it fails
            return outcomes + [one for keyed in readable for one in explain_group(explainer, [keyed])]
        results = [error]  # type: ignore[list-item]
    return outcomes + [_outcome(keyed, result) for keyed, result in zip(readable, results, strict=True)]


def _outcome(keyed: KeyedRow, result: "Explanation | Exception") -> RowOutcome:
    if not isinstance(result, Exception):
        return RowOutcome(keyed, result if keyed.window is None else keyed.window.noted(result))
    name = type(result).__name__
    message = str(result) if isinstance(result, IhError) else f"{name}: {result}"
    return RowOutcome(keyed, None, name, f"{keyed.row.place}: {message}")


def worker_died(keyed: KeyedRow, times: int, cause: str) -> RowOutcome:
    """The outcome of a row whose worker process crashed whenever it explained it."""
    message = (
        f"{keyed.row.place}: the worker that explained it crashed {times} times ({cause}), possibly out of memory."
    )
    return RowOutcome(keyed, None, "WorkerDied", f"{message} Lower --workers, or use larger units.")
