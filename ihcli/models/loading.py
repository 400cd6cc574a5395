"""Loading a classifier: from a name to a checked model in evaluation mode, every failure one clear error."""

import hashlib
import inspect
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from ihcli.config import ModelSection, RunConfig
from ihcli.errors import DeviceError, IhError, ModelError
from ihcli.models.adapter import choose
from ihcli.models.classifier import LoadedClassifier, ProblemType
from ihcli.models.discontinuities import Choices, choices
from ihcli.models.encoding import encode
from ihcli.models.preflight import SAMPLE
from ihcli.models.score import Score
from ihcli.models.smoothing import names, observe
from ihcli.results import ModelInfo, Target

BUNDLED = "bundled"
DTYPES = {"float32": torch.float32, "float64": torch.float64}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNLIMITED = 10**6
"""Tokenizers without a limit carry a huge number; above this it says nothing."""


def load_classifier(config: RunConfig) -> LoadedClassifier:
    """Load the classifier that a configuration names.

    `model.name` is `bundled`, a local directory or a hub id.  The precision is asked for explicitly, attention is
    computed eagerly (fused kernels have no second derivative), TF32 is off, parameters want no gradient.  Raises
    `ModelError`, `DeviceError`.
    """
    section = config.model
    device = _device(config.runtime.device)
    if config.runtime.threads is not None:
        torch.set_num_threads(config.runtime.threads)
    directory, revision = _directory(section)
    settings = _settings(directory, section)
    tokenizer = _tokenizer(directory, section)
    model = _model(directory, section, settings).to(device).eval().requires_grad_(requires_grad=False)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    info = ModelInfo(
        name=section.name,
        revision=revision,
        architecture=type(model).__name__,
        weights_sha256=_digest(directory),
        dtype=section.dtype,
    )
    return assemble(model, tokenizer, info, section)


def _labels(config: Any) -> tuple[str, ...]:
    """The names of the outputs in their order; raises `ModelError` where some have none."""
    absent = [i for i in range(config.num_labels) if i not in config.id2label]
    if absent:
        message = f"config.json names no label for output {absent[0]}: id2label must count from 0. Mend it."
        raise ModelError(message)
    return tuple(str(config.id2label[i]) for i in range(config.num_labels))


def assemble(model: Any, tokenizer: Any, info: ModelInfo, section: ModelSection) -> LoadedClassifier:
    """A classifier from a model and its tokenizer; runs a sample text to find its way in and its kinks."""
    parameter = next(model.parameters())
    accepted = frozenset(inspect.signature(model.forward).parameters)
    labels = _labels(model.config)
    problem = _problem(model.config)
    limit = _limit(model, tokenizer)
    sample = encode(
        tokenizer, SAMPLE, None, RunConfig().units,
        limit=limit, accepted=accepted, truncation=True, device=parameter.device,
    )  # fmt: skip
    with _quiet():
        adapter = choose(model, accepted, sample.input_ids, sample.extras, sample.explained)
        kinks: tuple[str, ...] = ()
        chosen = Choices((), ())
        if adapter.route is not None:
            plan = adapter.plan(sample.input_ids, sample.extras)
            score = Score(adapter, sample, Target(labels[0], 0, "logit"), None, problem, plan)
            x = adapter.embed(sample.input_ids)
            kinks, chosen = names(observe(score, x)), choices(score, x)
    return LoadedClassifier(
        info=info,
        labels=labels,
        problem=problem,
        max_tokens=limit,
        device=parameter.device,
        dtype=parameter.dtype,
        tokenizer=tokenizer,
        model=model,
        adapter=adapter,
        smoothing=section.smoothing,
        kinks=kinks,
        choices=chosen,
    )


def _device(wanted: str) -> torch.device:
    there = ["cpu"]
    if torch.cuda.is_available():
        there = [f"cuda:{i}" for i in range(torch.cuda.device_count())] + there
    if torch.backends.mps.is_available():
        there = ["mps", *there]
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted in there or (wanted == "cuda" and torch.cuda.is_available()):
        return torch.device(wanted)
    message = f"The device {wanted!r} is not there; this machine has {', '.join(there)}. Choose one, or auto."
    raise DeviceError(message)


def _refuse_revision(section: ModelSection, why: str) -> None:
    """A revision that cannot be heeded must not read as if it had been."""
    if section.revision is not None:
        message = f"model.revision is {section.revision!r}, but {why}: only a hub model has revisions. Leave it out."
        raise ModelError(message)


def _directory(section: ModelSection) -> tuple[Path, str | None]:
    """The folder of the model's files, and the commit of a hub model."""
    if section.name == BUNDLED:
        _refuse_revision(section, "the bundled model has none")
        folder = Path(str(files("ihcli") / "bundled" / "weights"))
        if not (folder / "config.json").is_file():
            message = f"The bundled model is not in this installation ({folder} is missing). Install ihcli again."
            raise ModelError(message)
        return folder, None
    try:
        folder = Path(section.name).expanduser()
    except RuntimeError as error:
        message = f"{section.name}: {error}. Give a folder with a model, a hub id, or bundled."
        raise ModelError(message) from error
    if folder.is_dir():
        _refuse_revision(section, f"{folder} is a folder of this machine")
        return folder, None
    if folder.is_file():
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


def _from_hub(section: ModelSection) -> tuple[Path, str | None]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    patterns = [
        "*.json",
        "*.txt",
        "*.model",
        "*.jinja",
        "*.safetensors",
        *(["*.py"] if section.trust_remote_code else []),
    ]
    try:
        with _quiet():
            folder = Path(
                snapshot_download(
                    section.name, revision=section.revision, allow_patterns=patterns, ignore_patterns="*/*"
                )
            )
            if not any(folder.glob("*.safetensors")):
                more = [*patterns, "pytorch_model*.bin"]
                folder = Path(
                    snapshot_download(
                        section.name, revision=section.revision, allow_patterns=more, ignore_patterns="*/*"
                    )
                )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        message = (
            f"{section.name}: is no folder here, and as a hub id it is not in the local cache, and the hub cannot be "
            "reached (offline). Go online once, give a folder with the model, or use the bundled one."
        )
        raise ModelError(message) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        message = (
            f"{section.name}: is no folder here, and the hub does not give it ({_first_line(error)}). Check the name "
            "and the revision, or give a folder with the model."
        )
        raise ModelError(message) from error
    return folder, folder.name if _COMMIT.fullmatch(folder.name) else None


def _settings(directory: Path, section: ModelSection) -> dict[str, Any]:
    """The model's config.json, checked for what nothing can be loaded without."""
    file = directory / "config.json"
    if not file.is_file():
        message = f"{section.name}: has no config.json; a model is a folder with config.json, weights and a tokenizer."
        raise ModelError(message)
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        settings.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        message = f"{section.name}: its config.json cannot be read ({_first_line(error)}). Save the model again."
        raise ModelError(message) from error
    if "auto_map" in settings and not section.trust_remote_code and not _known(settings.get("model_type")):
        message = (
            f"{section.name}: brings its own code, which is not run without consent. If you trust it, set "
            "model.trust_remote_code and model.revision to the full commit that you have read."
        )
        raise ModelError(message)
    elsewhere = _code_elsewhere(directory) if section.trust_remote_code else None
    if elsewhere is not None:
        message = (
            f"{section.name}: its code lies in {elsewhere}, whose commit nobody has named, so it could change at any "
            "time. Save the model and its code in one folder, read it, and give that folder."
        )
        raise ModelError(message)
    if not _weights(directory):
        message = (
            f"{section.name}: has no weights (model.safetensors, or pytorch_model.bin). Save the model with "
            "save_pretrained, or give another folder."
        )
        raise ModelError(message)
    return settings


def _code_elsewhere(directory: Path) -> str | None:
    """The other repository that `auto_map` takes code from, written `owner/name--module.Class`."""
    for name in ("config.json", "tokenizer_config.json"):
        content = (directory / name).read_text(encoding="utf-8") if (directory / name).is_file() else "{}"
        found = re.search(r'"([\w.-]+/[\w.-]+?)--[\w.]+"', content)
        if found is not None and '"auto_map"' in content:
            return found[1]
    return None


def _known(model_type: str | None) -> bool:
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING


def _weights(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.safetensors")) or sorted(directory.glob("pytorch_model*.bin"))


def _digest(directory: Path) -> str:
    """The SHA-256 of the weights: of the one file, or of all parts in the order of their names."""
    digest = hashlib.sha256()
    for file in _weights(directory):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _tokenizer(directory: Path, section: ModelSection) -> Any:
    from transformers import AutoTokenizer

    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                directory, trust_remote_code=section.trust_remote_code, local_files_only=True
            )
    except Exception as error:
        message = (
            f"{section.name}: its tokenizer cannot be loaded ({_first_line(error)}). The folder needs the tokenizer's "
            "files, above all tokenizer.json; save it there with tokenizer.save_pretrained."
        )
        raise ModelError(message) from error
    if not getattr(tokenizer, "is_fast", False):
        message = (
            f"{section.name}: its tokenizer {type(tokenizer).__name__} is a slow one, which does not say which "
            "characters a token stands for. A fast one (tokenizer.json) is needed; convert it with transformers."
        )
        raise ModelError(message)
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        message = (
            f"{section.name}: its tokenizer knows no tokens beside the special ones, so every word would be unknown. "
            "The folder needs the tokenizer's own files; save them there with tokenizer.save_pretrained."
        )
        raise ModelError(message)
    return tokenizer


def _model(directory: Path, section: ModelSection, settings: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sparse = settings.get("model_type") in {"big_bird", "bigbird_pegasus"}  # its blocks depend on chance and length
    further = {"attention_type": "original_full"} if sparse else {}
    places = {"trust_remote_code": section.trust_remote_code, "local_files_only": True}
    try:
        with _quiet():
            # Given as a record: what a config.json says of attention would beat the argument below.
            config = AutoConfig.from_pretrained(directory, **places, **further)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                directory,
                config=config,
                dtype=DTYPES[section.dtype],
                attn_implementation="eager",
                experts_implementation="eager",
                ignore_mismatched_sizes=True,  # they are an error below, with their names
                output_loading_info=True,
                **places,
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        message = _refusal(section, settings, error)
        raise ModelError(message) from error
    absent = sorted(report["missing_keys"])
    if absent:
        head = [key for key in absent if not key.startswith(f"{model.base_model_prefix}.")]
        what = "has no weights for its classification head" if head else "lacks weights"
        message = (
            f"{section.name}: {what} ({_some(head or absent)}), so its answers would be random. Give the fine-tuned "
            "classifier and not the model that it was made from."
        )
        raise ModelError(message)
    if report.get("mismatched_keys"):
        found = sorted(str(key[0] if isinstance(key, tuple) else key) for key in report["mismatched_keys"])
        message = f"{section.name}: weights of another shape than config.json says ({_some(found)}). Save it again."
        raise ModelError(message)
    return model.to(DTYPES[section.dtype])


def _refusal(section: ModelSection, settings: dict[str, Any], error: Exception) -> str:
    if "Unrecognized configuration class" in str(error):
        return (
            f"{section.name}: transformers has no text classifier for models of type {settings.get('model_type')!r}. "
            "Give a model that AutoModelForSequenceClassification loads."
        )
    if not isinstance(settings.get("model_type"), str) or not _known(settings["model_type"]):
        return (
            f"{section.name}: its config.json has model_type {settings.get('model_type')!r}, which this version of "
            "transformers does not know. Update transformers, or give another model."
        )
    return f"{section.name}: cannot be loaded ({type(error).__name__}: {_first_line(error)})."


def _problem(config: Any) -> ProblemType:
    stated = getattr(config, "problem_type", None)
    if stated == "multi_label_classification":
        return "multi_label"
    return "regression" if stated == "regression" or config.num_labels == 1 else "single_label"


def _limit(model: Any, tokenizer: Any) -> int:
    """The most tokens that the model reads: the least of what its tokenizer, configuration and positions say."""
    config = model.config.get_text_config()
    said = [tokenizer.model_max_length]
    said += [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len")]
    for name, module in model.named_modules():
        offset = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and offset is not None and hasattr(module, "num_embeddings"):
            said.append(module.num_embeddings - offset - 1)  # positions count from the padding index, as in RoBERTa
    known = [int(value) for value in said if isinstance(value, int) and 0 < value < _UNLIMITED]
    return min(known, default=_UNLIMITED)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars, reports and warnings: what matters of them becomes an error here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _some(keys: Sequence[str], most: int = 3) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")


def _first_line(error: Exception) -> str:
    if isinstance(error, IhError):
        return str(error)
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
