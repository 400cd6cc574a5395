"""Reading what was recorded: one file, a folder of them, or a store that the caller knows how to read."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ihcli.errors import InputError, OutputError, ResultError
from ihcli.file_writing import write_atomically
from ihcli.output.naming import path_inside
from ihcli.regression.findings import Finding, Kind, Severity
from ihcli.result_files import read_document
from ihcli.results import RESULT, Explanation

INDEX = "ih-baseline.json"
INDEX_SCHEMA = "ihcli.baseline/1"
SIBLINGS = ("interactions.csv", "pairs.csv", "attributions.csv")
MANIFEST = "manifest.json"

StoreReader = Callable[[Path], Iterable[tuple[str, Explanation | str]]]
"""Of a store: each row's name, and its explanation or the message of why there is none."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded result.

    Attributes:
        name: Its folder, relative to what was read.
        path: Its file, None of a row of a store or of a new result.
        explanation: The result, None where it cannot be read.
        problem: What is wrong with it, if anything.
    """

    name: str
    path: Path | None
    explanation: Explanation | None
    problem: Finding | None = None


def read_recorded(source: Path, side: str, store: StoreReader | None = None) -> list[Recorded]:
    """Everything recorded at `source`, sorted by name; damage is a problem of its record, and nothing is skipped.

    `side` is `baseline` or `run`. Raises `InputError` where there is nothing to read at all, `ResultError` for a
    damaged index.
    """
    if source.is_file():
        return [read_result(source, source.resolve().parent.name if source.name == RESULT else source.stem, side)]
    if not source.is_dir():
        message = f"{source}: no such file or folder. Give a result.json, or a folder of them."
        raise InputError(message)
    if is_store(source):
        return _read_store(source, side, store)
    folders = {file.parent for name in (RESULT, *SIBLINGS) for file in source.rglob(name)}
    records = [_in_folder(folder, _name(folder, source, alone=len(folders) == 1), side) for folder in folders]
    known = {_name(folder, source) for folder in folders}
    records += [_missing(name, source / name / RESULT, side) for name in read_index(source) if name not in known]
    if not records:
        message = f"{source}: holds no {RESULT}. `ih explain TEXT -o {source}` records one."
        raise InputError(message)
    return sorted(records, key=lambda record: record.name)


def is_store(source: Path) -> bool:
    """Whether `source` is the store of a batch."""
    return (source / MANIFEST).is_file()


def _name(folder: Path, source: Path, *, alone: bool = False) -> str:
    """Relative to the source, so that a moved source keeps its names; a lone result is called as its folder."""
    return source.resolve().name if alone and folder == source else folder.relative_to(source).as_posix()


def read_result(file: Path, name: str, side: str) -> Recorded:
    """One recorded result; what is wrong with it is its problem."""
    try:
        return Recorded(name, file, Explanation.load(file))
    except ResultError as error:
        return Recorded(name, file, None, Finding(Kind.DAMAGED, Severity.REGRESSION, side, str(error)))


def _in_folder(folder: Path, name: str, side: str) -> Recorded:
    """The result of a folder; one that holds only the other files of an explanation has lost it."""
    file = folder / RESULT
    return read_result(file, name, side) if file.exists() else _missing(name, file, side)


def _missing(name: str, file: Path, side: str) -> Recorded:
    message = f"{file}: is gone, though the {side} once held it. Restore it, or explain its text again."
    return Recorded(name, file, None, Finding(Kind.MISSING, Severity.REGRESSION, side, message))


def _read_store(source: Path, side: str, store: StoreReader | None) -> list[Recorded]:
    if store is None:
        message = f"{source}: is the store of a batch, which this caller cannot read. `ih export` makes folders of it."
        raise InputError(message)
    records = []
    for name, row in store(source):
        if isinstance(row, str):
            problem = Finding(Kind.NOT_EXPLAINED, Severity.REGRESSION, side, row)
            records.append(Recorded(name, None, None, problem))
        else:
            records.append(Recorded(name, None, row))
    if not records:
        message = f"{source}: the store is empty. Let `ih batch` finish first."
        raise InputError(message)
    return sorted(records, key=lambda record: record.name)


def read_index(source: Path) -> list[str]:
    """The names that an update recorded in `source`; empty without an index. Raises `ResultError`."""
    file = source / INDEX
    if not file.exists():
        return []
    try:
        return _names(json.loads(read_document(file, INDEX)[0]), source)
    except (ResultError, OutputError, ValueError, RecursionError) as error:
        message = f"{file}: is damaged ({error}). Restore it, or delete it and run `ih check --update`."
        raise ResultError(message) from error


def _names(document: Any, source: Path) -> list[str]:
    """The names in an index, each of a place in `source`; raises `ResultError` or `OutputError`."""
    names = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(names, list) or document.get("schema") != INDEX_SCHEMA or set(map(type, names)) - {str}:
        message = f"it is no list of names of the schema {INDEX_SCHEMA!r}"
        raise ResultError(message)
    for name in names:
        if name != ".":
            path_inside(source, name)
    return names


def write_index(source: Path, names: Iterable[str]) -> None:
    """List `names`, one a line, so that a removed baseline is missed even without a run to compare with."""
    document = {"schema": INDEX_SCHEMA, "entries": sorted(set(names))}
    content = json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    write_atomically(source / INDEX, content + b"\n", follow_links=False)
