"""Stores that somebody changed: each change is applied to a good store, whose digests are made to fit again.

So what is wrong with a store of `CHANGED_ROWS` is only the row, and not the digest of its part.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ihcli.corpus.records import SCHEMA
from ihcli.corpus.store_manifest import MANIFEST
from ihcli.corpus.store_parts import PARTS, Part, PartsSeal, list_parts

Change = Callable[[Path], None]
Record = dict[str, Any]


def first_part(store: Path) -> Path:
    return list_parts(store)[0].path


def reseal(store: Path) -> None:
    """Let the manifest record the parts that are there."""
    seal = PartsSeal.of(list_parts(store))
    change_manifest(store, lambda m: m.update(parts={"count": seal.count, "last": seal.last, "digest": seal.digest}))


def change_manifest(store: Path, change: Callable[[Record], object]) -> None:
    file = store / MANIFEST
    manifest = json.loads(file.read_text(encoding="utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


def replace_part(store: Path, table: pa.Table) -> None:
    """Put a table in the place of the first part, under the digest that it has."""
    old = list_parts(store)[0]
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream)
    content = stream.getvalue().to_pybytes()
    old.path.unlink()
    Part.new(store / PARTS, old.number, content).path.write_bytes(content)
    reseal(store)


def change_table(change: Callable[[pa.Table], pa.Table]) -> Change:
    return lambda store: replace_part(store, change(pq.read_table(first_part(store))))


def change_row(change: Callable[[Record], object], *, failed: bool = False) -> Change:
    """Change the first explained row of the first part, or its first failed row."""

    def apply(store: Path) -> None:
        records = pq.read_table(first_part(store)).to_pylist()
        change(next(record for record in records if (record["status"] == "error") == failed))
        replace_part(store, pa.Table.from_pylist(records, schema=SCHEMA))

    return apply


def put(*path: str | int, value: Any) -> Callable[[Record], None]:
    """Set a nested value of a record."""

    def change(record: Any) -> None:
        for step in path[:-1]:
            record = record[step]
        record[path[-1]] = value

    return change


def _not_utf8(table: pa.Table) -> pa.Table:
    values = [b"caf\xe9", *(text.encode() for text in table["text"].to_pylist()[1:])]
    column = pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())
    return table.set_column(table.schema.get_field_index("text"), "text", column)


def _without(name: str) -> Change:
    return change_table(lambda table: table.drop_columns([name]))


def _shortened(name: str) -> Change:
    return change_row(lambda record: record[name].pop())


def put_in(column: str, *path: str | int, value: Any) -> Change:
    """Set a nested value in a column of JSON."""

    def change(record: Record) -> None:
        document = json.loads(record[column])
        put(*path, value=value)(document)
        record[column] = json.dumps(document)

    return change_row(change)


def without(column: str, name: str) -> Change:
    """Remove a key from a column of JSON."""

    def change(record: Record) -> None:
        document = json.loads(record[column])
        del document[name]
        record[column] = json.dumps(document)

    return change_row(change)


CHANGED_ROWS: Mapping[str, Change] = {
    **{f"{name} is null": change_row(put(name, value=None)) for name in (
        "row", "name", "text", "text_sha256", "ig", "ih", "shared", "explanation",
    )},
    **{f"{name} is null": put_in("explanation", name, value=None) for name in (
        "prediction", "target", "units", "f_input", "certificate", "quadrature", "warnings",
    )},
    **{f"{name} is null": put_in("shared", name, value=None) for name in ("model", "baseline", "environment")},
    "the units are missing": without("explanation", "units"),
    "the certificate is missing": without("explanation", "certificate"),
    "the model is missing": without("shared", "model"),
    "a failed row has no message": change_row(put("message", value=None), failed=True),
    "a failed row has no error": change_row(put("error", value=None), failed=True),
    "the predicted label is null": put_in("explanation", "prediction", "label", value=None),
    "the predicted label has no probability": put_in("explanation", "prediction", "label", value="another"),
    "a probability is null": put_in("explanation", "prediction", "probabilities", "POSITIVE", value=None),
    "a unit is null": put_in("explanation", "units", 0, value=None),
    "a unit has no text": put_in("explanation", "units", 0, "text", value=None),
    "a unit has no tokens": put_in("explanation", "units", 0, "tokens", value=None),
    "converged is null": put_in("explanation", "certificate", "converged", value=None),
    "a text is not UTF-8": change_table(_not_utf8),
    "an attribution is null": change_row(put("ig", 0, value=None)),
    "the matrix is short": _shortened("ih"),
    "the attributions are short": _shortened("ig"),
    "the units are short": put_in("explanation", "units", value=[]),
    "the path is short": change_row(lambda record: record["path"]["f"].pop()),
    "the spread is short": change_row(put("ih_spread", value=[0.0])),
    "the matrix is empty": change_row(put("ih", value=[])),
    "an entry is infinite": change_row(put("ih", 0, value=float("inf"))),
    "f is infinite": put_in("explanation", "f_input", value=float("inf")),
    "a unit is outside of the text": put_in("explanation", "units", 0, "end", value=10**9),
    "a unit starts before the text": put_in("explanation", "units", 0, "start", value=-1),
    "a unit is of no side": put_in("explanation", "units", 0, "side", value="elsewhere"),
    "the index is absurd": put_in("explanation", "prediction", "index", value=2**62),
    "the tolerance is negative": put_in("explanation", "certificate", "tolerance", value=-1.0),
    "the text is another": change_row(put("text", value="another text")),
    "the status is another": change_row(put("status", value="not_converged")),
    "an explained row is said to have failed": change_row(put("status", value="error")),
    "a failed row is said to be explained": change_row(put("status", value="ok"), failed=True),
    "the explanation is not JSON": change_row(put("explanation", value="{")),
    "the explanation is a list": change_row(put("explanation", value="[1]")),
    "the explanation is a text": change_row(put("explanation", value='"text"')),
    "the model has another field": put_in("shared", "model", "surprise", value=1),
    "the baseline is deeply nested": change_row(put("shared", value='{"a": ' + "[" * 99_999 + "]" * 99_999 + "}")),
    "the baseline is infinite": put_in("shared", "baseline", value={"kind": float("inf")}),
    "the configuration has a number of 5,000 digits": change_row(put("shared", value='{"config": ' + "9" * 5000 + "}")),
}  # fmt: skip
"""Rows that `ih` does not write, in parts whose digests are right."""

DAMAGED_PARTS: Mapping[str, Change] = {
    **{f"the column {name} is missing": _without(name) for name in ("key", "status", "ih", "explanation", "name")},
    "a column is added": change_table(lambda table: table.append_column("more", pa.array([0] * len(table)))),
    "a column has another type": change_table(lambda table: table.set_column(2, "row", table["row"].cast(pa.string()))),
    "a row is there twice": change_table(lambda table: pa.concat_tables([table, table.slice(1, 1)])),
    "a key is null": change_row(put("key", value=None)),
    "a key is not a digest": change_row(put("key", value="not a digest")),
    "a key leads out": change_row(put("key", value="../../../../../../etc/passwd....")),
    "a key is too short": change_row(lambda record: record.update(key=record["key"][:-1])),
    "a key is too long": change_row(lambda record: record.update(key=record["key"] + "00")),
    "a status is null": change_row(put("status", value=None)),
    "a status is unknown": change_row(put("status", value="done")),
    "the part is truncated": lambda store: first_part(store).write_bytes(first_part(store).read_bytes()[:-9]),
    "the part is empty": lambda store: first_part(store).write_bytes(b""),
    "the part is a folder": lambda store: _in_place_of_part(store, Path.mkdir),
    "the part is a pipe": lambda store: _in_place_of_part(store, os.mkfifo),
    "the part is a link to itself": lambda store: _in_place_of_part(store, lambda path: path.symlink_to(path)),
    "the part is a device": lambda store: _in_place_of_part(store, lambda path: path.symlink_to("/dev/zero")),
}
"""Parts that cannot be read."""


def _in_place_of_part(store: Path, make: Callable[[Path], object]) -> None:
    part = first_part(store)
    part.unlink()
    make(part)


def _copied_under_another_number(store: Path) -> None:
    part = list_parts(store)[0]
    shutil.copy(part.path, Part.new(store / PARTS, 0, part.content()).path)


def _replaced_by_another(store: Path) -> None:
    first, second = list_parts(store)[:2]
    shutil.copy(second.path, Part.new(store / PARTS, first.number, second.content()).path)
    first.path.unlink()


CHANGED_PARTS: Mapping[str, Change] = {
    "the first part is missing": lambda store: list_parts(store)[0].path.unlink(),
    "the last part is missing": lambda store: list_parts(store)[-1].path.unlink(),
    "all parts are missing": lambda store: shutil.rmtree(store / PARTS),
    "a part is there twice": _copied_under_another_number,
    "a part is replaced by another": _replaced_by_another,
}
"""Parts that were removed, added or replaced, each of which is right by itself."""

ODD_NAMES = (
    "part-²²²²²²-00000000000000000000000000000000.parquet",
    "part-1-00000000000000000000000000000000.parquet",
    "part-000009.parquet",
    "part-000009-XYZ.parquet",
    "part-99999999999999999999-00000000000000000000000000000000.parquet",
    "part-000009-0000000000000000000000000000000A.parquet",
    "part--1-00000000000000000000000000000000.parquet",
)
"""Names that are like that of a part."""


def _manifest_content(content: bytes) -> Change:
    return lambda store: (store / MANIFEST).write_bytes(content) and None


def _manifest_field(name: str, value: Any) -> Change:
    return lambda store: change_manifest(store, lambda manifest: manifest.update({name: value}))


def _in_place_of_manifest(make: Callable[[Path], object]) -> Change:
    def apply(store: Path) -> None:
        (store / MANIFEST).unlink()
        make(store / MANIFEST)

    return apply


DAMAGED_MANIFESTS: Mapping[str, Change] = {
    "it is not JSON": _manifest_content(b"{"),
    "it is not UTF-8": _manifest_content(b'{"schema": "\xff"}'),
    "it is a list": _manifest_content(b"[1]"),
    "it is deeply nested": _manifest_content(b'{"schema": ' + b"[" * 99_999),
    "it has a number of 5,000 digits": _manifest_content(b'{"schema": ' + b"9" * 5000 + b"}"),
    "it is empty": _manifest_content(b""),
    "it is a pipe": _in_place_of_manifest(os.mkfifo),
    "it is a folder": _in_place_of_manifest(Path.mkdir),
    "the schema is another": _manifest_field("schema", "ihcli.store/9"),
    "the schema is a list": _manifest_field("schema", ["ihcli.store/3"] * 1000),
    "the settings are a text": _manifest_field("settings", "model.name"),
    "the settings are other ones": lambda store: change_manifest(
        store, lambda manifest: manifest["settings"].update({"attribution.tolerance": 0.5})
    ),
    "the settings are missing": lambda store: change_manifest(store, lambda manifest: manifest.pop("settings")),
    "the inputs are missing": lambda store: change_manifest(store, lambda manifest: manifest.pop("inputs")),
    "an input is a number": _manifest_field("inputs", [3]),
    "an input has no source": _manifest_field("inputs", [{"sha256": None}]),
    "the shard is a text": _manifest_field("shard", "1/2"),
    "the shard is absurd": _manifest_field("shard", [1, 10**18]),
    "the shard is zero": _manifest_field("shard", [0, 0]),
    "the merged shards are numbers": _manifest_field("merged", [1, 2]),
    "the record of the parts is missing": lambda store: change_manifest(store, lambda manifest: manifest.pop("parts")),
    "the record of the parts is a list": _manifest_field("parts", []),
    "the record of the parts has texts": _manifest_field("parts", {"count": "1", "last": "1", "digest": "0"}),
}
"""Manifests that `ih` does not write."""

LEADING_OUT = (
    "../../outside", "/ih-outside", "a/../../../outside", "..", ".", "", "a\\..\\outside", "C:outside", "nul\0name",
)  # fmt: skip
"""Names of a row that would lead its folder out of the folder of an export."""


def named(name: str) -> Change:
    """A row with that name."""
    return change_row(put("name", value=name))
