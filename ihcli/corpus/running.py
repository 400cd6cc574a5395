"""One run: rows in, outcomes out, the store between, whatever happens."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ihcli.corpus.identity import identify, in_shard, keyed
from ihcli.corpus.length_buckets import grouped
from ihcli.corpus.local import Engine, LocalEngine
from ihcli.corpus.readers import Columns, format_of, is_stream, read_rows
from ihcli.corpus.records import ERROR, NOT_CONVERGED, Keyed, Outcome
from ihcli.corpus.store import Store
from ihcli.corpus.writer import Writer
from ihcli.errors import InputError, SameLabelError, UsageError

if TYPE_CHECKING:
    from ihcli.pipeline import Explainer

SAMPLE = "The film was not bad at all, but its second half is far too long."


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: the input, the store, and which rows."""

    source: str
    out: Path
    columns: Columns = field(default_factory=Columns)
    format: str | None = None
    shard: tuple[int, int] | None = None
    """(i, n): every n-th row, from the i-th, counted from 1."""
    retry_failed: bool = False

    @property
    def called(self) -> str:
        """The input's name as it can be written: bytes that are no UTF-8 as escapes."""
        return os.fsencode(self.source).decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Tally:
    """What became of the rows so far."""

    total: int | None = None
    """Rows of the input, where it tells; of a table of text as many as it has lines."""
    skipped: int = 0
    done: int = 0
    failed: int = 0
    not_converged: int = 0
    failed_before: int = 0
    not_converged_before: int = 0
    first_failure: str | None = None
    elsewhere: int = 0
    """Rows of the store that are none of this input, once it was read to its end."""

    def count(self, outcome: Outcome) -> None:
        """Add one outcome."""
        self.done += 1
        if outcome.status == ERROR:
            self.failed += 1
            self.first_failure = self.first_failure or outcome.message
        self.not_converged += outcome.status == NOT_CONVERGED

    def skip(self, status: str) -> None:
        """Add a row that was done before."""
        self.skipped += 1
        self.failed_before += status == ERROR
        self.not_converged_before += status == NOT_CONVERGED

    @property
    def all_failed(self) -> int:
        """Failed rows of the input, now or before."""
        return self.failed + self.failed_before

    @property
    def all_not_converged(self) -> int:
        """Rows of the input that missed their tolerance, now or before."""
        return self.not_converged + self.not_converged_before


Watch = Callable[[Tally, list[Outcome]], None]
"""Called after every group with the tally and what is new."""


def run(job: Job, explainer: "Explainer", engine: Engine | None = None, watch: Watch | None = None) -> Tally:
    """Explain every row of the input that the store does not hold yet.

    `explainer` says what the model is, and computes unless `engine` does.  Raises `UsageError`, `InputError`,
    `StoreError`, `OutputError`, and what the model or the settings meet with any text; what only a row meets becomes
    its error row.
    """
    config = explainer.config
    if config.units.kind == "spans":
        message = "units.kind is 'spans', which cuts one text. For many texts use token, word or sentence."
        raise UsageError(message)
    rows = read_rows(job.source, job.columns, job.format)
    with closing(rows):
        _require_explainable(explainer, paired=job.columns.pair is not None)
        identity = identify(config, explainer.classifier)
        described = describe_input(job)
        tally = Tally(total=_share(described.pop("rows"), job.shard))
        about = {
            "config": config.to_dict(),
            "model": _plain(explainer.classifier.info),
            "environment": _plain(_environment(explainer)),
            "shard": None if job.shard is None else list(job.shard),
        }
        with Store(job.out, identity, about) as store:
            store.note_input(described)
            groups = grouped(_chosen(rows, identity.digest, job), _tokens_of(explainer))
            pending = _pending(groups, store, tally, retry=job.retry_failed)
            found = (engine or LocalEngine(explainer)).outcomes(pending, tally.total)
            with Writer(store) as writer, closing(found):
                for outcomes in found:
                    writer.put(outcomes)
                    for outcome in outcomes:
                        tally.count(outcome)
                    if watch is not None:
                        watch(tally, outcomes)
            tally.elsewhere = len(store.index.entries) - tally.done - tally.skipped
    return tally


def _chosen(rows: Iterator[Any], identity: str, job: Job) -> Iterator[Keyed]:
    every = keyed(rows, identity, job.called)
    return every if job.shard is None else in_shard(every, *job.shard)


def _pending(groups: Iterator[list[Keyed]], store: Store, tally: Tally, *, retry: bool) -> Iterator[list[Keyed]]:
    """Of every group the rows that are not done; with `retry` the failed ones too.

    Groups are formed of all rows and written whole, so that a run that was killed goes on with the groups, and the
    roundings, of one that was not.
    """
    for group in groups:
        left = []
        for row in group:
            status = store.index.status(row.key)
            if status is None or (retry and status == ERROR):
                left.append(row)
            else:
                tally.skip(status)
        if left:
            yield left


def _tokens_of(explainer: "Explainer") -> Callable[[Keyed], int | None]:
    """The number of tokens; None for what cannot be read or is too long."""
    classifier = explainer.classifier

    def tokens(keyed: Keyed) -> int | None:
        row = keyed.row
        if row.problem is not None:
            return None
        texts = (row.text,) if row.text_pair is None else (row.text, row.text_pair)
        count = len(classifier.tokenizer(*texts, verbose=False)["input_ids"])
        return count if count <= classifier.max_tokens else None

    return tokens


def _require_explainable(explainer: "Explainer", *, paired: bool) -> None:
    """Meet with a sample what any text would meet: a label that is not there, a baseline that cannot be."""
    try:
        explainer.prepare(SAMPLE, SAMPLE if paired else None)
    except InputError:
        if paired:  # the model does not read pairs
            raise
    except SameLabelError:
        if explainer.config.target.label != "predicted":  # else other texts may be predicted otherwise
            raise


def describe_input(job: Job) -> dict[str, Any]:
    """Source, size, digest and (as `rows`) the number of rows, where they can be known beforehand."""
    if is_stream(job.source):
        return {
            "source": job.called,
            "format": format_of(job.source, job.format),
            "bytes": None,
            "sha256": None,
            "rows": None,
        }
    digest, size, lines, last = hashlib.sha256(), 0, 0, b"\n"
    try:
        with Path(job.source).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
                lines += block.count(b"\n")
                last = block[-1:]
    except OSError as error:
        message = f"{job.source}: cannot be read ({error.strerror or error})."
        raise InputError(message) from error
    kind = format_of(job.source, job.format)
    rows = lines + (last != b"\n")
    if kind == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_metadata(job.source).num_rows
    elif kind in {"csv", "tsv"} and job.columns.header:
        rows = max(0, rows - 1)
    return {"source": job.called, "format": kind, "bytes": size, "sha256": digest.hexdigest(), "rows": rows}


def _share(rows: int | None, shard: tuple[int, int] | None) -> int | None:
    if rows is None or shard is None:
        return rows
    index, count = shard
    return (rows - index) // count + 1 if rows >= index else 0


def _plain(record: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(record)


def _environment(explainer: "Explainer") -> Any:
    from ihcli.pipeline import environment

    return environment(explainer.classifier.device)
