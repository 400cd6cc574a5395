"""What a model's config.json says: its task, its labels, and what cannot be read."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from architectures import tokenizer
from transformers import AutoModelForTokenClassification, BertConfig, ModernBertConfig

from ihcli.config import RunConfig
from ihcli.errors import ModelError
from ihcli.models import LoadedClassifier, load_classifier

SMALL = {
    "vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 80, "pad_token_id": 0, "num_labels": 3,
}  # fmt: skip


def load(folder: Path, **section: Any) -> LoadedClassifier:
    return load_classifier(RunConfig.of({"model": {"name": str(folder), **section}}))


def change(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.mark.parametrize("settings", [ModernBertConfig, BertConfig])
def test_a_model_that_labels_words_is_not_explained_as_one_of_texts(tmp_path: Path, settings: type) -> None:
    """ModernBERT's two heads have the same names and shapes: nothing is missing and nothing is left."""
    AutoModelForTokenClassification.from_config(settings(**SMALL)).save_pretrained(tmp_path)
    tokenizer("wordpiece").save_pretrained(tmp_path)
    with pytest.raises(ModelError) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 3
    named = settings.__name__.removesuffix("Config")
    assert f"says that the model is a {named}ForTokenClassification, which does not classify" in str(caught.value)


@pytest.mark.parametrize(
    "named",
    [
        ["BertForQuestionAnswering"], ["BertForMaskedLM"], ["BertModel"], "BertForTokenClassification",
        ["BertForMultipleChoice", "BertForMaskedLM"], ["MyOwnBert"], [7],
    ],
)  # fmt: skip
def test_another_architecture_in_the_configuration_is_refused(folder: Path, named: Any) -> None:
    change(folder, architectures=named)
    with pytest.raises(ModelError, match=r"its config\.json (says that the model is a|cannot)|cannot be loaded"):
        load(folder)


@pytest.mark.parametrize(
    "named",
    [None, [], ["BertForSequenceClassification"], ["BertModel", "BertForSequenceClassification"],
     ["XLMRobertaForSequenceClassification"]],
)  # fmt: skip
def test_no_architecture_or_one_that_classifies_texts_is_fine(folder: Path, named: Any) -> None:
    change(folder, architectures=named)
    assert load(folder).labels == ("NEGATIVE", "NEUTRAL", "POSITIVE")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            ["NEGATIVE", "POSITIVE"],
            'is a list, and must map each output\'s index to its name. Write {"0": "NEGATIVE", ',
        ),
        ("POSITIVE", "id2label in its config.json is a str"),
        (3, "id2label in its config.json is a int"),
        ({"zero": "a", "one": "b"}, "has the key 'zero'; the keys must be the indices 0 to 1"),
        ({"-1": "a", "0": "b"}, "has the key '-1'"),
        ({"0.0": "a"}, "has the key '0.0'"),
        ({"9" * 5000: "a"}, "has the key '999"),
    ],
)
def test_labels_that_map_no_index_are_one_message_about_labels(folder: Path, labels: Any, words: str) -> None:
    change(folder, id2label=labels)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert "tokenizer" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": ' + b"[" * 100_000, b'{"a": ' + b'{"a":' * 5_000, b'{"model_type": ' + b"9" * 5000 + b"}",
        "{}".encode("utf-16"), b"\xff\xfe\x00", b"null", b'"bert"', b"", b"{" + b" " * (17 << 20) + b"}",
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_is_one_message(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"its config\.json cannot be read"):
        load(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json", "special_tokens_map.json"])
def test_other_files_that_are_nested_deeply_are_one_message_or_unused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b'{"a": ' + b"[" * 100_000)
    with pytest.raises(ModelError, match="its tokenizer cannot be loaded"):
        load(folder)


def test_a_configuration_that_is_a_pipe_does_not_hang(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load(folder)


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-this-name/x", "/x" * 3000])
def test_a_name_that_no_folder_can_have_is_one_message(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_classifier(RunConfig.of({"model": {"name": name}}))
    assert len(str(caught.value)) < 600
