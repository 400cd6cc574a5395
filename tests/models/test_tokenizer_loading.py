"""Slow tokenizers: converted where the result gives the same ids, and else refused."""

from typing import TYPE_CHECKING, Any

import pytest
import sentencepiece
from architectures import CORPUS
from transformers import BertGenerationTokenizer, ByT5Tokenizer

from ihcli.config import UnitsSection
from ihcli.errors import ModelError
from ihcli.models import tokenizer_loading
from ihcli.models.encoding import encode
from ihcli.models.tokenizer_loading import _converted

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [*CORPUS, "这部电影不错", "хорошо not", "  two  spaces and a line", "don’t 3.14"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("slow")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 8), model_prefix=str(folder / "spiece"), vocab_size=300, model_type="unigram",
        hard_vocab_limit=False, pad_id=3, minloglevel=2,
    )  # fmt: skip
    return BertGenerationTokenizer(vocab_file=str(folder / "spiece.model"), model_max_length=50)


def test_a_slow_tokenizer_is_converted_to_one_with_the_same_ids(slow: Any) -> None:
    assert not slow.is_fast
    made = _converted(slow, "model")
    assert made.is_fast
    for text in [*TEXTS, "bad bad not a disaster", "très très"]:
        assert made(text)["input_ids"] == slow(text)["input_ids"]
    assert (made.pad_token_id, made.unk_token_id, made.model_max_length) == (slow.pad_token_id, slow.unk_token_id, 50)
    found = encode(made, "this movie was not bad", None, UnitsSection(), limit=50, accepted=())
    assert [unit.text for unit in found.units] == ["this", "movie", "was", "not", "bad"]


def test_a_conversion_that_gives_other_ids_is_refused(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        """As the slow one, but for one text."""

        def __getattr__(self, name: str) -> Any:
            return getattr(slow, name)

        def __call__(self, text: str) -> Any:
            return {"input_ids": [1]} if "wasn't" in text else slow(text)

    with pytest.raises(ModelError, match=r"gives other tokens for .It wasn't well-known"):
        _converted(Other(), "model")
    monkeypatch.setattr(tokenizer_loading, "_TRIALS", ("not bad",))
    assert _converted(Other(), "model").is_fast


def test_one_that_nobody_can_convert_is_refused() -> None:
    with pytest.raises(ModelError, match=r"ByT5Tokenizer is a slow one.*transformers cannot convert this one"):
        _converted(ByT5Tokenizer(), "model")
