"""Rows of equal length brought together within a bounded look-ahead, so that they can share forward passes."""

from collections.abc import Callable, Iterator

from ihcli.corpus.records import Keyed

LOOK_AHEAD = 512
"""Rows that may wait for others of their length."""
GROUP, GROUP_TOKENS = 8, 64
"""Rows and tokens of one group: past either more rows at once bring nothing, and a crash loses more."""


def grouped(
    rows: Iterator[Keyed], tokens: Callable[[Keyed], int | None], ahead: int = LOOK_AHEAD
) -> Iterator[list[Keyed]]:
    """Groups of rows of as many tokens; a full group goes at once, else the fullest when `ahead` rows wait.

    A row whose tokens are None goes alone.
    """
    waiting: dict[int, list[Keyed]] = {}
    count = 0
    for row in rows:
        own = tokens(row)
        if own is None:
            yield [row]
            continue
        group = waiting.setdefault(own, [])
        group.append(row)
        count += 1
        if len(group) >= min(GROUP, GROUP_TOKENS // max(own, 1)):
            own_group = waiting.pop(own)
        elif count >= ahead:
            own_group = waiting.pop(max(waiting, key=lambda k: len(waiting[k])))
        else:
            continue
        count -= len(own_group)
        yield own_group
    yield from waiting.values()
