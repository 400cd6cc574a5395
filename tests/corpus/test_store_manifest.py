"""The manifest: what it must hold, and what an older or a changed one is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from ihcli.corpus.run_identity import RunIdentity
from ihcli.corpus.store_manifest import MOST_SHARDS, STORE_SCHEMA, manifest_bytes, read_manifest, seal_of
from ihcli.corpus.store_parts import PartsSeal
from ihcli.errors import StoreError

SETTINGS = {"attribution.tolerance": 0.01, "model.labels": ["NEGATIVE", "POSITIVE"], "baseline.text": "größer"}
GOOD: dict[str, Any] = {
    "schema": STORE_SCHEMA,
    "identity": RunIdentity(SETTINGS).digest,
    "settings": SETTINGS,
    "inputs": [{"source": "in.txt", "sha256": None}],
    "shard": [1, MOST_SHARDS],
}
SEAL = PartsSeal(2, 3, "ab")


def written(folder: Path, **changes: Any) -> Path:
    (folder / "manifest.json").write_bytes(manifest_bytes({**GOOD, **changes}, SEAL))
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = read_manifest(written(tmp_path))
    assert manifest.items() >= GOOD.items()
    assert seal_of(manifest) == SEAL


@pytest.mark.parametrize(
    ("schema", "remedy"),
    [
        ("ihcli.store/2", "Another version of ih wrote it"),
        ("ihcli.store/99", "Another version of ih wrote it"),
        ("ihcli.result/1", "It is not the store of a batch"),
        (None, "It is not the store of a batch"),
    ],
)
def test_another_schema_is_refused_with_what_to_do(tmp_path: Path, schema: str | None, remedy: str) -> None:
    with pytest.raises(StoreError, match=remedy):
        read_manifest(written(tmp_path, schema=schema))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shard", [0, 2]), ("shard", [1, MOST_SHARDS + 1]), ("shard", [1]), ("shard", ["1", "2"]),
        ("merged", [[1, 2], 3]), ("inputs", {}), ("settings", []), ("identity", 3),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_named(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(StoreError, match=rf"manifest.json: is damaged \({field}"):
        read_manifest(written(tmp_path, **{field: value}))


def test_settings_that_were_changed_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="its settings do not have the digest of its identity"):
        read_manifest(written(tmp_path, settings={**SETTINGS, "attribution.tolerance": 0.02}))


def test_a_path_that_is_not_utf8_is_written_as_escapes(tmp_path: Path) -> None:
    source = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    folder = written(tmp_path, inputs=[{"source": source, "sha256": None}])
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["inputs"][0]["source"] == "caf\udce9.txt"


@pytest.mark.parametrize("parts", [{"é": 1}, {"count": 2, "last": 3, "digest": "ab", "more": [None]}, {}])
def test_a_seal_with_other_fields_is_read_as_far_as_it_is_known(tmp_path: Path, parts: dict[str, Any]) -> None:
    file = written(tmp_path) / "manifest.json"
    document = {**json.loads(file.read_text(encoding="utf-8")), "parts": parts}
    file.write_text(json.dumps(document), encoding="utf-8")
    assert seal_of(read_manifest(tmp_path)) == (SEAL if "count" in parts else PartsSeal())
