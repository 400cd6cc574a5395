"""A classifier that is already in memory, explained through a private twin that shares its weights.

The twin has the modules, the configuration and the hooks of the model copied, and its parameters refer to the same
memory wherever the precision and the device of the computation are those of the model.  Evaluation mode, explicit
attention, absence of gradients and checkpointing are set on the twin alone, so nothing of the model is ever changed,
and nothing has to be put back after an error or an interruption.
"""

import copy
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ihcli.config import RunConfig
from ihcli.errors import ModelError, UsageError
from ihcli.models.attention import ExplicitAttention
from ihcli.models.checkpoint import require_finite
from ihcli.models.classifier import LoadedClassifier
from ihcli.models.encoding import SAMPLE
from ihcli.models.loading import DTYPES, assemble, device_of
from ihcli.models.tokenizer_loading import require_fast
from ihcli.models.transformers_output import first_line, silenced
from ihcli.results import ModelInfo

NAME = "in memory"
"""What a result names a model by that has no folder."""
_EXAMPLE = "Explainer.from_model(model, tokenizer)"


@dataclass(slots=True)
class ModelInMemory:
    """A user's model and tokenizer, and the classifier made of them as they were when it was last asked for."""

    model: nn.Module
    tokenizer: Any
    config: RunConfig
    _state: str = ""
    _made: list[LoadedClassifier] = field(default_factory=list)

    @classmethod
    def of(cls, model: Any, tokenizer: Any, config: RunConfig) -> "ModelInMemory":
        """Take a model and its tokenizer, or a pipeline; raises `UsageError`, `ModelError` for what is neither."""
        model, tokenizer = _parts(model, tokenizer)
        _require_no_other_model(config)
        model = _unwrapped(model)
        _require_explainable(model)
        return cls(model, tokenizer, config)

    def classifier(self) -> LoadedClassifier:
        """The classifier of the weights, the structure and the configuration that the model has now.

        The digest of the weights is computed at each call.  The version counters of parameters would be cheaper, but
        writes through `parameter.data` or NumPy do not move them, and a stale digest would be a wrong one.
        """
        digest = weights_sha256(self.model)
        state = "\n".join((digest, str(self.model), _settings(self.model), str(next(self.model.parameters()).device)))
        if not self._made or state != self._state:
            self._made[:] = [self._assembled(digest)]
            self._state = state
        return self._made[0]

    def _assembled(self, digest: str) -> LoadedClassifier:
        section = self.config.model
        dtype = DTYPES[section.dtype]
        own = next(self.model.parameters()).device
        device = own if self.config.runtime.device == "auto" else device_of(self.config.runtime.device)
        working, adapter = twin(self.model, dtype, device)
        require_finite(working, NAME)
        tokenizer = require_fast(copy.deepcopy(self.tokenizer), NAME)
        _explain_attention(working, tokenizer)
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
        info = ModelInfo(
            name=NAME,
            revision=None,
            architecture=type(working).__name__,
            weights_sha256=digest,
            dtype=section.dtype,
            adapter=adapter,
        )
        return assemble(working, tokenizer, info, section)


def weights_sha256(model: nn.Module) -> str:
    """The SHA-256 of names, types, shapes and bytes of all parameters and buffers of a model, in the order of names."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict(keep_vars=True).items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            content = value.detach().cpu().contiguous().reshape(-1)
            if content.numel():
                digest.update(memoryview(content.view(torch.uint8).numpy()))  # type: ignore[arg-type]
    return digest.hexdigest()


def twin(model: nn.Module, dtype: torch.dtype, device: torch.device) -> tuple[nn.Module, str | None]:
    """A model of the same weights in evaluation mode, with explicit attention, and what is said of its adapter.

    Its parameters share the memory of the model's where type and device are the same.  An adapter of PEFT is merged
    into copies of the weights.  Raises `ModelError` where the model cannot be copied.
    """
    merge = getattr(model, "merge_and_unload", None) if hasattr(model, "peft_config") else None
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        own = parameter.detach()
        own = own.clone() if merge is not None else own
        own = own.to(device, dtype) if own.is_floating_point() else own.to(device)
        memo[id(parameter)] = nn.Parameter(own, requires_grad=False)
    for buffer in model.buffers():
        own = buffer.detach().clone()
        memo[id(buffer)] = own.to(device, dtype) if own.is_floating_point() else own.to(device)
    adapter = None
    try:
        made = copy.deepcopy(model, memo)
        if merge is not None:
            adapter = _adapter(model)
            with silenced():
                made = made.merge_and_unload()  # type: ignore[operator]
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        message = (
            f"The model {type(model).__name__} cannot be copied ({type(error).__name__}: {first_line(error)}), and it "
            "is explained through a copy that shares its weights. Save it with save_pretrained and give the folder."
        )
        raise ModelError(message) from error
    made.eval().requires_grad_(requires_grad=False)
    for module in made.modules():
        if getattr(module, "gradient_checkpointing", False):
            module.gradient_checkpointing = False  # type: ignore[assignment]
        if "_hf_hook" in vars(module):  # accelerate's wrapping of forward, which refers to the user's module
            del module._hf_hook  # noqa: SLF001  (the name that accelerate uses)
            vars(module).pop("forward", None)
            vars(module).pop("_old_forward", None)
    return made, adapter


def _adapter(model: Any) -> str:
    """What a result says of the adapters of a model of PEFT that are active."""
    active = model.active_adapter if isinstance(model.active_adapter, str) else ", ".join(model.active_adapter)
    kind = next(iter(model.peft_config.values())).peft_type
    return f"{getattr(kind, 'value', kind)} adapter {active}"


def _explain_attention(model: Any, tokenizer: Any) -> None:
    """Let a twin compute its attention explicitly, by its own eager code or else by ours."""
    for setter in ("set_attn_implementation", "set_experts_implementation"):
        try:
            with silenced():
                getattr(model, setter)("eager")
        except Exception:  # noqa: BLE001, S112 - models without the setting keep what they have; it is looked at below
            continue
    for module in model.modules():
        if getattr(module, "attention_type", None) == "block_sparse" and hasattr(module, "set_attention_type"):
            module.set_attention_type("original_full")  # its blocks depend on chance and length
    watch = _Watch()
    try:
        batch = tokenizer(SAMPLE, return_tensors="pt", truncation=True)
        device = next(model.parameters()).device
        with torch.no_grad(), silenced(), watch:
            model(input_ids=batch["input_ids"].to(device))
    except Exception:  # noqa: BLE001 - whether it runs at all is found, and said, when the classifier is assembled
        return
    if watch.fused:
        model.forward = _explicit(model.forward)


class _Watch(TorchFunctionMode):
    """Notes whether fused attention is computed."""

    fused = False

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the call as it is."""
        del types
        self.fused = self.fused or getattr(func, "__name__", "") == "scaled_dot_product_attention"
        return func(*args, **(kwargs or {}))


def _explicit(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A forward function whose fused attention is computed explicitly."""

    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        with ExplicitAttention():
            return forward(*args, **kwargs)

    return run


def _parts(model: Any, tokenizer: Any) -> tuple[Any, Any]:
    """The model and the tokenizer, out of a pipeline where one was given."""
    import transformers

    if isinstance(model, transformers.Pipeline):
        if tokenizer is not None:
            message = "A pipeline and a tokenizer were given, and a pipeline has its own. Leave the tokenizer out."
            raise UsageError(message)
        if model.task != "text-classification":
            message = (
                f"The pipeline is for {model.task!r}; only pipelines for 'text-classification' can be explained. Make "
                "one with transformers.pipeline('text-classification', …)."
            )
            raise ModelError(message)
        model, tokenizer = model.model, model.tokenizer
    if not isinstance(model, nn.Module):
        message = (
            f"model is a {type(model).__name__}; it must be a model of transformers that classifies texts, or a "
            f"pipeline('text-classification'): {_EXAMPLE}. For a folder or a hub id give the configuration "
            '{"model": {"name": …}} to Explainer.'
        )
        raise UsageError(message)
    if tokenizer is None:
        message = (
            f"The model {type(model).__name__} came without a tokenizer, and its texts must become tokens: "
            f"{_EXAMPLE}, with AutoTokenizer.from_pretrained of the name that the model was loaded from."
        )
        raise UsageError(message)
    if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
        message = (
            f"tokenizer is a {type(tokenizer).__name__}; it must be a tokenizer of transformers, such as "
            "AutoTokenizer.from_pretrained gives."
        )
        raise UsageError(message)
    return model, tokenizer


def _require_no_other_model(config: RunConfig) -> None:
    """Raise `UsageError` where the configuration names a model too."""
    section, default = config.model, type(config.model)()
    named = [name for name in ("name", "revision", "template", "labels", "trust_remote_code")
             if getattr(section, name) != getattr(default, name)]  # fmt: skip
    if named and section.name != NAME:
        message = (
            f"The configuration sets model.{named[0]} to {getattr(section, named[0])!r}, and a model in memory was "
            "given. Leave it out, or use Explainer(config) for the model that the configuration names."
        )
        raise UsageError(message)


def _unwrapped(model: nn.Module) -> nn.Module:
    """The model inside what torch.compile or a parallel wrapper put around it."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def _require_explainable(model: Any) -> None:
    """Raise `ModelError` for a model that is quantised, on several devices, without weights, or no classifier."""
    name = type(model).__name__
    parameters = list(model.parameters())
    if not parameters:
        message = f"The model {name} has no parameters, so there is nothing to explain. Give a trained classifier."
        raise ModelError(message)
    if reason := _quantised(model, parameters):
        message = (
            f"The model {name} is quantised ({reason}), and rounded weights have no second derivatives. Load it "
            "without quantization_config: AutoModelForSequenceClassification.from_pretrained(name, "
            "dtype=torch.float32)."
        )
        raise ModelError(message)
    places = {str(parameter.device) for parameter in parameters}
    places |= {str(place) for place in (getattr(model, "hf_device_map", None) or {}).values()}
    if len(places) > 1:
        message = (
            f"The model {name} is on {len(places)} devices ({', '.join(sorted(places))}); it must be on one. Load it "
            "without device_map, or move it with model.to(device)."
        )
        raise ModelError(message)
    if places == {"meta"}:
        message = f"The model {name} has no weights yet (device meta). Load them with from_pretrained."
        raise ModelError(message)
    settings = getattr(model, "config", None)
    if settings is None or not isinstance(getattr(settings, "id2label", None), Mapping):
        message = (
            f"The model {name} has no configuration of transformers with the names of its labels, so it is not known "
            "what its outputs mean. Give a ...ForSequenceClassification model; for any other function of tensors "
            "there is ihcli.integrated_hessians."
        )
        raise ModelError(message)
    shown = _classes(model)
    wrong = next((one for one in shown if "For" in one and not one.endswith("ForSequenceClassification")), None)
    if wrong is not None and not any(one.endswith("ForSequenceClassification") for one in shown):
        message = (
            f"The model is a {wrong}, which does not classify whole texts. Give one fine-tuned for sequence "
            "classification (AutoModelForSequenceClassification), or prompt a language model with model.template."
        )
        raise ModelError(message)
    if not any("For" in one for one in shown) and type(model).__module__.startswith("transformers."):
        message = (
            f"The model is a {name}, which has no classification head. Give one fine-tuned for sequence "
            "classification (AutoModelForSequenceClassification)."
        )
        raise ModelError(message)


def _classes(model: Any) -> tuple[str, ...]:
    """The names of a model's class and, where it is a wrapper of PEFT, of the model inside."""
    inner = model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model
    return tuple(one.__name__ for one in type(inner).__mro__ if one.__name__ not in {"object", "Module"})[:1]


def _quantised(model: Any, parameters: Sequence[Tensor]) -> str | None:
    """Why a model counts as quantised; None where it does not."""
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        return str(getattr(model, "quantization_method", "by transformers"))
    whole = next((parameter.dtype for parameter in parameters if not parameter.is_floating_point()), None)
    if whole is not None:
        return f"weights of {whole}"
    for module in model.modules():
        kind = type(module)
        if "quantized" in kind.__module__ or kind.__name__ in {"Linear4bit", "Linear8bitLt", "QuantLinear"}:
            return f"layers {kind.__name__}"
    return None


def _settings(model: Any) -> str:
    """The configuration of a model as text, to notice that it was changed."""
    settings = model.config
    content = settings.to_dict() if hasattr(settings, "to_dict") else vars(settings)
    return json.dumps(content, default=str, sort_keys=True)
