"""Rows of equal length brought together, so that they can share forward passes without padding."""

from collections.abc import Callable, Iterator

from ihcli.corpus.row_keys import KeyedRow

LOOK_AHEAD = 512
"""Rows that may wait for others of their length."""
GROUP_ROWS, GROUP_TOKENS = 8, 64
"""Most rows and tokens of one group: larger groups are not faster, and a crash would lose more."""


def group_by_length(
    rows: Iterator[KeyedRow], count_tokens: Callable[[KeyedRow], int | None], look_ahead: int = LOOK_AHEAD
) -> Iterator[list[KeyedRow]]:
    """Groups of rows with equal numbers of tokens; a row whose number is None forms a group of its own.

    A group is given out when it is full; when `look_ahead` rows wait, the largest group is given out.
    """
    waiting: dict[int, list[KeyedRow]] = {}
    count = 0
    for row in rows:
        tokens = count_tokens(row)
        if tokens is None:
            yield [row]
            continue
        group = waiting.setdefault(tokens, [])
        group.append(row)
        count += 1
        if len(group) < min(GROUP_ROWS, GROUP_TOKENS // max(tokens, 1)):
            if count < look_ahead:
                continue
            tokens = max(waiting, key=lambda length: len(waiting[length]))
        full = waiting.pop(tokens)
        count -= len(full)
        yield full
    yield from waiting.values()
