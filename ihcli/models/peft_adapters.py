"""Adapters of PEFT (LoRA and its relatives): a folder with few weights that change those of a base model.

The adapter is merged into the base model, so that what is explained is a plain model of transformers.
"""

import hashlib
import json
import re
import struct
import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ihcli.config import ModelSection
from ihcli.errors import ModelError
from ihcli.models.checkpoint import Checkpoint
from ihcli.models.model_folder import ADAPTER_CONFIG, locate, read_json, read_settings
from ihcli.models.transformers_output import first_line, silenced, some

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_WHOLE_MODELS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                 "pytorch_model.bin.index.json")  # fmt: skip
_CLASSIFYING_TASKS, _LANGUAGE_TASKS = {"SEQ_CLS"}, {"CAUSAL_LM", "FEATURE_EXTRACTION"}
_HEAD = re.compile(r"(^|\.)(classifier|score|classification_head|summary)(\.modules_to_save)?(\.\w+)?\.weight$")
_LAST_LAYER = re.compile(r"\.(out_proj|logits_proj|classifier|score|summary)(\.modules_to_save)?\.weight$")


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """An adapter: its folder, its adapter_config.json, and the file of its weights."""

    folder: Path
    name: str
    settings: dict[str, Any]
    weights: Path

    @property
    def base(self) -> str:
        """The name of the base model, as the adapter states it."""
        return str(self.settings["base_model_name_or_path"])

    @property
    def kind(self) -> str:
        """The method, such as `LORA`."""
        return str(self.settings.get("peft_type") or "PEFT")

    @property
    def description(self) -> str:
        """Method, name and base model, as a result names them."""
        return f"{self.kind} adapter {self.folder.name} on {self.base}"

    def locate_base(self, section: ModelSection) -> tuple[Path, ModelSection]:
        """The folder of the base model, and how it is asked for; raises `ModelError`."""
        base = section.model_copy(update={"name": self.base, "revision": self.settings.get("revision") or None})
        try:
            folder, _ = locate(base)
        except ModelError as error:
            message = (
                f"{self.name}: is an adapter, and its base model cannot be found: {error} The base model is named by "
                f"base_model_name_or_path in {ADAPTER_CONFIG}; put it there, or correct that."
            )
            raise ModelError(message) from error
        if (folder / ADAPTER_CONFIG).exists() and not any((folder / file).exists() for file in _WHOLE_MODELS):
            message = f"{self.name}: its base model {self.base} is an adapter too. Merge that one, and name the result."
            raise ModelError(message)
        return folder, base

    def has_tokenizer(self) -> bool:
        """Whether the adapter's folder brings a tokenizer of its own."""
        return (self.folder / "tokenizer_config.json").is_file()

    def labels(self, section: ModelSection) -> dict[str, Any]:
        """What the adapter says of its labels: settings of a configuration that replace those of the base model."""
        own = self.folder / "config.json"
        if own.is_file():
            stated = read_settings(self.folder, section)
            if stated.get("id2label"):
                named = {int(index): name for index, name in stated["id2label"].items()}
                return {"id2label": named, "label2id": stated.get("label2id") or {},
                        "problem_type": stated.get("problem_type")}  # fmt: skip
        count = self._outputs()
        return {} if count is None else {"num_labels": count}

    def _outputs(self) -> int | None:
        """The number of outputs of the head that the adapter brings; None where it brings none."""
        shapes = {name: shape for name, shape in self._shapes().items() if _HEAD.search(name)}
        last = [shape[0] for name, shape in shapes.items() if _LAST_LAYER.search(name) and len(shape) > 1]
        return last[-1] if last else None

    def supplied(self) -> set[str]:
        """The names of whole weights that the adapter brings, as the base model calls them."""
        return {_plain_name(name) for name in self._shapes()}

    def _is_repeated(self, key: str) -> bool:
        """Whether a weight stands in the file twice, as a bias of its own and with the layer that it belongs to."""
        return ".modules_to_save" in key and [_plain_name(name) for name in self._shapes()].count(_plain_name(key)) > 1

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight of the adapter; raises `ModelError`."""
        try:
            return self._read_shapes()
        except Exception as error:
            message = f"{self.name}: {self.weights.name} cannot be read ({first_line(error)}). Save the adapter again."
            raise ModelError(message) from error

    def _read_shapes(self) -> dict[str, tuple[int, ...]]:
        if self.weights.suffix != ".safetensors":
            state = torch.load(self.weights, map_location="meta", weights_only=True)
            return {str(name): tuple(value.shape) for name, value in state.items()}
        with self.weights.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, 100 << 20)))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}

    def merge(self, model: Any) -> Any:
        """The base model with the adapter merged into its weights; raises `ModelError`."""
        if torch.distributed.is_available():
            import_module("torch.distributed.tensor")  # peft takes it for imported
        from peft import PeftModel
        from peft.utils import load_peft_weights, set_peft_model_state_dict

        try:
            with silenced(), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                wrapped = PeftModel.from_pretrained(model, str(self.folder), is_trainable=False)
                loaded = set_peft_model_state_dict(wrapped, load_peft_weights(str(self.folder), device="cpu"))
                absent = [str(one.message) for one in caught if "missing adapter keys" in str(one.message).lower()]
                unused = sorted(key for key in loaded.unexpected_keys if not self._is_repeated(key))
                merged = wrapped.merge_and_unload(safe_merge=True)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            message = (
                f"{self.name}: the {self.kind} adapter does not go with its base model {self.base} "
                f"({type(error).__name__}: {first_line(error)}). Name the base model that it was trained on."
            )
            raise ModelError(message) from error
        if unused or absent:
            what = f"weights that it does not have ({some(unused)})" if unused else f"other weights ({absent[0][:200]})"
            message = (
                f"{self.name}: the {self.kind} adapter does not go with its base model {self.base}: it changes {what}. "
                "Name the base model that it was trained on."
            )
            raise ModelError(message)
        return merged

    def sha256(self, base: Checkpoint) -> str:
        """The SHA-256 of the base model's weights, of the adapter's, and of its settings, one after the other."""
        digest = hashlib.sha256()
        for file in (*base.files, self.weights, self.folder / ADAPTER_CONFIG):
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def _plain_name(key: str) -> str:
    """A weight of an adapter, as the base model calls it."""
    return key.removeprefix("base_model.model.").replace(".modules_to_save", "")


def find_adapter(folder: Path, section: ModelSection) -> AdapterFolder | None:
    """The adapter in a folder that holds no whole model; raises `ModelError` for one that cannot be used."""
    if not (folder / ADAPTER_CONFIG).is_file() or any((folder / file).exists() for file in _WHOLE_MODELS):
        return None
    name = section.name
    settings = read_json(folder / ADAPTER_CONFIG, name)
    if not isinstance(settings.get("base_model_name_or_path"), str) or not settings["base_model_name_or_path"]:
        message = f"{name}: its {ADAPTER_CONFIG} names no base model. Add base_model_name_or_path."
        raise ModelError(message)
    weights = next((folder / file for file in _WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        message = f"{name}: is an adapter without weights (adapter_model.safetensors). Copy them, or save it again."
        raise ModelError(message)
    _require_task(settings, section)
    if find_spec("peft") is None:
        message = f"{name}: is an adapter, which the package peft loads. Install it: pip install 'ihcli[peft]'."
        raise ModelError(message)
    _require_mergeable(settings, name)
    return AdapterFolder(folder, name, settings, weights)


def _require_task(settings: dict[str, Any], section: ModelSection) -> None:
    """Raise `ModelError` for an adapter that was trained for another task; one without a task may serve any."""
    task = settings.get("task_type")
    if task is None or task in (_LANGUAGE_TASKS if section.template else _CLASSIFYING_TASKS):
        return
    remedy = "leave the template out" if section.template else "give a template for a language model (--template)"
    message = (
        f"{section.name}: is an adapter for the task {task}, and as a "
        f"{'prompted language model' if section.template else 'sequence classifier'} it would mean something else. "
        f"Give another adapter, or {remedy}."
    )
    raise ModelError(message)


def _require_mergeable(settings: dict[str, Any], name: str) -> None:
    """Raise `ModelError` for a method that adds tokens, which no weight can hold."""
    kind = str(settings.get("peft_type"))
    if kind in {"PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT"}:
        message = (
            f"{name}: is an adapter of the kind {kind}, which adds tokens to every text and cannot be merged into the "
            "weights. Give an adapter that can be merged, such as LoRA."
        )
        raise ModelError(message)
