"""The JSON document of a record: checked field by field when it is read, laid out for diffs when it is written.

A record is a dataclass, and its annotations are the schema: strict types, no unknown keys where the record says so, no
infinite numbers. A number that is not known (NaN) is null.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, GetPydanticSchema, JsonValue, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, core_schema, from_json

from ihcli.errors import ResultError
from ihcli.input_files import read_file
from ihcli.text_safety import escape_json, one_line

Record = TypeVar("Record")

EXACT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""No value of another type, no unknown key, no infinity."""
TOLERANT = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
"""The same, but unknown keys are ignored: a line of `ih export` holds more than a result."""

MOST_BYTES = 2**31
"""The largest document that is read; a matrix of 10,000 units is smaller."""


def _read_as(kind: Any, make: Any) -> GetPydanticSchema:
    """Read a field as `kind` and give it to `make`."""
    return GetPydanticSchema(lambda _, handler: core_schema.no_info_after_validator_function(make, handler(kind)))


def _array(values: list[Any]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)  # null becomes NaN; lines of unequal length are a ValueError


def _finite(value: Any) -> Any:
    """`value`, or a `ValueError` where a number in it is infinite."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(item)
    if isinstance(value, float) and not math.isfinite(value):
        message = "it should hold finite numbers only"
        raise ValueError(message)
    return value


Vector = Annotated[NDArray[np.float64], _read_as(list[float | None], _array)]
Matrix = Annotated[NDArray[np.float64], _read_as(list[list[float | None]], _array)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Gap = Annotated[float, _read_as(float | None, lambda value: math.nan if value is None else value)]
Values = Annotated[Mapping[str, Any], _read_as(dict[str, JsonValue], _finite)]
Sections = Annotated[Mapping[str, Any], _read_as(dict[str, dict[str, JsonValue]], _finite)]


def read_document(path: Path, name: str) -> tuple[bytes, Path]:
    """The content of a file, or of `name` in a folder, and its path; raises `ResultError`."""
    try:
        file = path / name if path.is_dir() else path
        return read_file(file, MOST_BYTES), file
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        message = f"{path}: cannot be read ({reason}). Give a result.json or the folder of one."
        raise ResultError(message) from error


def parse(content: bytes | str, source: str) -> Any:
    """The values of a JSON document; raises `ResultError`."""
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        reason = "it holds half of a surrogate pair, which is no character" if "hex escape" in str(error) else error
        message = f"{source}: is not JSON ({reason}). Explain the text again."
        raise ResultError(message) from error


def validated(kind: type[Record], content: bytes | str, source: str) -> Record:
    """The record of class `kind` that a JSON document holds; raises `ResultError` that names each wrong field."""
    try:
        adapter: TypeAdapter[Record] = _adapter(kind)  # type: ignore[arg-type]  # a class can be hashed
        return adapter.validate_json(content)
    except ValidationError as error:
        details = error.errors(include_url=False)
        wrong = "; ".join(_sentence(detail) for detail in details[:_MOST_NAMED])
        more = f"; and {len(details) - _MOST_NAMED} more" if len(details) > _MOST_NAMED else ""
        message = f"{source}: the result is damaged ({wrong}{more}). Explain the text again."
        raise ResultError(message) from error
    except ResultError as error:  # of the record itself, which knows no source
        message = f"{source}: the result is damaged ({error}) Explain the text again."
        raise ResultError(message) from error


_MOST_NAMED = 3
"""Wrong fields that a message names."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _sentence(detail: ErrorDetails) -> str:
    """One sentence for one finding of pydantic: the field, the value seen, what it should be."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])[1:] or "it"
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "unexpected_keyword_argument":
        return f"{where} is no field of a result"
    seen = detail["input"]
    text = f"a {type(seen).__name__}" if isinstance(seen, (dict, list)) else one_line(repr(seen), 40)
    should = detail["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return f"{where} is {text}, {should}"


def to_plain(value: Any) -> Any:
    """A record in JSON types only; a number that is not finite becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_text(document: Any) -> str:
    """A JSON document with a key a line, a list of scalars a line, full precision, the same bytes every time."""
    return escape_json(_layout(document)) + "\n"


def _layout(value: Any, indent: str = "") -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key, ensure_ascii=False)}: {_layout(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
        return "[\n" + ",\n".join(inner + _layout(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
