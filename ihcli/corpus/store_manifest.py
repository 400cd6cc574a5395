"""The manifest of a store: the settings of its run, its inputs, and a digest over its parts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from ihcli.corpus.durable import read_regular_file
from ihcli.corpus.run_identity import RunIdentity
from ihcli.corpus.store_parts import PartsSeal
from ihcli.errors import StoreError

MANIFEST = "manifest.json"
STORE_SCHEMA = "ihcli.store/3"
MOST_SHARDS = 100_000
_ShardNumber = Annotated[int, Field(ge=1, le=MOST_SHARDS)]
_Shard = tuple[_ShardNumber, _ShardNumber]


class _Input(BaseModel):
    """One input of the run."""

    source: str
    sha256: str | None


class _Manifest(BaseModel):
    """The fields that `ih` reads; others are for people."""

    identity: str
    settings: dict[str, Any]
    inputs: list[_Input]
    shard: _Shard | None = None
    merged: list[_Shard | None] | None = None
    parts: PartsSeal


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a store; raises `StoreError`."""
    file = directory / MANIFEST
    try:
        content = read_regular_file(file)
        manifest = json.loads(content)
    except OSError as error:
        message = (
            f"{directory}: is not the store of a batch ({MANIFEST}: {error.strerror or error}). `ih batch` makes one."
        )
        raise StoreError(message) from error
    except (ValueError, RecursionError) as error:
        message = (
            f"{file}: is not JSON ({error}), so this is not the store of a batch, or it is damaged. Restore the file."
        )
        raise StoreError(message) from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != STORE_SCHEMA:
        message = f"{file}: schema {schema!r:.60} is not {STORE_SCHEMA!r}, the one that this version of ih reads."
        if isinstance(schema, str) and schema.startswith("ihcli.store/"):
            message += " Another version of ih wrote it: use that version, or explain the input into another folder."
        else:
            message += " It is not the store of a batch; choose another folder."
        raise StoreError(message)
    try:
        checked = _Manifest.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"{file}: is damaged ({'.'.join(map(str, first['loc']))}: {first['msg']}). Restore the file."
        raise StoreError(message) from error
    if RunIdentity(checked.settings).digest != checked.identity:
        message = f"{file}: is damaged (its settings do not have the digest of its identity). Restore the file."
        raise StoreError(message)
    return manifest  # type: ignore[no-any-return]


def seal_of(manifest: Mapping[str, Any]) -> PartsSeal:
    """What the manifest records of the parts."""
    recorded = manifest["parts"]
    return PartsSeal(**{field.name: recorded[field.name] for field in fields(PartsSeal) if field.name in recorded})


def manifest_bytes(manifest: Mapping[str, Any], seal: PartsSeal) -> bytes:
    """The content of the file; bytes of a path that are not UTF-8 are written as escapes."""
    document = {**manifest, "parts": asdict(seal)}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
