"""Groups of rows of equal length."""

from pathlib import Path

from corpora import StandIn, go, written

from ihcli.corpus.length_buckets import group_by_length
from ihcli.corpus.readers import Row
from ihcli.corpus.row_keys import KeyedRow


def test_rows_of_equal_length_go_together(tmp_path: Path) -> None:
    explainer = StandIn()
    go(written(tmp_path / "in.txt", [f"{'w ' * (k % 2)}x {k}" for k in range(32)]), tmp_path / "run", explainer)
    assert explainer.groups == [8, 8, 8, 8]


def test_long_rows_share_smaller_groups() -> None:
    words = [*([3] * 10), *([20] * 7), *([200] * 2), None]
    rows = [KeyedRow(Row(n + 1, None, None, "so " * (count or 0)), str(n), str(n)) for n, count in enumerate(words)]
    groups = list(group_by_length(iter(rows), lambda keyed: len(keyed.row.text.split()) or None))
    sizes = sorted((words[int(group[0].key)] or 0, len(group)) for group in groups)
    assert sizes == [(0, 1), (3, 2), (3, 8), (20, 1), (20, 3), (20, 3), (200, 1), (200, 1)]
    assert sorted(int(keyed.key) for group in groups for keyed in group) == list(range(len(words)))
