"""Adapters of PEFT: the merged model gives what PEFT's own model gives, and what cannot be merged says why."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import TEXT, build, family_of, save, tokenizer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.config import RunConfig, UnitsSection
from ihcli.errors import ModelError
from ihcli.models import LoadedClassifier, load_classifier, peft_adapters
from ihcli.pipeline import Explainer
from ihcli.results import Explanation

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # PEFT's own use

TARGETS = {"BERT": ["query", "value"], "RoBERTa": ["query"], "DistilBERT": ["q_lin"], "GPT-2": ["c_attn"],
           "Llama": ["q_proj", "v_proj"]}  # fmt: skip


def load(folder: Path, **section: Any) -> LoadedClassifier:
    return load_classifier(RunConfig.of({"model": {"name": str(folder), **section}}))


def perturb(model: Any) -> None:
    """Weights as after training: an untrained adapter changes nothing."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
        assert "lora_" not in name or parameter.requires_grad


def adapt(parent: Path, family: str = "BERT", config: Any = None, labels: int = 3) -> Path:
    """A base model in `base` and an adapter of it in `adapter`, which names it."""
    base, adapter = parent / "base", parent / "adapter"
    save(base, family)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=labels, ignore_mismatched_sizes=True, attn_implementation="eager"
    )
    model.config.pad_token_id = 0
    config = config or peft.LoraConfig(
        task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=TARGETS[family], fan_in_fan_out=family == "GPT-2"
    )
    wrapped = peft.get_peft_model(model, config)
    perturb(wrapped)
    wrapped.save_pretrained(adapter)
    tokenizer(family_of(family).tokenizer).save_pretrained(adapter)
    return adapter


def expected_logits(adapter: Path, labels: int = 3) -> torch.Tensor:
    """What PEFT gives, unmerged."""
    base = AutoModelForSequenceClassification.from_pretrained(
        adapter.parent / "base", num_labels=labels, ignore_mismatched_sizes=True, attn_implementation="eager"
    )
    base.config.pad_token_id = 0
    model = peft.PeftModel.from_pretrained(base, str(adapter)).eval()
    own = tokenizer_of(adapter)
    with torch.no_grad():
        return model(**own(TEXT, return_tensors="pt")).logits[0]


def tokenizer_of(adapter: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(adapter)


def logits(made: LoadedClassifier) -> torch.Tensor:
    one = made.encode(TEXT, units=UnitsSection())
    with torch.no_grad():
        return made.adapter.of_ids(one.input_ids[None], one.extras)[0]


@pytest.mark.parametrize("family", TARGETS)
def test_it_is_the_model_that_peft_makes(tmp_path: Path, family: str) -> None:
    adapter = adapt(tmp_path, family)
    made = load(adapter)
    assert torch.allclose(logits(made), expected_logits(adapter), atol=1e-5)
    base = load(adapter.parent / "base")
    assert not torch.allclose(logits(made), logits(base), atol=1e-2)
    assert made.adapter.route is not None


@pytest.mark.parametrize(
    "config",
    [
        {"use_dora": True}, {"use_rslora": True}, {"bias": "all"}, {"modules_to_save": ["classifier", "pooler"]},
        {"rank_pattern": {"query": 3}, "alpha_pattern": {"value": 9}},
    ],
)  # fmt: skip
def test_variants_of_lora(tmp_path: Path, config: dict[str, Any]) -> None:
    settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["query", "value"], **config)
    adapter = adapt(tmp_path, config=settings)
    assert torch.allclose(logits(load(adapter)), expected_logits(adapter), atol=1e-5)


def test_another_method_that_can_be_merged(tmp_path: Path) -> None:
    config = peft.IA3Config(task_type="SEQ_CLS", target_modules=["query", "output.dense"],
                            feedforward_modules=["output.dense"])  # fmt: skip
    adapter = adapt(tmp_path, config=config)
    made = load(adapter)
    assert torch.allclose(logits(made), expected_logits(adapter), atol=1e-5)
    assert made.info.adapter == f"IA3 adapter adapter on {adapter.parent / 'base'}"


def test_the_head_of_the_adapter_says_how_many_labels_there_are(tmp_path: Path) -> None:
    adapter = adapt(tmp_path, labels=5)
    made = load(adapter)
    assert made.labels == tuple(f"LABEL_{i}" for i in range(5))
    assert torch.allclose(logits(made), expected_logits(adapter, 5), atol=1e-5)


def test_names_of_labels_come_from_a_configuration_beside_the_adapter(tmp_path: Path) -> None:
    adapter = adapt(tmp_path)
    base = json.loads((tmp_path / "base" / "config.json").read_text(encoding="utf-8"))
    names = {"0": "no", "1": "perhaps", "2": "yes"}
    content = {**base, "id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
    (adapter / "config.json").write_text(json.dumps(content), encoding="utf-8")
    assert load(adapter).labels == ("no", "perhaps", "yes")


def test_a_base_that_was_only_pretrained_gets_its_head_from_the_adapter(tmp_path: Path) -> None:
    adapter = adapt(tmp_path)
    expected = expected_logits(adapter)
    base = tmp_path / "base"
    file = base / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if not k.startswith("classifier")}, file, {"format": "pt"})
    change(base / "config.json", architectures=["BertForPreTraining"])
    assert torch.allclose(logits(load(adapter)), expected, atol=1e-5)
    with pytest.raises(ModelError, match="has no weights for its classification head"):
        load(base)


def test_result_and_digest_name_base_and_adapter(tmp_path: Path) -> None:
    adapter = adapt(tmp_path)
    info = load(adapter).info
    base = str(tmp_path / "base")
    assert info.name == str(adapter)
    assert info.architecture == "BertForSequenceClassification"
    assert info.adapter == f"LORA adapter adapter on {base}"
    files = [tmp_path / "base" / "model.safetensors", adapter / "adapter_model.safetensors",
             adapter / "adapter_config.json"]  # fmt: skip
    assert info.weights_sha256 == hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (adapter / "adapter_config.json").write_text(json.dumps({**settings, "lora_alpha": 40}), encoding="utf-8")
    other = load(adapter)
    assert other.info.weights_sha256 != info.weights_sha256, "another scale is another model"


def test_pickled_weights_of_an_adapter(tmp_path: Path) -> None:
    adapter = adapt(tmp_path)
    expected = expected_logits(adapter)
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    assert torch.allclose(logits(load(adapter)), expected, atol=1e-5)


def test_the_tokenizer_of_the_base_serves_an_adapter_without_one(tmp_path: Path) -> None:
    adapter = adapt(tmp_path)
    expected = expected_logits(adapter)
    for file in adapter.glob("token*"):
        file.unlink()
    assert torch.allclose(logits(load(adapter)), expected, atol=1e-5)


def test_a_checkpoint_of_a_trainer(tmp_path: Path) -> None:
    """Beside the adapter lie the state of the optimizer and of the random numbers."""
    adapter = adapt(tmp_path)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        torch.save({"state": 1}, adapter / name)
    (adapter / "trainer_state.json").write_text("{}", encoding="utf-8")
    assert torch.allclose(logits(load(adapter)), expected_logits(adapter), atol=1e-5)


def test_the_whole_way_to_an_explanation(tmp_path: Path) -> None:
    found = Explainer({"model": {"name": str(adapt(tmp_path))}, "baseline": {"kind": "zero"}}).explain(TEXT)
    allowed = found.certificate.tolerance * abs(found.ih).max()
    assert found.ih.sum() == pytest.approx(found.f_input - found.f_baseline, abs=allowed)
    assert found.to_dict()["model"]["adapter"] == f"LORA adapter adapter on {tmp_path / 'base'}"
    assert Explanation.from_dict(found.to_dict()).model == found.model
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "adapter")])
    assert shown.stdout.splitlines()[1] == f"LORA adapter adapter on {tmp_path / 'base'}, merged"


def test_a_model_without_an_adapter_names_none(tmp_path: Path) -> None:
    found = Explainer({"model": {"name": str(adapt(tmp_path).parent / "base")}, "baseline": {"kind": "zero"}})
    document = found.explain("not bad").to_dict()
    assert "adapter" not in document["model"]
    assert Explanation.from_dict(document).model.adapter is None


def test_double_precision(tmp_path: Path) -> None:
    made = load(adapt(tmp_path), dtype="float64")
    assert {parameter.dtype for parameter in made.model.parameters()} == {torch.float64}


# --- what cannot be used --------------------------------------------------------------------------------------------


def change(adapter: Path, **values: Any) -> None:
    file = adapter if adapter.is_file() else adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapt(tmp_path_factory.mktemp("lora"))


@pytest.fixture
def adapter(lora: Path, tmp_path: Path) -> Path:
    return shutil.copytree(lora, tmp_path / "mine")


def of_another_base(adapter: Path) -> None:
    change(adapter, base_model_name_or_path=str(save(adapter.parent / "other", "DistilBERT")))


def of_a_wider_base(adapter: Path) -> None:
    wide = save(adapter.parent / "wide", "BERT", hidden_size=64)
    change(adapter, base_model_name_or_path=str(wide))


def with_weights_of_another_layer(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    state = load_file(file)
    name = next(name for name in state if "layer.1" in name)
    state[name.replace("layer.1", "layer.7")] = state.pop(name)
    save_file(state, file, {"format": "pt"})


def without_some_weights(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if "layer.1" not in k}, file, {"format": "pt"})


def of_nan(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    state = load_file(file)
    name = next(name for name in state if "lora_A" in name)
    state[name][0, 0] = float("nan")
    save_file(state, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: change(a, base_model_name_or_path="/nowhere/at/all"), "its base model cannot be found: /nowhere"),
        (lambda a: change(a, base_model_name_or_path="some-body/some-base"), "and the hub cannot be reached (offline)"),
        (lambda a: change(a, base_model_name_or_path=None), "names no base model. Add base_model_name_or_path"),
        (lambda a: change(a, base_model_name_or_path=str(a)), "is an adapter too"),
        (lambda a: change(a, task_type="TOKEN_CLS"), "is an adapter for the task TOKEN_CLS"),
        (lambda a: change(a, task_type="CAUSAL_LM"), "give a template for a language model (--template)"),
        (lambda a: change(a, peft_type="PROMPT_TUNING"), "adds tokens to every text and cannot be merged"),
        (lambda a: change(a, peft_type="NO_SUCH_THING"), "adapter does not go with its base model"),
        (lambda a: (a / "adapter_model.safetensors").unlink(), "is an adapter without weights"),
        (lambda a: (a / "adapter_model.safetensors").write_bytes(b"nonsense"), "adapter_model.safetensors cannot be"),
        (lambda a: (a / "adapter_config.json").write_text("["), "its adapter_config.json cannot be read"),
        (of_another_base, "adapter does not go with its base model"),
        (of_a_wider_base, "adapter does not go with its base model"),
        (with_weights_of_another_layer, "adapter does not go with its base model"),
        (without_some_weights, "adapter does not go with its base model"),
        (of_nan, "NaN"),
    ],
)  # fmt: skip
def test_an_adapter_that_cannot_be_used_is_one_message(
    adapter: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(adapter)
    with pytest.raises(ModelError) as caught:
        load(adapter)
    assert words in str(caught.value)
    assert str(adapter) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_without_peft_says_what_to_install(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peft_adapters, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["explain", TEXT, "-m", str(adapter), "--json"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert "pip install 'ihcli[peft]'" in result.stderr


def test_a_base_without_a_head_and_an_adapter_without_one(tmp_path: Path) -> None:
    base = tmp_path / "base"
    model = build(family_of("BERT"))
    model.bert.save_pretrained(base)
    tokenizer("wordpiece").save_pretrained(base)
    wrapped = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["query"]))
    wrapped.base_model.model.name_or_path = str(base)
    wrapped.save_pretrained(tmp_path / "adapter")
    change(tmp_path / "adapter", base_model_name_or_path=str(base))
    with pytest.raises(ModelError, match="has no weights for its classification head"):
        load(tmp_path / "adapter")
