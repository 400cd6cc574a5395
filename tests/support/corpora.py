"""A stand-in for a loaded model: valid explanations that follow from the text alone, and failures on demand."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from explanations import make_explanation

from ihcli.config import RunConfig
from ihcli.corpus.batch_run import BatchJob, Tally, run
from ihcli.errors import InputError, NonFiniteError, TextTooLongError
from ihcli.results import Explanation, ModelInfo
from ihcli.windows import Window, require_possible

LIMIT = 12


class Tokenizer:
    """A token a word."""

    def __call__(self, *texts: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [0 for text in texts for _ in text.split()]}


class StandIn:
    """Explains any text at once; `nan` in a text is a model's failure, and more than 12 words are too many."""

    def __init__(
        self, config: RunConfig | dict[str, Any] | None = None, weights: str = "0" * 64, pause: float = 0.0
    ) -> None:
        self.config = config if isinstance(config, RunConfig) else RunConfig.of(config)
        info = ModelInfo("bundled", None, "BertForSequenceClassification", weights, "float32")
        self.classifier = SimpleNamespace(
            info=info, labels=("NEGATIVE", "POSITIVE"), tokenizer=Tokenizer(), max_tokens=LIMIT,
            device=torch.device("cpu"),
        )  # fmt: skip
        self.pause = pause
        self.groups: list[int] = []

    def prepare(self, text: str, text_pair: str | None = None) -> None:
        pass

    def windows(self, text: str, text_pair: str | None = None) -> list[Window]:
        """Windows of four words that share none."""
        require_possible(self.config, paired=text_pair is not None)
        words = text.split()
        if "undivided" in words:
            message = "This text cannot be divided."
            raise InputError(message)
        parts = [" ".join(words[k : k + 4]) for k in range(0, len(words), 4)]
        total = len(words)
        return [
            Window(part, 0, 1, 4 * k, min(4 * k + 4, total), k + 1, len(parts), total, "words")
            for k, part in enumerate(parts)
        ]

    def explain_together(self, texts: Sequence[tuple[str, str | None]]) -> list[Explanation | Exception]:
        self.groups.append(len(texts))
        return [self.one(*text) for text in texts]

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        del pair
        time.sleep(self.pause)
        words = text.split()
        if len(words) > LIMIT:
            return TextTooLongError(f"The text has {len(words)} tokens and the model reads at most {LIMIT}.")
        if "nan" in words:
            return NonFiniteError("The model's f is NaN or infinite on the path at t = 0.5.")
        found = make_explanation(text=text, seed=sum(map(ord, text)) % 1000)
        if "slow" not in words:
            return found
        import dataclasses

        return dataclasses.replace(found, certificate=dataclasses.replace(found.certificate, converged=False))


def texts(count: int) -> list[str]:
    """Texts of one to nine words and a number, all different."""
    words = ["a", "fine", "film", "with", "no", "plot", "but", "good", "jokes"]
    return [" ".join(words[: 1 + k % 9]) + f" {k}" for k in range(count)]


def written(path: Path, lines: Sequence[str]) -> Path:
    """A file with a text a line."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def go(source: Path, out: Path, explainer: StandIn | None = None, **more: Any) -> Tally:
    """Explain a file into a store."""
    return run(BatchJob(str(source), out, **more), explainer or StandIn())  # type: ignore[arg-type]


def stored(folder: Path, lines: Sequence[str], explainer: StandIn | None = None, **more: Any) -> Path:
    """A store of the texts, made by the stand-in."""
    go(written(folder / "in.txt", lines), folder / "run", explainer, **more)
    return folder / "run"


SHARDED = [f"text number {k}" for k in range(9)] + ["is nan", "again", "again"]


def shards(folder: Path, count: int = 3) -> list[Path]:
    """The stores of all shards of `SHARDED`."""
    made = []
    for k in range(1, count + 1):
        own = folder / f"shard{k}"
        own.mkdir()
        made.append(stored(own, SHARDED, shard=(k, count)))
    return made
