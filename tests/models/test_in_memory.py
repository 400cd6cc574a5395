"""Models in memory: the numbers of the saved model, nothing of the user's changed, and one clear error each."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from architectures import build, family_of, save, tokenizer
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    pipeline,
)

import ihcli
from ihcli.errors import ModelError, UsageError
from ihcli.models import classifier as classifier_module
from ihcli.models.in_memory import weights_sha256

TEXT = "this movie was not bad"
WITHOUT_REMOVAL = {"attribution": {"removal": False}}
FAMILIES = ("BERT", "Llama")


def load(folder: Path, **settings: Any) -> tuple[Any, Any]:
    model = AutoModelForSequenceClassification.from_pretrained(folder, **settings)
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="session", params=FAMILIES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model"), request.param)


def snapshot(model: nn.Module) -> dict[str, Any]:
    """All that a user could find changed, the weights byte by byte."""
    state: dict[str, Any] = {
        f"module {name}": (module.training, len(module._forward_hooks), len(module._backward_hooks),
                           len(module._forward_pre_hooks), sorted(vars(module)), id(vars(module).get("forward")))
        for name, module in model.named_modules()
    }  # fmt: skip
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        content = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        state[name] = (id(value), value.data_ptr(), value.dtype, str(value.device), value.requires_grad,
                       value._version, value.grad is None, content)  # fmt: skip
    state["config"] = (id(model.config), copy.deepcopy(model.config.to_dict()), model.config._attn_implementation)
    state["checkpointing"] = getattr(model, "is_activation_checkpointing", None)
    return state


# --- the numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_numbers_are_those_of_the_same_model_in_a_folder(saved: Path, dtype: torch.dtype, tmp_path: Path) -> None:
    model, own = load(saved, dtype=dtype, attn_implementation="sdpa")
    model.save_pretrained(tmp_path)
    own.save_pretrained(tmp_path)
    here = ihcli.Explainer.from_model(model, own).explain(TEXT)
    there = ihcli.explain(TEXT, {"model": {"name": str(tmp_path)}})
    for name in ("ig", "ih", "f_input", "f_baseline"):
        assert np.allclose(getattr(here, name), getattr(there, name), rtol=0, atol=1e-6)
    assert here.prediction == there.prediction
    assert np.abs(there.ih).max() > 1e-3
    assert here.model.weights_sha256 == weights_sha256(model)


def test_a_pipeline_stands_in_for_its_model(saved: Path) -> None:
    model, own = load(saved)
    expected = ihcli.Explainer.from_model(model, own, WITHOUT_REMOVAL).explain(TEXT)
    found = ihcli.Explainer.from_model(
        pipeline("text-classification", model=model, tokenizer=own), config=WITHOUT_REMOVAL
    ).explain(TEXT)
    assert found.to_json() == expected.to_json()


def test_weights_are_shared_where_the_precision_is_the_same(saved: Path) -> None:
    model, own = load(saved, dtype=torch.float32)
    twin = ihcli.Explainer.from_model(model, own).classifier.model
    addresses = {name: value.data_ptr() for name, value in model.named_parameters()}
    assert {name: value.data_ptr() for name, value in twin.named_parameters()} == addresses


@pytest.mark.parametrize("write", [
    lambda weight: weight.data.mul_(1.5),  # no version counter sees this one
    lambda weight: torch.no_grad()(weight.mul_)(1.5),
])  # fmt: skip
def test_training_further_is_noticed(saved: Path, write: Callable[[Tensor], Any]) -> None:
    model, own = load(saved, dtype=torch.float32)
    explainer = ihcli.Explainer.from_model(model, own, WITHOUT_REMOVAL)
    before = explainer.explain(TEXT)
    write(
        next(value for name, value in model.named_parameters() if name.endswith("norm.weight") or "LayerNorm" in name)
    )
    after = explainer.explain(TEXT)
    fresh = ihcli.Explainer.from_model(model, own, WITHOUT_REMOVAL).explain(TEXT)
    assert after.to_json() == fresh.to_json()
    assert after.model.weights_sha256 != before.model.weights_sha256
    assert not np.allclose(after.ih, before.ih)


def test_labels_that_were_renamed_are_noticed(saved: Path) -> None:
    model, own = load(saved)
    explainer = ihcli.Explainer.from_model(model, own, WITHOUT_REMOVAL)
    explainer.explain(TEXT)
    model.config.id2label = {0: "no", 1: "perhaps", 2: "yes"}
    assert set(explainer.explain(TEXT).prediction.probabilities) == {"no", "perhaps", "yes"}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # of peft itself
def test_an_adapter_is_merged_into_a_copy(saved: Path) -> None:
    base, own = load(saved)
    torch.manual_seed(0)
    wanted = ["q_proj"] if base.config.model_type == "llama" else ["query"]
    model = get_peft_model(base, LoraConfig(r=2, target_modules=wanted, task_type="SEQ_CLS", init_lora_weights=False))
    before = snapshot(model)
    found = ihcli.Explainer.from_model(model, own, WITHOUT_REMOVAL).explain(TEXT)
    assert snapshot(model) == before
    assert found.model.adapter == "LORA adapter default"
    assert found.model.architecture == type(base).__name__
    merged = copy.deepcopy(model).merge_and_unload()
    expected = ihcli.Explainer.from_model(merged, own, WITHOUT_REMOVAL).explain(TEXT)
    assert np.allclose(found.ih, expected.ih, rtol=0, atol=1e-6)
    assert found.model.weights_sha256 != expected.model.weights_sha256


class Fused(BertForSequenceClassification):
    """A classifier whose own code computes fused attention, whatever its configuration says."""

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, **_: Any) -> Any:
        x = self.bert.embeddings.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        attended = functional.scaled_dot_product_attention(x, x, x)
        logits = self.classifier(torch.tanh(attended + x).mean(1))
        return type("Output", (), {"logits": logits})()


def test_attention_that_a_model_s_own_code_fuses_is_computed_explicitly() -> None:
    torch.manual_seed(0)
    model = Fused(build(family_of("BERT")).config)
    explainer = ihcli.Explainer.from_model(
        model, tokenizer("wordpiece"), {**WITHOUT_REMOVAL, "baseline": {"kind": "zero"}}
    )
    result = explainer.explain(TEXT)
    assert result.converged
    prepared = explainer.prepare(TEXT)
    [path] = prepared.switched.paths

    def f(switch: Tensor) -> Tensor:  # the same score written out, its attention by hand
        x = path.start + switch[path.groups.clamp_min(0)][:, None] * path.delta
        weights = (x @ x.T / x.shape[-1] ** 0.5).softmax(-1)
        logits: Tensor = model.classifier(torch.tanh(weights @ x + x).mean(0))
        return logits[prepared.target.index]

    nodes, weights = np.polynomial.legendre.leggauss(12)
    total = torch.zeros(path.units, path.units)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        ones = torch.full((path.units,), float(node))
        hessian = torch.func.hessian(f)(ones)
        gradient = torch.func.grad(f)(ones)
        total += float(weight * -np.log(node)) * (node * hessian + torch.diag(gradient))
    assert np.allclose(result.ih, total.detach().numpy(), atol=0.02 * np.abs(result.ih).max())


# --- nothing of the user's is changed -------------------------------------------------------------------------------


def delicate(folder: Path) -> tuple[Any, Any]:
    """A model being trained: half precision, fused attention, checkpointing, a hook, some frozen weights."""
    model, own = load(folder, dtype=torch.float16, attn_implementation="sdpa")
    model.train()
    model.activation_checkpointing_enable()
    model.register_forward_hook(lambda *_: None)
    next(model.parameters()).requires_grad_(requires_grad=False)
    return model, own


def test_nothing_of_the_model_is_changed(saved: Path) -> None:
    model, own = delicate(saved)
    before, tokens = snapshot(model), own(TEXT, max_length=3, truncation=True)
    explainer = ihcli.Explainer.from_model(model, own)
    assert snapshot(model) == before
    explainer.explain([TEXT, "not bad at all"])
    assert snapshot(model) == before
    assert own(TEXT, max_length=3, truncation=True) == tokens


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, ModelError])
def test_nothing_is_changed_by_an_explanation_that_ends_early(
    saved: Path, interruption: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, own = delicate(saved)
    before = snapshot(model)
    explainer = ihcli.Explainer.from_model(model, own)
    raised = []

    def stop(*_: Any) -> None:
        assert snapshot(model) == before  # also meanwhile
        raised.append(1)
        raise interruption

    with pytest.raises(interruption):
        explainer.explain(TEXT, progress=stop)
    monkeypatch.setattr(classifier_module.LoadedClassifier, "predict", stop)
    with pytest.raises(interruption):
        explainer.explain(TEXT)
    assert len(raised) == 2
    assert snapshot(model) == before


# --- bad input ------------------------------------------------------------------------------------------------------


def on_two_devices(model: Any) -> Any:
    model.hf_device_map = {"bert": 0, "classifier": "cpu"}
    return model


def partly_elsewhere(model: Any) -> Any:
    model.classifier.to("meta")
    return model


def quantised(model: Any) -> Any:
    model.is_quantized = True
    return model


def dynamically_quantised(model: Any) -> Any:
    model.classifier.weight = nn.Parameter(model.classifier.weight.detach().to(torch.int8), requires_grad=False)
    return model


REFUSED = {
    "on two devices": (on_two_devices, "is on 2 devices"),
    "partly elsewhere": (partly_elsewhere, "is on 2 devices \\(cpu, meta\\)"),
    "nowhere": (lambda model: model.to("meta"), "has no weights yet"),
    "quantised": (quantised, "without quantization_config"),
    "in integers": (dynamically_quantised, "weights of torch.int8"),
    "labels of tokens": (lambda model: AutoModelForTokenClassification.from_config(model.config), "does not classify"),
    "without a head": (lambda model: AutoModel.from_config(model.config), "no classification head"),
    "not of transformers": (lambda _: nn.Linear(2, 2), "no configuration of transformers"),
    "without weights": (lambda _: nn.Identity(), "no parameters"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_model_that_cannot_be_explained_is_refused(case: str) -> None:
    change, words = REFUSED[case]
    model = change(build(family_of("BERT")))
    modes = [module.training for module in model.modules()]
    with pytest.raises(ModelError, match=words) as caught:
        ihcli.Explainer.from_model(model, tokenizer("wordpiece"))
    assert "\n" not in str(caught.value)
    assert [module.training for module in model.modules()] == modes


def test_what_is_missing_or_of_another_type_is_named() -> None:
    model, own = build(family_of("BERT")), tokenizer("wordpiece")
    with pytest.raises(UsageError, match="came without a tokenizer"):
        ihcli.Explainer.from_model(model)
    with pytest.raises(UsageError, match="tokenizer is a str"):
        ihcli.Explainer.from_model(model, "bert")
    with pytest.raises(UsageError, match="model is a str"):
        ihcli.Explainer.from_model("bert-base-uncased", own)
    with pytest.raises(UsageError, match=r"model\.name to 'bundled-elsewhere'"):
        ihcli.Explainer.from_model(model, own, {"model": {"name": "bundled-elsewhere"}})
    with pytest.raises(UsageError, match="Leave the tokenizer out"):
        ihcli.Explainer.from_model(pipeline("text-classification", model=model, tokenizer=own), own)


def test_a_pipeline_of_another_task_is_refused() -> None:
    config = build(family_of("BERT")).config
    other = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_config(config),
        tokenizer=tokenizer("wordpiece"),
    )
    with pytest.raises(ModelError, match="token-classification"):
        ihcli.Explainer.from_model(other)


def test_weights_that_are_not_numbers_are_refused() -> None:
    model = build(family_of("BERT"))
    with torch.no_grad():
        model.classifier.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="in memory"):
        ihcli.Explainer.from_model(model, tokenizer("wordpiece"))
