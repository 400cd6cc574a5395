"""One run: the rows of an input are explained, and their outcomes are written to a store."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ihcli.corpus.length_buckets import group_by_length
from ihcli.corpus.local_engine import CorpusEngine, LocalEngine
from ihcli.corpus.part_writer import PartWriter
from ihcli.corpus.readers import Columns, Row, format_of, is_stream, read_rows
from ihcli.corpus.records import ERROR, NOT_CONVERGED, RowOutcome
from ihcli.corpus.row_keys import KeyedRow, in_shard, in_windows, with_keys
from ihcli.corpus.run_identity import identify
from ihcli.corpus.store import Store
from ihcli.errors import InputError, SameLabelError, UsageError
from ihcli.results import Environment

if TYPE_CHECKING:
    from ihcli.pipeline import Explainer


@dataclass(frozen=True, slots=True)
class BatchJob:
    """The input of a run, its store, and which rows to explain."""

    source: str
    out: Path
    columns: Columns = field(default_factory=Columns)
    format: str | None = None
    shard: tuple[int, int] | None = None
    """(i, n): every n-th row, starting at the i-th, counted from 1."""
    retry_failed: bool = False

    @property
    def source_name(self) -> str:
        """The input's name with bytes that are not UTF-8 as escapes."""
        return os.fsencode(self.source).decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Tally:
    """Counts of rows so far."""

    total: int | None = None
    """Rows of the input where they are known; of a table of text the number of its lines. Windows are not counted."""
    already_done: int = 0
    """Rows that an earlier run finished."""
    done: int = 0
    failed: int = 0
    not_converged: int = 0
    failed_before: int = 0
    not_converged_before: int = 0
    first_failure: str | None = None
    elsewhere: int = 0
    """Rows of the store that are not in this input, known once the input was read to its end."""
    notes: list[str] = field(default_factory=list)
    """What was found wrong with the store and repaired."""

    def add(self, outcome: RowOutcome) -> None:
        """Count the outcome of this run."""
        self.done += 1
        if outcome.status == ERROR:
            self.failed += 1
            self.first_failure = self.first_failure or outcome.message
        self.not_converged += outcome.status == NOT_CONVERGED

    def add_earlier(self, status: str) -> None:
        """Count a row that an earlier run finished."""
        self.already_done += 1
        self.failed_before += status == ERROR
        self.not_converged_before += status == NOT_CONVERGED

    @property
    def all_failed(self) -> int:
        """Failed rows of the input, in this run or before."""
        return self.failed + self.failed_before

    @property
    def all_not_converged(self) -> int:
        """Rows of the input that did not meet their tolerance, in this run or before."""
        return self.not_converged + self.not_converged_before


Watch = Callable[[Tally, list[RowOutcome]], None]
"""Called after every group with the counts and the new outcomes."""


def run(job: BatchJob, explainer: "Explainer", engine: CorpusEngine | None = None, watch: Watch | None = None) -> Tally:
    """Explain every row of the input that is not in the store yet.

    An error of one row becomes its error row.  Raises `UsageError`, `InputError`, `StoreError`, `OutputError`, and the
    errors that the model or the settings raise for any text.

    Args:
        job: The input, the store and the rows.
        explainer: The model and the configuration.
        engine: Explains the groups; by default `explainer` in this process.
        watch: Called after every group.
    """
    config = explainer.config
    if config.units.kind == "spans":
        message = "units.kind is 'spans', which cuts one text. For many texts use token, word or sentence."
        raise UsageError(message)
    if config.text.windows is not None:
        from ihcli import windows  # it loads PyTorch, which a wrong input does not wait for

        windows.require_possible(config, paired=job.columns.pair is not None)
    rows = read_rows(job.source, job.columns, job.format)
    with closing(rows):
        _require_explainable(explainer, paired=job.columns.pair is not None)
        identity = identify(config, explainer.classifier)
        described, count = describe_input(job)
        tally = Tally(total=None if config.text.windows is not None else _rows_of_shard(count, job.shard))
        about = {
            "config": config.to_dict(),
            "model": asdict(explainer.classifier.info),
            "environment": asdict(_environment(explainer)),
            "shard": None if job.shard is None else list(job.shard),
        }
        with Store.opened(job.out, identity, about) as store:
            tally.notes += store.notes
            store.add_input(described)
            groups = group_by_length(_rows_to_explain(rows, identity.digest, job, explainer), _token_counter(explainer))
            pending = _pending_groups(groups, store, tally, retry=job.retry_failed)
            explained = (engine or LocalEngine(explainer)).explain_groups(pending, tally.total)
            with PartWriter(store) as writer, closing(explained):
                for outcomes in explained:
                    writer.put(outcomes)
                    for outcome in outcomes:
                        tally.add(outcome)
                    if watch is not None:
                        watch(tally, outcomes)
            tally.elsewhere = len(store.index.entries) - tally.done - tally.already_done
    return tally


def _rows_to_explain(rows: Iterator[Row], identity: str, job: BatchJob, explainer: "Explainer") -> Iterator[KeyedRow]:
    """The rows of the shard with their keys, each window of a longer text as a row where the settings ask for it."""
    keyed = with_keys(rows, identity, job.source_name)
    own = keyed if job.shard is None else in_shard(keyed, *job.shard)
    return own if explainer.config.text.windows is None else in_windows(own, explainer.windows)


def _pending_groups(
    groups: Iterator[list[KeyedRow]], store: Store, tally: Tally, *, retry: bool
) -> Iterator[list[KeyedRow]]:
    """The rows of each group that are not done; with `retry` also those that failed.

    Groups are formed of all rows and written whole, so that a run that was killed continues with the same groups, and
    with the same rounding, as one that was not.
    """
    for group in groups:
        pending = []
        for row in group:
            status = store.index.status(row.key)
            if status is None or (retry and status == ERROR):
                pending.append(row)
            else:
                tally.add_earlier(status)
        if pending:
            yield pending


def _token_counter(explainer: "Explainer") -> Callable[[KeyedRow], int | None]:
    """Counts the tokens of a row; None for a row that cannot be read or is too long."""
    classifier = explainer.classifier

    def count_tokens(keyed: KeyedRow) -> int | None:
        row = keyed.row
        if row.problem is not None:
            return None
        texts = (row.text,) if row.text_pair is None else (row.text, row.text_pair)
        count = len(classifier.tokenizer(*texts, verbose=False)["input_ids"])
        return count if count <= classifier.max_tokens else None

    return count_tokens


def _require_explainable(explainer: "Explainer", *, paired: bool) -> None:
    """Raise with a sample text what any text would raise: an unknown label, a baseline that the tokenizer lacks."""
    from ihcli.models.encoding import SAMPLE

    try:
        explainer.prepare(SAMPLE, SAMPLE if paired else None)
    except InputError:
        if paired:  # the model reads one text only
            raise
    except SameLabelError:
        if explainer.config.target.label != "predicted":  # other texts may have another predicted label
            raise


def describe_input(job: BatchJob) -> tuple[dict[str, Any], int | None]:
    """The manifest's entry for the input, and its number of rows, None where only reading it tells."""
    kind = format_of(job.source, job.format)
    described = {"source": job.source_name, "format": kind, "bytes": None, "sha256": None}
    if is_stream(job.source):
        return described, None
    digest, size, feeds, returns, last = hashlib.sha256(), 0, 0, 0, b"\n"
    try:
        with Path(job.source).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
                feeds += block.count(b"\n")
                returns += block.count(b"\r")
                last = block[-1:]
    except OSError as error:
        message = f"{job.source}: cannot be read ({error.strerror or error})."
        raise InputError(message) from error
    rows = (feeds or returns) + (last not in b"\r\n")
    if kind == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(job.source).num_rows
    elif kind in {"csv", "tsv"} and job.columns.header:
        rows = max(0, rows - 1)
    return {**described, "bytes": size, "sha256": digest.hexdigest()}, rows


def _rows_of_shard(rows: int | None, shard: tuple[int, int] | None) -> int | None:
    if rows is None or shard is None:
        return rows
    index, count = shard
    return (rows - index) // count + 1 if rows >= index else 0


def _environment(explainer: "Explainer") -> Environment:
    from ihcli.explanation_record import environment

    return environment(explainer.classifier.device)
