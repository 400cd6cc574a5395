"""Which weights are loaded, that all of them are, and that the digest is of exactly those files."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import TEXT, build, family_of, save
from safetensors.torch import load_file, save_file
from torch import Tensor

from ihcli.config import RunConfig, UnitsSection
from ihcli.errors import ExitCode, ModelError
from ihcli.models import LoadedClassifier, load_classifier

WEIGHTS = "model.safetensors"


def load(folder: Path | str, **section: Any) -> LoadedClassifier:
    return load_classifier(RunConfig.of({"model": {"name": str(folder), **section}}))


def probabilities(made: LoadedClassifier) -> list[float]:
    return list(made.predict(made.encode(TEXT, units=UnitsSection())).probabilities.values())


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def settings(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def sha256(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def negated(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: -value if name.startswith("classifier") else value.clone() for name, value in state.items()}


# --- every weight in the files is used ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            ["bert.encoder.layer.0.attention.self.query.lora_A.default.weight",
             "bert.encoder.layer.0.attention.self.query.lora_B.default.weight"],
            "holds weights of an adapter (bert.encoder.layer.0.attention.self.query.lora_A.default.weight, ",
        ),
        (["classifier.modules_to_save.default.weight"], "Merge them with model.merge_and_unload()"),
        (["classifier.original_module.weight", "bert.encoder.layer.0.output.dense.ia3_l"], "an adapter (bert.encoder"),
        (["classifier.dense.weight", "classifier.dense.bias"], "does not use (classifier.dense.bias, classifier.dense"),
        (["pre_classifier.weight"], "holds weights that BertForSequenceClassification does not use (pre_classifier."),
        (["bert.encoder.layer.2.output.dense.weight"], "does not use (bert.encoder.layer.2.output.dense.weight)"),
        (["qa_outputs.weight"], "so its answers would not be those of the model that was trained"),
        (["v_head.summary.weight", "a.b", "c.d", "e.f"], "does not use (a.b, c.d, e.f and 1 more)"),
        (["bert.encoder.layer.0.output.dense.SCB"], "its weights are quantised"),
        (["classifier.qweight", "classifier.scales"], "Give the model that was quantised, in float32"),
    ],
)  # fmt: skip
def test_weights_that_no_layer_takes_are_refused_by_name(folder: Path, keys: list[str], words: str) -> None:
    rewrite(folder, lambda state: {**state, **{key: torch.ones(2) for key in keys}})
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert caught.value.exit_code == ExitCode.MODEL


@pytest.mark.parametrize(
    "key",
    [
        "cls.predictions.transform.dense.weight", "cls.seq_relationship.weight", "bert.embeddings.position_ids",
        "lm_head.dense.weight", "vocab_projector.bias", "discriminator_predictions.dense.weight", "mlm_head.bias",
        "lm_predictions.lm_head.bias", "model.lm_head.weight", "bert.encoder.layer.0.rotary.inv_freq",
        "loss_fct.weight",
    ],
)  # fmt: skip
def test_heads_of_pre_training_and_old_buffers_may_be_left(folder: Path, original: Path, key: str) -> None:
    rewrite(folder, lambda state: {**state, key: torch.ones(2)})
    assert probabilities(load(folder)) == pytest.approx(probabilities(load(original)), abs=1e-7)


def test_a_pooler_that_this_class_does_not_have_may_be_left(tmp_path: Path) -> None:
    save(tmp_path, "RoBERTa")
    rewrite(tmp_path, lambda state: {**state, "roberta.pooler.dense.weight": torch.ones(2)})
    assert load(tmp_path).info.architecture == "RobertaForSequenceClassification"


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("_orig_mod.", "saved from a model that was compiled (torch.compile): their names begin with '_orig_mod.'"),
        ("module.", "that was wrapped (DataParallel): their names begin with 'module.' (module.bert."),
        ("base_model.model.", "Save model.merge_and_unload() with save_pretrained"),
    ],
)
def test_weights_of_a_wrapped_model_say_how_it_was_wrapped(folder: Path, prefix: str, words: str) -> None:
    rewrite(folder, lambda state: {prefix + name: value for name, value in state.items()})
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert "fine-tuned" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["classifier.weight", "bert.embeddings.word_embeddings.weight"])
def test_weights_that_are_no_numbers_are_named(folder: Path, name: str, value: float) -> None:
    def spoil(state: dict[str, Tensor]) -> dict[str, Tensor]:
        state[name][0, 0] = value
        return state

    rewrite(folder, spoil)
    with pytest.raises(ModelError, match=rf"holds weights that are NaN or infinite \({name}\)"):
        load(folder)


def test_a_whole_model_beside_an_adapter_is_refused_with_and_without_peft(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"holds a whole model \(model\.safetensors\) and an adapter"):
        load(folder)


# --- the files that are loaded --------------------------------------------------------------------------------------


def shard(folder: Path) -> list[str]:
    build(family_of("BERT")).save_pretrained(folder, max_shard_size="40KB")
    (folder / WEIGHTS).unlink()
    return sorted(path.name for path in folder.glob("model-*.safetensors"))


def test_a_second_format_beside_the_loaded_one_is_not_in_the_digest(folder: Path) -> None:
    torch.save(negated(load_file(folder / WEIGHTS)), folder / "pytorch_model.bin")
    assert load(folder).info.weights_sha256 == sha256(folder / WEIGHTS)


def test_unrelated_safetensors_beside_pickled_weights_are_not_in_the_digest(folder: Path, original: Path) -> None:
    state = load_file(folder / WEIGHTS)
    torch.save(negated(state), folder / "pytorch_model.bin")
    (folder / WEIGHTS).rename(folder / "unrelated.safetensors")
    made = load(folder)
    assert made.info.weights_sha256 == sha256(folder / "pytorch_model.bin")
    logits = [torch.tensor(probabilities(one), dtype=torch.float64).log() for one in (made, load(original))]
    centred = [one - one.mean() for one in logits]
    assert torch.allclose(centred[0], -centred[1], atol=1e-5), "the weights that were loaded are the negated ones"


def test_parts_have_one_digest_without_stale_parts(folder: Path, original: Path) -> None:
    parts = shard(folder)
    assert len(parts) > 1
    expected = sha256(*(folder / part for part in parts))
    (folder / "model-00009-of-00009.safetensors").write_bytes(b"of an earlier, larger model")
    made = load(folder)
    assert made.info.weights_sha256 == expected
    assert probabilities(made) == pytest.approx(probabilities(load(original)), abs=1e-6)


def test_parts_of_pickled_weights(folder: Path, original: Path) -> None:
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(state)
    files = {name: f"pytorch_model-0000{1 + (i % 2)}-of-00002.bin" for i, name in enumerate(names)}
    for file in set(files.values()):
        torch.save({name: state[name] for name in names if files[name] == file}, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    made = load(folder)
    assert made.info.weights_sha256 == sha256(*(folder / file for file in sorted(set(files.values()))))
    assert probabilities(made) == pytest.approx(probabilities(load(original)), abs=1e-6)


@pytest.mark.parametrize("name", ["T5", "BART", "Gemma", "ALBERT"])
@pytest.mark.parametrize("sharded", [False, True])
def test_tied_weights_are_stored_once_and_missed_nowhere(tmp_path: Path, name: str, *, sharded: bool) -> None:
    save(tmp_path, name)
    if sharded:
        build(family_of(name)).save_pretrained(tmp_path, max_shard_size="60KB")
        (tmp_path / WEIGHTS).unlink()
    one = load(tmp_path)
    encoded = one.encode(TEXT, units=UnitsSection())
    with torch.no_grad():
        expected = build(family_of(name))(input_ids=encoded.input_ids[None]).logits
        assert torch.allclose(one.adapter.of_ids(encoded.input_ids[None], encoded.extras), expected, atol=1e-5)


def into(folder: Path, part: str) -> None:
    """An index that takes every weight from one file."""
    names = sorted(load_file(folder / WEIGHTS))
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, part)}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), encoding="utf-8")


def test_an_index_into_a_subfolder_is_hashed_there(folder: Path) -> None:
    (folder / "sub").mkdir()
    into(folder, "sub/weights.safetensors")
    (folder / WEIGHTS).rename(folder / "sub" / "weights.safetensors")
    rewritten = negated(load_file(folder / "sub" / "weights.safetensors"))
    first = load(folder)
    assert first.info.weights_sha256 == sha256(folder / "sub" / "weights.safetensors")
    save_file(rewritten, folder / "sub" / "weights.safetensors", {"format": "pt"})
    assert load(folder).info.weights_sha256 != first.info.weights_sha256


@pytest.mark.parametrize("outside", ["../outside.safetensors", "sub/../../outside.safetensors", "ABSOLUTE", "..\\out"])
def test_an_index_that_leaves_the_folder_is_refused(folder: Path, outside: str) -> None:
    target = folder.parent / "outside.safetensors"
    into(folder, str(target) if outside == "ABSOLUTE" else outside)
    (folder / WEIGHTS).rename(target)
    with pytest.raises(ModelError, match=r"takes weights from .*outside the model's folder, which is not followed"):
        load(folder)


@pytest.mark.parametrize("stated", ["../other.safetensors", "/etc/passwd", "C:\\weights.safetensors"])
def test_a_configuration_that_names_weights_outside_is_refused(folder: Path, stated: str) -> None:
    settings(folder, transformers_weights=stated)
    with pytest.raises(ModelError, match=r"its config\.json takes weights from .*outside the model's folder"):
        load(folder)


def test_weights_that_the_configuration_names_are_those_of_the_digest(folder: Path) -> None:
    save_file(negated(load_file(folder / WEIGHTS)), folder / "second.safetensors", {"format": "pt"})
    settings(folder, transformers_weights="second.safetensors")
    made = load(folder)
    assert made.info.weights_sha256 == sha256(folder / "second.safetensors")
    settings(folder, transformers_weights=None)
    assert made.info.weights_sha256 != load(folder).info.weights_sha256
    assert probabilities(made) != pytest.approx(probabilities(load(folder)), abs=1e-3)


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}', b'{"weight_map": {"a": 1}}', b"[" * 100_000],
)
def test_a_damaged_index_is_one_message(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"its model\.safetensors\.index\.json (cannot be read|has no weight_map)"):
        load(folder)


def test_a_part_that_is_missing_is_named(folder: Path) -> None:
    part = shard(folder)[0]
    (folder / part).unlink()
    with pytest.raises(ModelError, match=rf"{part} cannot be read \(No such file or directory\)"):
        load(folder)


# --- files that are not weights ---------------------------------------------------------------------------------------

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def pickled_whole(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save(build(family_of("BERT")), folder / "pytorch_model.bin")


def pickled_state_with_more(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"model": torch.nn.Linear(2, 2), "epoch": 3}, folder / "pytorch_model.bin")


def only(name: str, content: bytes = b"x") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / WEIGHTS).write_bytes(POINTER), "model.safetensors is a pointer of Git LFS"),
        (only("pytorch_model.bin", POINTER), "pytorch_model.bin is a pointer of Git LFS and not the weights. Run `git"),
        (lambda folder: (folder / "config.json").write_bytes(POINTER), "its config.json is a pointer of Git LFS"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b""), "model.safetensors is empty"),
        (lambda folder: torch.save({}, folder / WEIGHTS), "model.safetensors is a file of torch.save with the wrong"),
        (only("pytorch_model.bin", b"<html>"), "pytorch_model.bin is not a file of torch.save"),
        (pickled_whole, "pytorch_model.bin is a pickle of more than tensors, such as a whole model; it is not loaded"),
        (pickled_state_with_more, "pytorch_model.bin is a pickle of more than tensors"),
        (only("model.pt"), "it has model.pt, a file of torch.save; load it in Python"),
        (only("model-q4.gguf"), "it has model-q4.gguf, quantised weights of llama.cpp"),
        (only("tf_model.h5"), "it has tf_model.h5, weights of TensorFlow"),
        (only("flax_model.msgpack"), "it has flax_model.msgpack, weights of Flax"),
        (only("model.onnx"), "it has model.onnx, a graph of ONNX"),
        (only("model.fp16.safetensors"), "it has model.fp16.safetensors, a variant; to use it, rename it"),
        (only("model-00001-of-00002.safetensors"), "one of several parts, and model.safetensors.index.json is missing"),
        (only("weights.safetensors"), "it has weights.safetensors, not called model.safetensors"),
    ],
)
def test_files_that_are_not_weights_say_what_they_are(
    folder: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "its weights are quantised (gptq)"),
        ({"load_in_8bit": True}, "its weights are quantised (8 bits)"),
        ({"load_in_4bit": True, "quant_method": "bitsandbytes"}, "its weights are quantised (bitsandbytes)"),
        ("int8", "its weights are quantised (of a method that is not named)"),
    ],
)
def test_a_quantised_checkpoint_says_what_to_give_instead(folder: Path, described: object, words: str) -> None:
    settings(folder, quantization_config=described)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert "Give the model that was quantised" in str(caught.value)
