"""How well a matrix finds planted pairs: rank of the true partner, precision at k, area under the ROC curve.

Pairs are ordered by |entry|.  Equal entries count as the mean over their orders, so that a constant matrix gets what
chance gets: ½, the share of planted pairs, ½.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[int, int]


def partner_rank(matrix: Array, pairs: Sequence[Pair]) -> float:
    """Mean rank of the true partners: 0 where every partner is the strongest of its word, 1 where the weakest.

    For a word with one partner among n other words it is rank / (n − 1) with rank 0 for the strongest (Jumelet and
    Zuidema, ACL Findings 2023).  With several partners, each is ranked among the words that are none.
    """
    partners: dict[int, set[int]] = {}
    for i, j in pairs:
        partners.setdefault(i, set()).add(j)
        partners.setdefault(j, set()).add(i)
    found = []
    sizes = np.abs(matrix)
    for word, true in partners.items():
        others = [v for v in range(len(matrix)) if v != word and v not in true]
        if others:
            found += [_beaten_by(sizes[word, partner], sizes[word, others]) for partner in sorted(true)]
    return float(np.mean(found)) if found else float("nan")


def precision_at_k(matrix: Array, pairs: Sequence[Pair], k: int | None = None) -> float:
    """Share of planted pairs among the k strongest; k is the number of planted pairs unless given."""
    sizes, planted = _by_pair(matrix, pairs)
    k = len(pairs) if k is None else min(k, len(sizes))
    if not 0 < k <= len(sizes):
        return float("nan")
    threshold = np.sort(sizes)[-k]
    above, at = sizes > threshold, sizes == threshold
    return float((planted[above].sum() + planted[at].mean() * (k - above.sum())) / k)


def roc_area(matrix: Array, pairs: Sequence[Pair]) -> float:
    """Probability that a planted pair is stronger than one that is not, equal ones counting half."""
    sizes, planted = _by_pair(matrix, pairs)
    if planted.all() or not planted.any():
        return float("nan")
    return float(np.mean([1 - _beaten_by(size, sizes[~planted]) for size in sizes[planted]]))


def _by_pair(matrix: Array, pairs: Sequence[Pair]) -> tuple[Array, NDArray[np.bool_]]:
    rows, columns = np.triu_indices(len(matrix), k=1)
    wanted = {(min(pair), max(pair)) for pair in pairs}
    planted = np.array([(i, j) in wanted for i, j in zip(rows.tolist(), columns.tolist(), strict=True)], dtype=bool)
    return np.abs(matrix[rows, columns]), planted


def _beaten_by(size: float, others: Array) -> float:
    """Share of the others that are stronger, equal ones counting half."""
    return float(((others > size) + 0.5 * (others == size)).mean())
