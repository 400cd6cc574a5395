"""Loading a classifier: from a name to a checked model in evaluation mode; every failure is one clear error."""

import inspect
from pathlib import Path
from typing import Any

import torch

from ihcli.config import ModelSection, RunConfig
from ihcli.errors import DeviceError, ModelError
from ihcli.models.adapter import choose
from ihcli.models.checkpoint import (
    Checkpoint,
    find_checkpoint,
    refuse_adapter_beside,
    require_all_used,
    require_complete,
    require_finite,
)
from ihcli.models.classifier import LoadedClassifier, ProblemType
from ihcli.models.discontinuities import Choices, choices
from ihcli.models.encoding import SAMPLE, encode
from ihcli.models.model_folder import known_type, locate, read_settings, require_sequence_classifier
from ihcli.models.score import Score
from ihcli.models.smoothing import names, observe
from ihcli.models.transformers_output import first_line, silenced
from ihcli.results import ModelInfo, Target

DTYPES = {"float32": torch.float32, "float64": torch.float64}
_UNLIMITED = 10**6
"""Tokenizers without a limit carry a huge number; a limit above this one means none."""


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
    folder, revision = locate(section)
    settings = read_settings(folder, section)
    checkpoint = find_checkpoint(folder, section.name, settings)
    refuse_adapter_beside(folder, checkpoint, section.name)
    tokenizer = load_tokenizer(folder, section)
    model = _load_model(folder, section, settings, checkpoint).to(device).eval().requires_grad_(requires_grad=False)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    info = ModelInfo(
        name=section.name,
        revision=revision,
        architecture=type(model).__name__,
        weights_sha256=checkpoint.sha256(),
        dtype=section.dtype,
    )
    return assemble(model, tokenizer, info, section)


def assemble(model: Any, tokenizer: Any, info: ModelInfo, section: ModelSection) -> LoadedClassifier:
    """A classifier from a model and its tokenizer.

    Runs a sample text to find how embeddings enter the model, and its non-smooth and input-dependent operations.
    """
    parameter = next(model.parameters())
    accepted = frozenset(inspect.signature(model.forward).parameters)
    labels = _labels(model.config)
    problem = _problem(model.config)
    limit = _limit(model, tokenizer)
    sample = encode(
        tokenizer, SAMPLE, None, RunConfig().units,
        limit=limit, accepted=accepted, truncation=True, device=parameter.device,
    )  # fmt: skip
    with silenced():
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
    available = ["cpu"]
    if torch.cuda.is_available():
        available = [f"cuda:{i}" for i in range(torch.cuda.device_count())] + available
    if torch.backends.mps.is_available():
        available = ["mps", *available]
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted in available or (wanted == "cuda" and torch.cuda.is_available()):
        return torch.device(wanted)
    message = (
        f"The device {wanted[:40]!r} does not exist; this machine has {', '.join(available)}. Choose one, or auto."
    )
    raise DeviceError(message)


def load_tokenizer(folder: Path, section: ModelSection) -> Any:
    """The fast tokenizer of a folder; raises `ModelError`."""
    from transformers import AutoTokenizer

    try:
        with silenced():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=section.trust_remote_code, local_files_only=True
            )
    except Exception as error:
        message = (
            f"{section.name}: its tokenizer cannot be loaded ({first_line(error)}). The folder needs the tokenizer's "
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


def _load_model(folder: Path, section: ModelSection, settings: dict[str, Any], checkpoint: Checkpoint) -> Any:
    """The model of a folder in the wanted precision, with eager attention; raises `ModelError`."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sparse = settings.get("model_type") in {"big_bird", "bigbird_pegasus"}  # its blocks depend on chance and length
    further = {"attention_type": "original_full"} if sparse else {}
    places = {"trust_remote_code": section.trust_remote_code, "local_files_only": True}
    try:
        with silenced():
            # Given as a record: what a config.json says of attention would beat the argument below.
            config = AutoConfig.from_pretrained(folder, **places, **further)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype=DTYPES[section.dtype],
                attn_implementation="eager",
                experts_implementation="eager",
                use_safetensors=checkpoint.is_safetensors,  # the files that the digest is of
                ignore_mismatched_sizes=True,  # they are an error below, with their names
                output_loading_info=True,
                **places,
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(_refusal(section, settings, checkpoint, error)) from error
    require_sequence_classifier(settings, section.name, type(model).__name__, complete=False)
    require_complete(model, report, section.name)
    require_sequence_classifier(settings, section.name, type(model).__name__, complete=True)
    require_all_used(model, report, section.name)
    require_finite(model, section.name)
    return model.to(DTYPES[section.dtype])


def _refusal(section: ModelSection, settings: dict[str, Any], checkpoint: Checkpoint, error: Exception) -> str:
    """What to say of a model that transformers cannot load."""
    if "Unrecognized configuration class" in str(error):
        return (
            f"{section.name}: transformers has no text classifier for models of type {settings.get('model_type')!r}. "
            "Give a model that AutoModelForSequenceClassification loads."
        )
    if not known_type(settings.get("model_type")):
        return (
            f"{section.name}: its config.json has model_type {settings.get('model_type')!r}, which this version of "
            "transformers does not know. Update transformers, or give another model."
        )
    if not checkpoint.is_safetensors and "weights_only" in str(error).lower().replace("weights only", "weights_only"):
        return (
            f"{section.name}: {checkpoint.files[0].name} is a pickle of more than tensors, such as a whole model; it "
            "is not loaded, because that would run code from the file. Save the model with save_pretrained."
        )
    return f"{section.name}: cannot be loaded ({type(error).__name__}: {first_line(error)})."


def _labels(config: Any) -> tuple[str, ...]:
    """The names of the outputs in their order; raises `ModelError` where an output has none."""
    absent = [i for i in range(config.num_labels) if i not in config.id2label]
    if absent:
        message = (
            f"config.json names no label for output {absent[0]}: id2label needs the keys 0 to "
            f"{config.num_labels - 1}. Correct config.json."
        )
        raise ModelError(message)
    return tuple(str(config.id2label[i]) for i in range(config.num_labels))


def _problem(config: Any) -> ProblemType:
    stated = getattr(config, "problem_type", None)
    if stated == "multi_label_classification":
        return "multi_label"
    return "regression" if stated == "regression" or config.num_labels == 1 else "single_label"


def _limit(model: Any, tokenizer: Any) -> int:
    """The most tokens that the model reads: the least of what its tokenizer, configuration and positions say."""
    config = model.config.get_text_config()
    stated = [tokenizer.model_max_length]
    stated += [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len")]
    for name, module in model.named_modules():
        offset = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and offset is not None and hasattr(module, "num_embeddings"):
            stated.append(module.num_embeddings - offset - 1)  # positions count from the padding index, as in RoBERTa
    known = [int(value) for value in stated if isinstance(value, int) and 0 < value < _UNLIMITED]
    return min(known, default=_UNLIMITED)
