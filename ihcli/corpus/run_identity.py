"""The identity of a run: the model and every setting that can change a result."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ihcli.config import RunConfig
from ihcli.corpus.durable import read_regular_file
from ihcli.errors import ConfigError

if TYPE_CHECKING:
    from ihcli.models import LoadedClassifier

SECTIONS = ("model", "target", "baseline", "units", "attribution", "text")
"""Sections of the configuration that can change a result; `runtime` changes it by rounding only."""
_LOCATIONS = ("model.name", "model.revision", "model.trust_remote_code", "baseline.file")
"""Settings that say where a file is; the digest of its content stands for it, so that a run can change machines."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The settings that can change a result, by dotted key."""

    settings: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(dict(self.settings), sort_keys=True).encode("utf-8")).hexdigest()

    def differences(self, other: "RunIdentity") -> list[tuple[str, Any, Any]]:
        """(key, own value, value in `other`) for every setting that differs."""
        keys = sorted({*self.settings, *other.settings})
        both = ((key, self.settings.get(key), other.settings.get(key)) for key in keys)
        return [(key, own, theirs) for key, own, theirs in both if own != theirs]


def identify(config: RunConfig, classifier: "LoadedClassifier") -> RunIdentity:
    """The identity of results under a configuration; raises `ConfigError` for a baseline file that cannot be read."""
    values = config.to_dict()
    settings = {f"{section}.{key}": value for section in SECTIONS for key, value in values[section].items()}
    for key in _LOCATIONS:
        del settings[key]
    info = classifier.info
    backend = getattr(classifier.tokenizer, "backend_tokenizer", None)
    settings |= {
        "model.architecture": info.architecture,
        "model.weights_sha256": info.weights_sha256,
        "model.labels": list(classifier.labels),
        "model.tokenizer_sha256": None if backend is None else _digest(backend.to_str().encode("utf-8")),
    }
    if config.baseline.file is not None:
        settings["baseline.file_sha256"] = _digest(_baseline_file(config.baseline.file))
    return RunIdentity(settings)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _baseline_file(file: str) -> bytes:
    try:
        return read_regular_file(Path(file))
    except OSError as error:
        message = f"baseline.file is {file!r}, which cannot be read ({error.strerror or error}). Give its path."
        raise ConfigError(message) from error
