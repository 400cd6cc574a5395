"""What makes a result what it is: the model and every setting that can change it, and the key of a row under them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ihcli.config import RunConfig
from ihcli.corpus.readers import Row
from ihcli.corpus.records import Keyed
from ihcli.errors import ConfigError
from ihcli.output.naming import name_of_id, slug
from ihcli.results import ModelInfo

SECTIONS = ("model", "target", "baseline", "units", "attribution", "text")
"""Of the configuration; `runtime` changes a result by rounding only, `output` and `check` not at all."""
_ELSEWHERE = ("model.name", "model.revision", "model.trust_remote_code", "baseline.file")
"""Where something lies; what lies there is compared by its digest, so that a run can move to another machine."""


class Classifier(Protocol):
    """Of a loaded classifier, what tells it from another."""

    @property
    def info(self) -> ModelInfo:
        """Name, architecture, digest of the weights."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its outputs."""

    @property
    def tokenizer(self) -> Any:
        """A fast tokenizer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The settings that can change a result, by dotted key, and their digest."""

    settings: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(dict(self.settings), sort_keys=True).encode("utf-8")).hexdigest()

    def differences(self, other: "Identity") -> list[tuple[str, Any, Any]]:
        """(key, own value, the other's value) wherever they differ."""
        keys = sorted({*self.settings, *other.settings})
        both = ((key, self.settings.get(key), other.settings.get(key)) for key in keys)
        return [(key, own, theirs) for key, own, theirs in both if own != theirs]


def identify(config: RunConfig, classifier: Classifier) -> Identity:
    """The identity of results under a configuration; raises `ConfigError` for a file of baselines that is not there."""
    values = config.to_dict()
    settings = {f"{section}.{key}": value for section in SECTIONS for key, value in values[section].items()}
    for key in _ELSEWHERE:
        del settings[key]
    info = classifier.info
    settings |= {
        "model.architecture": info.architecture,
        "model.weights_sha256": info.weights_sha256,
        "model.labels": list(classifier.labels),
        "model.tokenizer_sha256": _tokenizer_digest(classifier.tokenizer),
    }
    if config.baseline.file is not None:
        settings["baseline.file_sha256"] = _file_digest(Path(config.baseline.file))
    return Identity(settings)


def _tokenizer_digest(tokenizer: Any) -> str | None:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return None if backend is None else hashlib.sha256(backend.to_str().encode("utf-8")).hexdigest()


def _file_digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        message = f"baseline.file is {str(file)!r}, which cannot be read ({error.strerror or error}). Give its path."
        raise ConfigError(message) from error


def keyed(rows: Iterator[Row], identity: str, source: str | None = None) -> Iterator[Keyed]:
    """Give every row its name and its key.

    The name is the slug of the id, or of the text as `ih explain` names its folder; what bears it again gets ~2, ~3.
    The key is a digest of the texts, the id, which of the rows that are equal in these it is, and the identity of the
    run: a row keeps it when other rows are put before it, and two equal rows have two.
    """
    names, equals = _Times(), _Times()
    prefix = hashlib.sha256(identity.encode("ascii"))
    for row in rows:
        parts = [row.text, row.text_pair, row.id, None if row.problem is None else "unreadable"]
        content = json.dumps(parts).encode("ascii")
        digest = prefix.copy()
        digest.update(content + b" %d" % equals.count(content))
        base = _base(row)
        times = 1 if base is None else names.count(base.encode("utf-8"))
        name = base or f"row-{row.number}"
        yield Keyed(row, digest.hexdigest()[:32], name if times == 1 else f"{name}~{times}", source)


class _Times:
    """How often something came, in a few bytes each: an input may have millions of rows."""

    def __init__(self) -> None:
        """Nothing came."""
        self._once: set[int] = set()
        self._more: dict[int, int] = {}

    def count(self, what: bytes) -> int:
        """How often it came, this time included."""
        hashed = int.from_bytes(hashlib.sha256(what).digest()[:8], "big")
        if hashed not in self._once:
            self._once.add(hashed)
            return 1
        self._more[hashed] = found = self._more.get(hashed, 1) + 1
        return found


def _base(row: Row) -> str | None:
    """The slug of a row; None for what cannot be read and has no id."""
    if row.id is not None:
        return name_of_id(row.id)
    if row.problem is not None:
        return None
    return slug(row.text, row.text_pair)


def in_shard(rows: Iterator[Keyed], index: int, count: int) -> Iterator[Keyed]:
    """The rows of shard `index` of `count`, counted from 1: every count-th."""
    return (row for row in rows if (row.row.number - 1) % count == index - 1)
