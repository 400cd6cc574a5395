"""Loading a classifier: from a name to a checked model in evaluation mode; every failure is one clear error."""

import inspect
import unicodedata
from dataclasses import dataclass
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
from ihcli.models.meta_initialisation import NoMetaInitialisation
from ihcli.models.model_folder import known_type, locate, read_settings, require_sequence_classifier
from ihcli.models.peft_adapters import AdapterFolder, find_adapter
from ihcli.models.prompted import MASK, make_classifier
from ihcli.models.score import Score
from ihcli.models.smoothing import names, observe
from ihcli.models.tokenizer_loading import load_tokenizer
from ihcli.models.transformers_output import first_line, silenced
from ihcli.results import ModelInfo, Target

DTYPES = {"float32": torch.float32, "float64": torch.float64}
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode that no name on one line holds: controls, halves of surrogate pairs, line separators."""
_UNLIMITED = 10**6
"""Tokenizers without a limit carry a huge number; a limit above this one means none."""


def load_classifier(config: RunConfig) -> LoadedClassifier:
    """Load the classifier that a configuration names.

    `model.name` is `bundled`, a local directory or a hub id.  The precision is asked for explicitly, attention is
    computed eagerly (fused kernels have no second derivative), TF32 is off, parameters want no gradient.  Raises
    `ModelError`, `DeviceError`.
    """
    section = config.model
    device = device_of(config.runtime.device)
    if config.runtime.threads is not None:
        torch.set_num_threads(config.runtime.threads)
    folder, revision = locate(section)
    adapter = find_adapter(folder, section)
    base_folder, base = (folder, section) if adapter is None else adapter.locate_base(section)
    settings = read_settings(base_folder, base)
    checkpoint = find_checkpoint(base_folder, base.name, settings)
    if adapter is None:
        refuse_adapter_beside(folder, checkpoint, section.name)
    tokenizer = load_tokenizer(folder if adapter is None or adapter.has_tokenizer() else base_folder, section)
    model = _load_model(base_folder, base, settings, checkpoint, adapter)
    info = ModelInfo(
        name=section.name,
        revision=revision,
        architecture=f"{type(model).__name__}{'' if section.template is None else ', prompted'}",
        weights_sha256=checkpoint.sha256() if adapter is None else adapter.sha256(checkpoint),
        dtype=section.dtype,
        adapter=None if adapter is None else adapter.description,
    )
    notes: tuple[str, ...] = ()
    if section.template is not None:
        model, tokenizer, notes = make_classifier(model, tokenizer, section.template, section.labels or ())
    model = model.to(device).eval().requires_grad_(requires_grad=False)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return assemble(model, tokenizer, info, section, notes)


def assemble(
    model: Any, tokenizer: Any, info: ModelInfo, section: ModelSection, notes: tuple[str, ...] = ()
) -> LoadedClassifier:
    """A classifier from a model and its tokenizer; `notes` is what every explanation of it must say.

    Runs a sample text to find how embeddings enter the model, and its non-smooth and input-dependent operations.
    """
    parameter = next(model.parameters())
    accepted = frozenset(inspect.signature(model.forward).parameters)
    labels = _labels(model.config)
    problem = _problem(model.config)
    limit = _limit(model, tokenizer) - getattr(model, "reserved_tokens", 0)
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
        notes=notes,
    )


def device_of(wanted: str) -> torch.device:
    """The device of a name, the GPU or CPU with `auto`; raises `DeviceError`."""
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


@dataclass(frozen=True, slots=True)
class _Purpose:
    """What a model is loaded for: the class of transformers, and what a message says of it, its head and its lack."""

    auto: str
    described: str
    head: str
    advice: str


_CLASSIFIER = _Purpose(
    "AutoModelForSequenceClassification",
    "text classifier",
    "classification head",
    "Give the fine-tuned classifier and not the model that it was made from, or prompt a language model (--template).",
)
_CAUSAL = _Purpose(
    "AutoModelForCausalLM", "causal language model", "language-model head", "Give a model that predicts words."
)
_MASKED = _Purpose(
    "AutoModelForMaskedLM", "masked language model", "language-model head", "Give a model that predicts words."
)


def _purpose(section: ModelSection, settings: dict[str, Any]) -> _Purpose:
    """What to load a model for; raises `ModelError` where its template is for another kind of language model."""
    if section.template is None:
        return _CLASSIFIER
    wanted = _MASKED if MASK in section.template else _CAUSAL
    named = settings.get("architectures")
    classes = [str(one) for one in named] if isinstance(named, list) else []
    if wanted is _CAUSAL and classes and all(one.endswith("ForMaskedLM") for one in classes):
        message = (
            f"{section.name}: is a masked language model ({classes[0]}), and the template {section.template!r} holds "
            f"no {MASK}. Put {MASK} where the label belongs, as in '{{text}} It was {MASK}.'."
        )
        raise ModelError(message)
    if wanted is _MASKED and classes and all(one.endswith(("ForCausalLM", "LMHeadModel")) for one in classes):
        message = (
            f"{section.name}: is a causal language model ({classes[0]}), which answers after the prompt, and the "
            f"template {section.template!r} holds {MASK}. Leave it out."
        )
        raise ModelError(message)
    return wanted


def _load_model(
    folder: Path,
    section: ModelSection,
    settings: dict[str, Any],
    checkpoint: Checkpoint,
    adapter: AdapterFolder | None = None,
) -> Any:
    """The model of a folder in the wanted precision, with eager attention and its adapter; raises `ModelError`."""
    import transformers

    purpose = _purpose(section, settings)
    sparse = settings.get("model_type") in {"big_bird", "bigbird_pegasus"}  # its blocks depend on chance and length
    further = {"attention_type": "original_full"} if sparse else {}
    further |= {} if adapter is None else adapter.labels(section)
    places = {"trust_remote_code": section.trust_remote_code, "local_files_only": True}
    try:
        with silenced(), NoMetaInitialisation():
            # Given as a record: what a config.json says of attention would beat the argument below.
            config = transformers.AutoConfig.from_pretrained(folder, **places, **further)
            model, report = getattr(transformers, purpose.auto).from_pretrained(
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
        raise ModelError(_refusal(section, settings, checkpoint, purpose, error)) from error
    supplied = set() if adapter is None else adapter.supplied()
    architecture = type(model).__name__
    if purpose is _CLASSIFIER and not supplied & set(report["missing_keys"]):
        require_sequence_classifier(settings, section.name, architecture, complete=False)
    require_complete(model, report, section.name, purpose.head, supplied, purpose.advice)
    if purpose is _CLASSIFIER and adapter is None:
        require_sequence_classifier(settings, section.name, architecture, complete=True)
    require_all_used(model, report, section.name)
    if adapter is not None:
        model = adapter.merge(model)
    require_finite(model, section.name)
    return model.to(DTYPES[section.dtype])


def _refusal(
    section: ModelSection, settings: dict[str, Any], checkpoint: Checkpoint, purpose: _Purpose, error: Exception
) -> str:
    """What to say of a model that transformers cannot load."""
    if "Unrecognized configuration class" in str(error):
        return (
            f"{section.name}: transformers has no {purpose.described} for models of type "
            f"{settings.get('model_type')!r}. Give a model that {purpose.auto} loads."
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
    """The names of the outputs in their order; raises `ModelError` where an output has none that can be written."""
    absent = [i for i in range(config.num_labels) if i not in config.id2label]
    if absent:
        message = (
            f"config.json names no label for output {absent[0]}: id2label needs the keys 0 to "
            f"{config.num_labels - 1}. Correct config.json."
        )
        raise ModelError(message)
    labels = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    for i, label in enumerate(labels):
        unwritable = next((c for c in label if unicodedata.category(c) in _UNWRITABLE or c in "\ufffe\uffff"), None)
        if unwritable is not None:
            message = (
                f"The label of output {i} is {label!a:.60}, which holds U+{ord(unwritable):04X}: control characters, "
                "line ends and halves of surrogate pairs are not allowed in labels, which are names on one line. "
                "Correct id2label in config.json, or --labels."
            )
            raise ModelError(message)
    return labels


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
