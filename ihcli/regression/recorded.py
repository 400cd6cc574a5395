"""Reading what was recorded: one file, a folder of them, or a store that the caller knows how to read."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ihcli.errors import InputError, ResultError
from ihcli.file_writing import write_atomically
from ihcli.regression.findings import Finding, Kind, Severity, one_line
from ihcli.results import Explanation

INDEX = "ih-baseline.json"
INDEX_SCHEMA = "ihcli.baseline/1"
RESULT = "result.json"
SIBLINGS = ("interactions.csv", "pairs.csv", "attributions.csv")
MANIFEST = "manifest.json"

StoreReader = Callable[[Path], Iterable[tuple[str, Explanation | str]]]
"""Of a store: each row's name, and its explanation or the message of why there is none."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded result: its name (folder, relative), its file, and the explanation or what is wrong with it."""

    name: str
    path: Path | None
    explanation: Explanation | None
    problem: Finding | None = None


def read_recorded(source: Path, side: str, store: StoreReader | None = None) -> list[Recorded]:
    """Everything recorded at `source`, sorted by name; damage is a problem of its entry, never skipped.

    `side` is `baseline` or `run`.  Raises `InputError` where there is nothing to read at all.
    """
    if source.is_file():
        return [read_file(source, source.resolve().parent.name if source.name == RESULT else source.stem, side)]
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


def read_file(file: Path, name: str, side: str) -> Recorded:
    """One recorded result; what is wrong with it is its problem."""
    try:
        explanation = Explanation.load(file)
    except ResultError as error:
        return Recorded(name, file, None, Finding(Kind.DAMAGED, Severity.REGRESSION, side, one_line(str(error))))
    wrong = wrong_type(explanation)
    if wrong is not None:
        message = f"{file}: the result is damaged ({wrong}). Explain the text again."
        return Recorded(name, file, None, Finding(Kind.DAMAGED, Severity.REGRESSION, side, message))
    return Recorded(name, file, explanation)


def wrong_type(explanation: Explanation) -> str | None:
    """What in a record that was read is not of its type, beyond what reading it already refuses."""
    certificate, prediction = explanation.certificate, explanation.prediction
    model = dataclasses.asdict(explanation.model)
    probabilities = prediction.probabilities
    gaps = ("completeness_gap", "row_gap", "asymmetry", "quadrature_error")
    offsets = [value for unit in explanation.units for value in (unit.start, unit.end)]
    words = [word for unit in explanation.units for word in (unit.text, unit.side, *unit.tokens)]
    checks: list[tuple[str, bool]] = [
        ("text", isinstance(explanation.text, str) and isinstance(explanation.text_pair, str | None)),
        ("model", all(isinstance(value, str) for name, value in model.items() if name != "revision")),
        ("revision", isinstance(explanation.model.revision, str | None)),
        ("environment", all(isinstance(value, str) for value in dataclasses.astuple(explanation.environment))),
        ("probabilities", isinstance(probabilities, Mapping) and all(map(_is_number, probabilities.values()))),
        ("prediction", isinstance(prediction.label, str) and isinstance(prediction.index, int)),
        ("unit offsets", all(type(value) is int for value in offsets)),
        ("units", all(isinstance(word, str) for word in words)),
        ("tolerance", _is_number(certificate.tolerance) and isinstance(certificate.converged, bool)),
        ("certificate", all(getattr(certificate, g) is None or _is_number(getattr(certificate, g)) for g in gaps)),
        ("formulation", isinstance(explanation.quadrature.formulation, str)),
        ("baseline", isinstance(explanation.baseline, Mapping)),
        ("config", _is_sections(explanation.config)),
    ]
    return next((f"{name} is of the wrong type" for name, right in checks if not right), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_sections(config: object) -> bool:
    return config is None or (
        isinstance(config, Mapping) and all(isinstance(section, Mapping) for section in config.values())
    )


def _in_folder(folder: Path, name: str, side: str) -> Recorded:
    """The result of a folder; one that holds only the other files of an explanation has lost it."""
    file = folder / RESULT
    return read_file(file, name, side) if file.exists() else _missing(name, file, side)


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
            records.append(Recorded(name, None, None, Finding(Kind.NOT_EXPLAINED, Severity.REGRESSION, side, row)))
        else:
            records.append(Recorded(name, None, row))
    if not records:
        message = f"{source}: the store is empty. Let `ih batch` finish first."
        raise InputError(message)
    return sorted(records, key=lambda record: record.name)


def read_index(source: Path) -> list[str]:
    """The names that an update recorded in `source`; empty without an index.  Raises `ResultError`."""
    file = source / INDEX
    if not file.is_file():
        return []
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != INDEX_SCHEMA:
            message = f"{file}: schema {document['schema']!r} is not {INDEX_SCHEMA!r}. Upgrade ih."
            raise ResultError(message)
        return [str(name) for name in document["entries"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{file}: is damaged ({error}). Restore it, or delete it and run `ih check --update`."
        raise ResultError(message) from error


def write_index(source: Path, names: Iterable[str]) -> None:
    """List `names`, one a line, so that a removed baseline is missed even without a run to compare with."""
    document = {"schema": INDEX_SCHEMA, "entries": sorted(set(names))}
    write_atomically(source / INDEX, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))
