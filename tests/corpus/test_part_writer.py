"""The thread that writes parts: when a part is closed, and where an error of the disk is raised."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpora import StandIn

from ihcli.corpus import part_writer
from ihcli.corpus.part_writer import PartWriter
from ihcli.corpus.readers import Row
from ihcli.corpus.records import RowOutcome
from ihcli.corpus.row_keys import KeyedRow
from ihcli.corpus.run_identity import identify
from ihcli.corpus.store import Store
from ihcli.corpus.store_parts import list_parts
from ihcli.errors import OutputError


def failed(count: int) -> list[RowOutcome]:
    rows = [Row(k, k, None, "a text") for k in range(1, count + 1)]
    return [RowOutcome(KeyedRow(row, f"{row.number:032x}", f"row-{row.number}"), None, "E", "why") for row in rows]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    stand_in = StandIn()
    identity = identify(stand_in.config, stand_in.classifier)  # type: ignore[arg-type]
    with Store.opened(tmp_path / "run", identity, {}) as made:
        yield made


def sizes(store: Store) -> list[int]:
    return [pq.read_metadata(part.path).num_rows for part in list_parts(store.directory)]


def test_a_group_goes_into_one_part_and_the_rest_is_written_at_the_end(store: Store) -> None:
    outcomes = failed(150)
    with PartWriter(store) as writer:
        for start in range(0, 150, 40):
            writer.put(outcomes[start : start + 40])
    assert sizes(store) == [80, 70]


def test_the_rest_is_written_after_an_error_too(store: Store) -> None:
    def broken() -> None:
        with PartWriter(store) as writer:
            writer.put(failed(3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert sizes(store) == [3]


def test_large_rows_close_a_part_early(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writer, "PART_BYTES", 20)  # four texts of six characters
    outcomes = failed(5)
    with PartWriter(store) as writer:
        for outcome in outcomes:
            writer.put([outcome])
    assert sizes(store) == [4, 1]


def test_an_error_of_the_disk_is_raised_where_the_next_group_is_given(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        message = "No space left"
        raise OutputError(message)

    monkeypatch.setattr(store, "write", full)
    outcomes = failed(64)

    def put_many() -> None:
        with PartWriter(store) as writer:
            for _ in range(10_000):
                writer.put(outcomes)

    with pytest.raises(OutputError, match="No space left"):
        put_many()
    assert sizes(store) == []
