"""The files of a model's weights: which of a folder's are loaded, whether they can be, and their digest."""

import hashlib
import re
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import nn

from ihcli.errors import ModelError
from ihcli.models.model_folder import ADAPTER_CONFIG, read_json
from ihcli.models.transformers_output import some

_SAFETENSORS, _SAFETENSORS_INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLE, _PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_LFS_POINTER = b"version https://git-lfs"
_OTHER_FORMATS = (
    ("*.gguf", "quantised weights of llama.cpp; give the model that was converted to GGUF"),
    ("tf_model*.h5", "weights of TensorFlow; save the model with PyTorch's save_pretrained"),
    ("*.msgpack", "weights of Flax; save the model with PyTorch's save_pretrained"),
    ("*.onnx", "a graph of ONNX; give the PyTorch model that it was exported from"),
    ("model-*-of-*.safetensors", f"one of several parts, and {_SAFETENSORS_INDEX} is missing; copy it too"),
    ("pytorch_model-*-of-*.bin", f"one of several parts, and {_PICKLE_INDEX} is missing; copy it too"),
    ("model.*.safetensors", f"a variant; to use it, rename it to {_SAFETENSORS}"),
    ("adapter_model.*", f"weights of an adapter, and {ADAPTER_CONFIG} is missing; copy it too"),
    ("*.pt", "a file of torch.save; load it in Python and save the model with save_pretrained"),
    ("*.pth", "a file of torch.save; load it in Python and save the model with save_pretrained"),
    ("*.ckpt", "a checkpoint of a trainer; load it in Python and save the model with save_pretrained"),
    ("*.bin", f"not called {_PICKLE}; save the model with save_pretrained"),
    ("*.safetensors", f"not called {_SAFETENSORS}; save the model with save_pretrained"),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weight files that are loaded, in the order of their names."""

    files: tuple[Path, ...]

    @property
    def is_safetensors(self) -> bool:
        """Whether the files are of safetensors, else pickled tensors."""
        return self.files[0].suffix == ".safetensors"

    def sha256(self) -> str:
        """The SHA-256 of the content of all files, one after the other."""
        digest = hashlib.sha256()
        for file in self.files:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def find_checkpoint(folder: Path, name: str, settings: dict[str, Any]) -> Checkpoint:
    """The files that transformers loads from a folder, by its own order of preference; raises `ModelError`."""
    stated = settings.get("transformers_weights")
    candidates = [str(stated)] if stated else [_SAFETENSORS, _SAFETENSORS_INDEX, _PICKLE, _PICKLE_INDEX]
    for candidate in candidates:
        if not _stays_within(candidate):
            raise ModelError(_leaves_the_folder(name, "config.json", candidate))
    chosen = next((one for one in candidates if (folder / one).is_file()), None)
    if chosen is None:
        raise ModelError(_no_weights(folder, name))
    parts = _parts(folder, name, chosen) if chosen.endswith(".index.json") else [chosen]
    for part in parts:
        _require_weights(folder / part, name, part)
    return Checkpoint(tuple(folder / part for part in parts))


def _parts(folder: Path, name: str, index: str) -> list[str]:
    """The files that an index names; raises `ModelError` for an index that is damaged or leads out of the folder."""
    mapping = read_json(folder / index, name).get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(isinstance(part, str) for part in mapping.values()):
        message = f"{name}: its {index} has no weight_map from weights to files. Save the model again."
        raise ModelError(message)
    parts = sorted(set(mapping.values()))
    for part in parts:
        if not _stays_within(part):
            raise ModelError(_leaves_the_folder(name, index, part))
    return parts


def _stays_within(path: str) -> bool:
    """Whether a relative path leads to a file below its folder, on every system; links are not looked at."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    rooted = posix.is_absolute() or bool(windows.drive or windows.root)
    return not rooted and ".." not in windows.parts and bool(windows.parts) and "\0" not in path


def _leaves_the_folder(name: str, file: str, path: str) -> str:
    return (
        f"{name}: its {file} takes weights from {path[:200]!r}, outside the model's folder, which is not followed. "
        "Copy the weights into the folder and name them there."
    )


def _no_weights(folder: Path, name: str) -> str:
    for pattern, meaning in _OTHER_FORMATS:
        found = next((file.name for file in sorted(folder.glob(pattern)) if file.is_file()), None)
        if found is not None:
            return f"{name}: has no weights (model.safetensors, or pytorch_model.bin); it has {found}, {meaning}."
    return (
        f"{name}: has no weights (model.safetensors, or pytorch_model.bin). Save the model with save_pretrained, or "
        "give another folder."
    )


def _require_weights(file: Path, name: str, part: str) -> None:
    """Raise `ModelError` for a file that is missing, a pointer of Git LFS, or cannot hold weights."""
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
    except OSError as error:
        message = f"{name}: {part} cannot be read ({error.strerror or error}). Copy it, or save the model again."
        raise ModelError(message) from error
    if start.startswith(_LFS_POINTER):
        message = f"{name}: {part} is a pointer of Git LFS and not the weights. Run `git lfs pull` there."
        raise ModelError(message)
    if not start:
        message = f"{name}: {part} is empty. Copy it again."
        raise ModelError(message)
    if start.startswith(b"PK") and file.suffix == ".safetensors":
        message = f"{name}: {part} is a file of torch.save with the wrong name. Rename it to {_PICKLE}."
        raise ModelError(message)
    if file.suffix == ".bin" and not zipfile.is_zipfile(file) and not start.startswith(b"\x80"):
        message = f"{name}: {part} is not a file of torch.save. Copy it again, or save the model again."
        raise ModelError(message)


# --- what loading left out --------------------------------------------------------------------------------------

# Heads of pre-training and buffers of older versions: a classifier has no use for them.
_UNUSED_BY_DESIGN = re.compile(
    r"(^|\.)(position_ids|inv_freq|masked_bias|attn\.bias|attention\.bias|num_batches_tracked"
    r"|embed_positions\.(weights|_float_tensor)|(loss_fct|loss_fn|criterion)\.\w+)$"
    r"|^(\w+\.)?(cls|lm_head|mlm_head|nsp_head|sop_classifier|predictions|generator_predictions"
    r"|discriminator_predictions|lm_predictions|mask_predictions|generator_lm_head|embed_out|final_logits_bias"
    r"|lm_loss|pred_layer|mask_emb|vocab_transform|vocab_layer_norm|vocab_projector|pooler)(\.|$)"
)
_QUANTISED_KEY = re.compile(r"\.(SCB|weight_format|absmax|quant_map|quant_state\..*|qweight|qzeros|scales|g_idx)$")
_ADAPTER_KEY = re.compile(r"\.(lora_\w+|base_layer|modules_to_save|ia3_\w+|adapters?|prompt_encoder)(\.|$)")
_WRAPPERS = (
    ("_orig_mod.", "compiled (torch.compile)", "model._orig_mod"),
    ("module.", "wrapped (DataParallel)", "model.module"),
    ("base_model.model.", "wrapped by PEFT", "model.merge_and_unload()"),
    ("model.model.", "wrapped by another module", "the inner model"),
)


def require_complete(
    model: Any,
    report: dict[str, Any],
    name: str,
    head: str = "classification head",
    supplied: Collection[str] = (),
    advice: str = "Give the fine-tuned model and not the one that it was made from.",
) -> None:
    """Raise `ModelError` unless every weight of the model came from its files, in its own shape.

    `report` is what transformers says of loading; an adapter will supply the weights called `supplied`.
    """
    absent, unused = sorted(set(report["missing_keys"]) - set(supplied)), _unused(report)
    quantised = [key for key in unused if _QUANTISED_KEY.search(key)]
    if quantised:
        message = (
            f"{name}: its weights are quantised ({some(quantised)}); their second derivatives cannot be taken. Give "
            "the model that was quantised, in float32, float16 or bfloat16."
        )
        raise ModelError(message)
    for prefix, state, inner in _WRAPPERS:
        if absent and sum(key.startswith(prefix) for key in unused) > len(unused) // 2:
            message = (
                f"{name}: the weights were saved from a model that was {state}: their names begin with {prefix!r} "
                f"({unused[0]}). Save {inner} with save_pretrained."
            )
            raise ModelError(message)
    if absent:
        of_head = [key for key in absent if not key.startswith(f"{model.base_model_prefix}.")]
        what = f"has no weights for its {head}" if of_head else "lacks weights"
        beside = f" It has others that this class does not use ({some(unused)})." if unused else ""
        message = f"{name}: {what} ({some(of_head or absent)}), so its answers would be random.{beside} {advice}"
        raise ModelError(message)
    mismatched = {str(key[0] if isinstance(key, tuple) else key) for key in report.get("mismatched_keys") or ()}
    if found := sorted(mismatched - set(supplied)):
        message = f"{name}: weights of another shape than config.json says ({some(found)}). Save it again."
        raise ModelError(message)


def require_all_used(model: Any, report: dict[str, Any], name: str) -> None:
    """Raise `ModelError` for weights in the files that the model did not take.

    Heads of pre-training, which a classifier does not have, may be left.
    """
    unused = _unused(report)
    adapters = [key for key in unused if _ADAPTER_KEY.search(key)]
    if adapters:
        message = (
            f"{name}: holds weights of an adapter ({some(adapters)}), which {type(model).__name__} does not use. "
            "Merge them with model.merge_and_unload() and save the result, or give the adapter's own folder."
        )
        raise ModelError(message)
    if unused:
        message = (
            f"{name}: holds weights that {type(model).__name__} does not use ({some(unused)}), so its answers would "
            "not be those of the model that was trained. Give a checkpoint of this class, or the model's own code "
            "(model.trust_remote_code)."
        )
        raise ModelError(message)


def _unused(report: dict[str, Any]) -> list[str]:
    return sorted(key for key in report["unexpected_keys"] if not _UNUSED_BY_DESIGN.search(key))


def require_finite(model: nn.Module, name: str) -> None:
    """Raise `ModelError` where a weight is NaN or infinite."""
    wrong = [key for key, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if wrong:
        message = (
            f"{name}: holds weights that are NaN or infinite ({some(wrong)}); training went wrong, or a file is "
            "damaged. Give an earlier checkpoint."
        )
        raise ModelError(message)


def refuse_adapter_beside(folder: Path, checkpoint: Checkpoint, name: str) -> None:
    """Raise `ModelError` where a folder holds a whole model and an adapter, so that two models could be meant."""
    if (folder / ADAPTER_CONFIG).exists():
        message = (
            f"{name}: holds a whole model ({some(_names(checkpoint.files))}) and an adapter ({ADAPTER_CONFIG}), and it "
            "is not clear which is meant. If the adapter is merged, remove its files; else give a folder with the "
            "adapter alone."
        )
        raise ModelError(message)


def _names(files: Sequence[Path]) -> list[str]:
    return [file.name for file in files]
