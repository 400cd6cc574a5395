"""Loading, and every bad input of a model: one clear error with the exit code of its kind."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import TEXT, build, classifier, family_of, save, tokenizer
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, CanineTokenizer, PreTrainedTokenizerFast
from typer.testing import CliRunner, Result

from ihcli.cli.app import app
from ihcli.config import RunConfig, UnitsSection
from ihcli.errors import DeviceError, ModelError
from ihcli.models import LoadedClassifier, load_classifier
from ihcli.pipeline import Explainer


def load(folder: Path | str, **section: Any) -> LoadedClassifier:
    return load_classifier(RunConfig.of({"model": {"name": str(folder), **section}}))


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, **values}), encoding="utf-8")


# --- what is loaded -------------------------------------------------------------------------------------------------


def test_what_a_folder_gives(folder: Path) -> None:
    made = load(folder)
    assert made.info.architecture == "BertForSequenceClassification"
    assert made.info.weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert made.labels == ("NEGATIVE", "NEUTRAL", "POSITIVE")
    assert not made.model.training
    assert not any(parameter.requires_grad for parameter in made.model.parameters())
    with torch.no_grad():
        expected = build(family_of("BERT"))(**tokenizer("wordpiece")(TEXT, return_tensors="pt")).logits
        one = made.encode(TEXT, units=UnitsSection())
        assert torch.allclose(made.adapter.of_ids(one.input_ids[None], one.extras), expected, atol=1e-6)


@pytest.mark.parametrize("wanted", ["float32", "float64"])
def test_the_precision_is_what_was_asked_for_whatever_the_checkpoint_s(folder: Path, wanted: str) -> None:
    file = folder / "model.safetensors"
    save_file({name: value.bfloat16() for name, value in load_file(file).items()}, file, {"format": "pt"})
    change(folder / "config.json", dtype="bfloat16")
    made = load(folder, dtype=wanted)
    kinds = {value.dtype for value in made.model.state_dict().values() if value.is_floating_point()}
    assert kinds == {getattr(torch, wanted)}
    assert made.info.dtype == wanted


@pytest.mark.parametrize("stated", ["sdpa", "flash_attention_2"])
def test_attention_is_eager_whatever_the_checkpoint_says(folder: Path, stated: str) -> None:
    change(folder / "config.json", attn_implementation=stated, _attn_implementation=stated)
    assert load(folder).model.config._attn_implementation == "eager"


@pytest.mark.parametrize("name", ["BigBird", "BigBird-Pegasus"])
def test_sparse_attention_by_chance_is_replaced_by_the_full_one(tmp_path: Path, name: str) -> None:
    save(tmp_path, name, attention_type="block_sparse")
    made = load(tmp_path)
    assert made.model.config.attention_type == "original_full"
    assert made.adapter.route is not None


def test_the_limit_counts_positions_that_start_after_the_padding() -> None:
    """RoBERTa's first position is its padding index and one: of 40 rows, 40 - 0 - 1 = 39 tokens can be read."""
    made = classifier(family_of("RoBERTa"), max_position_embeddings=40)
    assert made.max_tokens == 39
    longest = "bad " * 200
    one = made.encode(longest, units=UnitsSection(), truncation=True)
    assert len(one.input_ids) == 39
    made.predict(one)


def test_bert_reads_as_many_as_it_has_positions() -> None:
    made = classifier(family_of("BERT"), max_position_embeddings=30)
    assert made.max_tokens == 30
    made.predict(made.encode("bad " * 200, units=UnitsSection(), truncation=True))


def test_a_batch_of_several_lengths_gives_what_each_text_gives_alone(folder: Path) -> None:
    explainer = Explainer({"model": {"name": str(folder)}})
    texts = [("not bad", None), (TEXT, None), ("so bad", None), ("charming", "not bad")]
    together = explainer.explain_together(texts)
    for (text, pair), found in zip(texts, together, strict=True):
        alone = explainer.explain(text, pair)
        assert not isinstance(found, Exception)
        assert abs(found.ih - alone.ih).max() < 1e-4 * abs(alone.ih).max()
        assert found.prediction == alone.prediction


# --- models that cannot be used ---------------------------------------------------------------------------------------


def without_head(folder: Path) -> None:
    AutoModel.from_config(build(family_of("BERT")).config).save_pretrained(folder)


def without_one_layer(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if "layer.1" not in k}, file, {"format": "pt"})


def of_another_shape(folder: Path) -> None:
    change(folder / "config.json", id2label={str(i): str(i) for i in range(5)}, num_labels=5)


def of_another_kind(folder: Path) -> None:
    change(folder / "config.json", model_type="vit", architectures=["ViTModel"])


def with_a_slow_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    CanineTokenizer().save_pretrained(folder)


def with_another_s_tokenizer(folder: Path) -> None:
    words = {"[UNK]": 0, **{f"w{i}": i for i in range(1, 900)}, "film": 900}
    large = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    large.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=large, unk_token="[UNK]").save_pretrained(folder)


def remove(*names: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return spoil


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


CODE = {"auto_map": {"AutoModelForSequenceClassification": "modeling.Mine"}, "model_type": "mine"}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_head, "has no weights for its classification head (classifier.bias, classifier.weight)"),
        (without_one_layer, "lacks weights (bert.encoder.layer.1"),
        (of_another_shape, "weights of another shape than config.json says (classifier.bias, classifier.weight)"),
        (of_another_kind, "transformers has no text classifier for models of type 'vit'"),
        (lambda folder: change(folder / "config.json", model_type="nope"), "has model_type 'nope', which this version"),
        (write("config.json", b"{"), "its config.json cannot be read"),
        (write("config.json", b"[]"), "its config.json cannot be read"),
        (remove("config.json"), "has no config.json"),
        (remove("model.safetensors"), "has no weights (model.safetensors, or pytorch_model.bin)"),
        (write("model.safetensors", b"nonsense"), "cannot be loaded ("),
        (remove("tokenizer.json", "tokenizer_config.json"), "its tokenizer knows no tokens beside the special ones"),
        (write("tokenizer.json", b"{"), "its tokenizer cannot be loaded"),
        (with_a_slow_tokenizer, "its tokenizer CanineTokenizer is a slow one"),
        (with_another_s_tokenizer, "has embeddings for 400 only: they do not belong together"),
        (
            lambda folder: change(folder / "config.json", **CODE),
            "brings its own code, which is not run without consent",
        ),
    ],
)
def test_a_model_that_cannot_be_used_is_one_message_and_exit_3(
    folder: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(folder)
    result = run("explain", TEXT, "-m", str(folder))
    assert result.exit_code == 3, result.stderr
    assert words in result.stderr
    one_message(result)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./nowhere", "./nowhere: there is no such folder"),
        ("/nowhere/at/all", "there is no such folder"),
        ("pyproject.toml", "is a file; a model is a folder"),
        ("some-body/some-model", "is not in the local cache, and the hub cannot be reached (offline)"),
        ("not a name!", "is no folder here, and the hub does not give it"),
    ],
)
def test_a_name_of_nothing(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    result = run("inspect", name)
    assert result.exit_code == 3
    assert words in result.stderr
    one_message(result)


@pytest.mark.parametrize("name", ["bundled", "folder"])
def test_a_revision_that_cannot_be_heeded_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"model.revision is 'v1', but .*only a hub model has revisions"):
        load(folder if name == "folder" else name, revision="v1")


def test_a_home_that_nobody_has_is_one_message() -> None:
    with pytest.raises(ModelError, match=r"~nobody-of-this-name/bert.*Give a folder"):
        load("~nobody-of-this-name/bert")


@pytest.mark.parametrize(
    ("label", "named"),
    [
        ("\ud800", "U+D800"), ("GO\udfffOD", "U+DFFF"), ("\x1b[31mred", "U+001B"), ("GOOD\n", "U+000A"),
        ("a\tb", "U+0009"), ("a\x85b", "U+0085"), ("a\u2028b", "U+2028"), ("\ufffe", "U+FFFE"), ("\0", "U+0000"),
    ],
)  # fmt: skip
def test_a_label_that_cannot_be_written_on_a_line_is_refused(folder: Path, label: str, named: str) -> None:
    change(folder / "config.json", id2label={"0": "a", "1": label, "2": "c"}, label2id={"a": 0, label: 1, "c": 2})
    result = run("explain", TEXT, "-m", str(folder))
    assert result.exit_code == 3, result.output
    assert f"The label of output 1 is {label!a}, which holds {named}" in result.stderr
    one_message(result)


@pytest.mark.parametrize("label", ["très bien", "好", "👍🏽", "e\u0301", "a b", "نعم"])
def test_a_label_of_any_writing_is_kept(folder: Path, label: str) -> None:
    change(folder / "config.json", id2label={"0": "a", "1": label, "2": "c"}, label2id={"a": 0, label: 1, "c": 2})
    assert load(folder).labels == ("a", label, "c")


def test_labels_that_do_not_count_from_zero_are_one_message(folder: Path) -> None:
    change(folder / "config.json", id2label={"1": "a", "2": "b", "3": "c"})
    with pytest.raises(ModelError, match="names no label for output 0: id2label needs the keys 0 to 2"):
        load(folder)


@pytest.mark.parametrize("revision", [None, "main", "abc123", "A" * 40])
def test_code_of_the_hub_needs_the_full_commit(revision: str | None) -> None:
    with pytest.raises(ModelError, match="the full commit is required, 40 hexadecimal digits"):
        load("some-body/some-model", trust_remote_code=True, revision=revision)


def test_code_that_was_consented_to_is_run(folder: Path) -> None:
    code = (
        "from transformers import BertForSequenceClassification, BertConfig\n"
        "class Settings(BertConfig):\n    model_type = 'mine'\n"
        "class Mine(BertForSequenceClassification):\n    config_class = Settings\n"
    )
    (folder / "modeling.py").write_text(code, encoding="utf-8")
    mapping = {"AutoConfig": "modeling.Settings", "AutoModelForSequenceClassification": "modeling.Mine"}
    change(folder / "config.json", auto_map=mapping, model_type="mine")
    with pytest.raises(ModelError, match="brings its own code"):
        load(folder)
    made = load(folder, trust_remote_code=True)
    assert made.info.architecture == "Mine"


@pytest.mark.parametrize(
    ("file", "mapping"),
    [
        ("config.json", {"AutoModelForSequenceClassification": "some-body/else--modeling.Mine"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["some-body/else--code.Slow", None]}),
    ],
)
def test_code_of_yet_another_repository_is_refused(folder: Path, file: str, mapping: dict[str, Any]) -> None:
    change(folder / file, auto_map=mapping)
    with pytest.raises(ModelError, match="code lies in some-body/else, whose commit nobody has named"):
        load(folder, trust_remote_code=True)


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DeviceError, match=r"The device 'cuda:9' does not exist; this machine has .*cpu"):
        load_classifier(RunConfig.of({"model": {"name": str(folder)}, "runtime": {"device": "cuda:9"}}))


# --- bad input of a good model ----------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, *(["--json"] if arguments[0] == "explain" else [])])


def one_message(result: Result) -> None:
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([TEXT, "--target", "joy"], "no label 'joy'. The labels: NEGATIVE (0), NEUTRAL (1), POSITIVE (2)"),
        ([TEXT, "--target", "3"], "The label 3 is past the last index, 2"),
        ([TEXT, "--target", "1", "--against", "NEUTRAL"], "are both 'NEUTRAL', and their difference is always zero"),
        ([TEXT, "--against", "joy"], "no label to compare against 'joy'"),
        (["\u200b"], "tokenizes to nothing"),
        (["bad " * 90], "The text has 92 tokens and the model reads at most 70. Shorten it, allow it to be cut"),
        ([TEXT, "--baseline-text", TEXT], "equals the text itself, token by token"),
        ([TEXT, "--baseline-file", "nowhere.txt"], "nowhere.txt: the baseline texts cannot be read"),
        ([TEXT, "--spans", "nowhere.txt"], "nowhere.txt: the spans cannot be read"),
        ([TEXT, "--spans", "OVERLAP"], "the spans 0 4 and 3 7 overlap; units must not share characters"),
        ([TEXT, "--spans", "PAST"], "the span 0 99 does not lie in the text, which has 22 characters"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(original: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    for name, content in (("OVERLAP", "0 4\n3 7"), ("PAST", "0 99")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    places = [str(tmp_path / one) if one in {"OVERLAP", "PAST"} else one for one in arguments]
    result = run("explain", *places, "-m", str(original))
    assert result.exit_code == 2, result.stderr
    assert words in result.stderr
    one_message(result)


def test_a_pair_for_a_model_without_one(folder: Path) -> None:
    words = Tokenizer(models.WordLevel({"[UNK]": 0, **{word: i for i, word in enumerate(TEXT.split(), 1)}}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[UNK]").save_pretrained(folder)
    assert len(load(folder).encode(TEXT, units=UnitsSection()).units) == 5
    result = run("explain", TEXT, "--text-pair", "bad", "-m", str(folder))
    assert result.exit_code == 2
    assert "puts nothing between two texts" in result.stderr
    one_message(result)


def test_a_tokenizer_without_a_mask(folder: Path) -> None:
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer("wordpiece").backend_tokenizer, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(folder)
    result = run("explain", TEXT, "-m", str(folder), "--baseline", "mask")
    assert result.exit_code == 2
    assert "it has pad ([PAD]), unk ([UNK]). Choose one that is there, zero, or a text." in result.stderr
    one_message(result)


def test_a_regressor_asked_for_a_probability(tmp_path: Path) -> None:
    save(tmp_path, num_labels=1)
    result = run("explain", TEXT, "-m", str(tmp_path), "--output", "probability")
    assert result.exit_code == 2
    assert "Use the output logit" in result.stderr
    one_message(result)
