"""From a model's name to the folder of its files, and what its config.json says of it."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from ihcli.config import ModelSection
from ihcli.errors import ModelError
from ihcli.models.transformers_output import first_line, silenced

BUNDLED = "bundled"
ADAPTER_CONFIG = "adapter_config.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SEQUENCE_CLASSIFICATION = "ForSequenceClassification"
_PRETRAINED = re.compile(r"(Model|ForMaskedLM|ForPreTraining|ForCausalLM|ForConditionalGeneration)$")
_MOST_CONFIG_BYTES = 16 << 20


def locate(section: ModelSection) -> tuple[Path, str | None]:
    """The folder of a model's files, and the commit of a hub model; raises `ModelError`."""
    if section.name == BUNDLED:
        _refuse_revision(section, "the bundled model has none")
        folder = Path(str(files("ihcli") / "bundled" / "weights"))
        if not (folder / "config.json").is_file():
            message = f"The bundled model is not in this installation ({folder} is missing). Install ihcli again."
            raise ModelError(message)
        return folder, None
    try:
        folder = Path(section.name).expanduser()
        exists, is_file = folder.is_dir(), folder.is_file()
    except (RuntimeError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{section.name[:200]!r}: {reason}. Give a folder with a model, a hub id, or bundled."
        raise ModelError(message) from error
    if exists:
        _refuse_revision(section, f"{folder} is a folder of this machine")
        return folder, None
    if is_file:
        message = f"{section.name}: is a file; a model is a folder with config.json, weights and a tokenizer. Give it."
        raise ModelError(message)
    if folder.is_absolute() or section.name.startswith((".", "~")) or section.name.count("/") > 1:
        message = f"{section.name}: there is no such folder. Give a folder with a model, a hub id, or bundled."
        raise ModelError(message)
    if section.trust_remote_code and not _COMMIT.fullmatch(section.revision or ""):
        message = (
            f"model.trust_remote_code runs code from the hub and model.revision is {section.revision!r}; with it the "
            "full commit is required, 40 hexadecimal digits, so that nobody can change that code. Give model.revision."
        )
        raise ModelError(message)
    return _from_hub(section)


def _refuse_revision(section: ModelSection, why: str) -> None:
    """Raise `ModelError` if a revision is given for a model that is not on the hub."""
    if section.revision is not None:
        message = f"model.revision is {section.revision!r}, but {why}: only a hub model has revisions. Leave it out."
        raise ModelError(message)


def _from_hub(section: ModelSection) -> tuple[Path, str | None]:
    """The files of a hub model in the local cache, downloaded where they are not there; .bin only without others."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    code = ["*.py"] if section.trust_remote_code else []
    patterns = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", *code]

    def download(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(section.name, revision=section.revision, allow_patterns=patterns, ignore_patterns="*/*")
        )

    try:
        with silenced():
            folder = download(patterns)
            if not any(folder.glob("*.safetensors")):
                folder = download([*patterns, "pytorch_model*.bin", "adapter_model.bin"])
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        reason = first_line(error.__cause__) if isinstance(error.__cause__, HfHubHTTPError) else "offline"
        message = (
            f"{section.name}: is no folder here, and as a hub id it is not in the local cache, and the hub cannot be "
            f"reached ({reason}). Go online once, give a folder with "
            "the model, or use the bundled one."
        )
        raise ModelError(message) from error
    except (HfHubHTTPError, ValueError, OSError, _transport_error()) as error:
        raise ModelError(_refused_by_hub(section, error)) from error
    return folder, folder.name if _COMMIT.fullmatch(folder.name) else None


def _refused_by_hub(section: ModelSection, error: Exception) -> str:
    """What to say of a model that the hub does not give, or not wholly."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    start = f"{section.name}: is no folder here, and the hub does not give it"
    if isinstance(error, GatedRepoError):
        return (
            f"{start}: its owner restricts access. Accept the conditions on its page, and give a token of yours "
            "(`hf auth login`, or HF_TOKEN)."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{start}: it has no model of this name, or only for those with access. Check the name; of a private model "
            "give a token (`hf auth login`, or HF_TOKEN)."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{start}: it has no revision {section.revision!r}. Give a branch, tag or commit, or leave it out."
    if isinstance(error, _transport_error()) and not isinstance(error, HfHubHTTPError):
        return (
            f"{start}: the transfer broke off several times ({first_line(error)}). Try again, or download the model by "
            "other means and give its folder."
        )
    return f"{start} ({first_line(error)}). Check the name and the revision, or give a folder with the model."


def _transport_error() -> type[Exception]:
    """What the HTTP library of huggingface_hub raises where a transfer breaks off: it is no OSError."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"), HfHubHTTPError)


def read_settings(folder: Path, section: ModelSection) -> dict[str, Any]:
    """The model's config.json, checked for everything that would make loading fail or mislead; raises `ModelError`."""
    file = folder / "config.json"
    if not file.is_file():
        message = f"{section.name}: has no config.json; a model is a folder with config.json, weights and a tokenizer."
        raise ModelError(message)
    settings = read_json(file, section.name)
    if "auto_map" in settings and not section.trust_remote_code and not known_type(settings.get("model_type")):
        message = (
            f"{section.name}: brings its own code, which is not run without consent. If you trust it, set "
            "model.trust_remote_code and model.revision to the full commit that you have read."
        )
        raise ModelError(message)
    elsewhere = _code_elsewhere(folder) if section.trust_remote_code else None
    if elsewhere is not None:
        message = (
            f"{section.name}: its code lies in {elsewhere}, whose commit nobody has named, so it could change at any "
            "time. Save the model and its code in one folder, read it, and give that folder."
        )
        raise ModelError(message)
    _require_label_names(settings, section.name)
    if settings.get("quantization_config"):
        method = _quantization_method(settings["quantization_config"])
        message = (
            f"{section.name}: its weights are quantised ({method}); their second derivatives cannot be taken. Give the "
            "model that was quantised, in float32, float16 or bfloat16."
        )
        raise ModelError(message)
    return settings


def read_json(file: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of a model; raises `ModelError`."""
    try:
        if file.stat().st_size > _MOST_CONFIG_BYTES:
            message = f"it has more than {_MOST_CONFIG_BYTES:,} bytes"
            raise ValueError(message)  # noqa: TRY301 - one message for all that cannot be read
        content = file.read_bytes()
        if content.startswith(b"version https://git-lfs"):
            message = f"{name}: its {file.name} is a pointer of Git LFS and not the file. Run `git lfs pull` there."
            raise ModelError(message)
        found = json.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{name}: its {file.name} cannot be read ({first_line(error)}). Save the model again."
        raise ModelError(message) from error
    if not isinstance(found, dict):
        message = f"{name}: its {file.name} cannot be read (it is a {type(found).__name__}). Save the model again."
        raise ModelError(message)
    return found


def require_sequence_classifier(settings: dict[str, Any], name: str, loaded: str, *, complete: bool) -> None:
    """Raise `ModelError` where config.json names another architecture than one that classifies whole texts.

    `loaded` is the class that would be used; a model's own code may name its own class.  Before the model is known to
    be `complete`, one that was only pre-trained passes: the weights that it lacks say more.
    """
    named = settings.get("architectures")
    classes = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    others = [str(one) for one in classes if not str(one).endswith(_SEQUENCE_CLASSIFICATION) and one != loaded]
    if not others or len(others) < len(classes) or (not complete and _PRETRAINED.search(others[0])):
        return
    message = (
        f"{name}: its config.json says that the model is a {others[0]}, which does not classify whole texts; as a "
        f"{loaded} its answers would mean something else. Give a model fine-tuned for sequence classification."
    )
    raise ModelError(message)


def known_type(model_type: Any) -> bool:
    """Whether transformers has an architecture of this name."""
    from transformers import CONFIG_MAPPING

    return isinstance(model_type, str) and model_type in CONFIG_MAPPING


def _code_elsewhere(folder: Path) -> str | None:
    """The other repository that `auto_map` takes code from, written `owner/name--module.Class`."""
    for name in ("config.json", "tokenizer_config.json"):
        file = folder / name
        content = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else "{}"
        found = re.search(r'"([\w.-]+/[\w.-]+?)--[\w.]+"', content)
        if found is not None and '"auto_map"' in content:
            return found[1]
    return None


def _require_label_names(settings: dict[str, Any], name: str) -> None:
    """Raise `ModelError` unless id2label maps indices to names."""
    labels = settings.get("id2label")
    if labels is None:
        return
    if not isinstance(labels, dict):
        names = labels if isinstance(labels, list) else ["NEGATIVE", "POSITIVE"]
        example = json.dumps({str(i): str(one) for i, one in enumerate(names)}, ensure_ascii=False)[:200]
        message = (
            f"{name}: id2label in its config.json is a {type(labels).__name__}, and must map each output's index to "
            f"its name. Write {example}."
        )
        raise ModelError(message)
    wrong = next((key for key in labels if not re.fullmatch(r"\d{1,9}", key, re.ASCII)), None)
    if wrong is not None:
        message = (
            f"{name}: id2label in its config.json has the key {wrong[:80]!r}; the keys must be the indices 0 to "
            f"{max(len(labels) - 1, 0)}. Correct config.json."
        )
        raise ModelError(message)


def _quantization_method(described: Any) -> str:
    if not isinstance(described, dict):
        return "of a method that is not named"
    bits = next((f"{n} bits" for n in (4, 8) if described.get(f"load_in_{n}bit")), None)
    return str(described.get("quant_method") or bits or "of a method that is not named")[:80]
