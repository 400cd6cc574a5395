"""The thread that writes parts while the next rows are computed."""

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from ihcli.corpus.records import RowOutcome, to_record
from ihcli.corpus.store import Store

PART_ROWS = 64
PART_BYTES = 32 << 20
PART_SECONDS = 10.0
"""A part is closed after so many rows, bytes or seconds, which is what a crash may lose."""
MOST_WAITING = 32
"""Groups that may wait for the disk before the computation waits too."""


class PartWriter:
    """Writes outcomes as parts; a context manager that writes the rest at its end, also after an error."""

    def __init__(self, store: Store, seconds: float = PART_SECONDS) -> None:
        """Write to `store`."""
        self._store = store
        self._seconds = seconds
        self._queue: queue.Queue[Sequence[RowOutcome] | None] = queue.Queue(MOST_WAITING)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ih-writer", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Write the rest; raises the error of the thread unless another one is being raised."""
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise_failure()

    def put(self, outcomes: Sequence[RowOutcome]) -> None:
        """Add a group, which goes into one part; raises `OutputError` where an earlier part could not be written."""
        self._raise_failure()
        self._queue.put(outcomes)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        records: list[dict[str, Any]] = []
        size, since, more = 0, 0.0, True
        while more:
            left = since + self._seconds - time.monotonic() if records else None
            try:
                group = self._queue.get(timeout=None if left is None else max(0.01, left))
                more = group is not None
                if group is not None and self._failure is None:
                    since = since if records else time.monotonic()
                    new = [to_record(outcome) for outcome in group]
                    records += new
                    size += sum(8 * len(record.get("ih", ())) + len(record["text"]) for record in new)
            except queue.Empty:
                pass
            except BaseException as error:  # noqa: BLE001  (the main thread raises it)
                self._failure = error
            late = time.monotonic() >= since + self._seconds
            if records and (late or not more or len(records) >= PART_ROWS or size >= PART_BYTES):
                self._write(records)
                records, size = [], 0

    def _write(self, records: list[dict[str, Any]]) -> None:
        if self._failure is not None:
            return
        try:
            self._store.write(records)
        except BaseException as error:  # noqa: BLE001  (the main thread raises it)
            self._failure = error
