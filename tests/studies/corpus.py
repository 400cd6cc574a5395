"""Speed and crash safety of `ih batch` at the size of a corpus.

``python -m tests.studies.corpus run FILE -o DIR`` explains rows sampled evenly from FILE and reports rate and memory.
``… speed FILE -o DIR`` also runs a loop over `ihcli.explain` and compares both, speed and numbers, and the loop that is
usual without pairs: Captum's LayerIntegratedGradients with 50 steps.
``… kills FILE -o DIR`` kills a batch at random moments, continues it, and compares its store with that of ``run``.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

import numpy as np

from ihcli.corpus import iter_explanations
from ihcli.corpus.part_writer import PART_SECONDS
from ihcli.corpus.readers import Columns, read_rows
from ihcli.corpus.store import HOLDER
from ihcli.corpus.store_manifest import MANIFEST
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import InputError
from ihcli.results import Explanation

MEMORY_SECONDS = 0.5
"""Seconds between two readings of the memory."""
TENTHS = 10


def sample(source: str, columns: Columns, rows: int, out: Path) -> int:
    """Write `rows` readable texts of a file, evenly spaced, as a text a line; returns their number."""
    stream = read_rows(source, columns)
    texts = [row.text for row in stream if row.problem is None and len(row.text.splitlines()) == 1]
    stream.close()
    if not texts:
        message = f"{source}: holds no text that can be read."
        raise InputError(message)
    chosen = [texts[k * len(texts) // rows] for k in range(rows)] if rows < len(texts) else texts
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return len(chosen)


# --- time and memory of a command -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Measured:
    """Time and memory of a command."""

    seconds: float = 0.0
    code: int | None = None
    peak_bytes: int = 0
    """The most that its processes held together; memory that they share is counted for each."""
    tenths: list[int] = field(default_factory=list)
    """The median of that in each tenth of the time."""


def measure(command: Sequence[str], log: Path) -> Measured:
    """Run a command to its end; its output goes to `log`."""
    measured, readings = Measured(), []
    started = time.perf_counter()
    with log.open("ab") as stream, _start(command, stream) as process:
        while process.poll() is None:
            readings.append(_resident_bytes(process.pid))
            time.sleep(MEMORY_SECONDS)
    measured.seconds, measured.code = time.perf_counter() - started, process.returncode
    measured.peak_bytes = max(readings, default=0)
    measured.tenths = [int(np.median(part)) for part in np.array_split(readings, TENTHS) if len(part)]
    return measured


def _start(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that its workers can be killed with it."""
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; 0 without /proc."""
    total = 0
    for one in (pid, *_descendants(pid)):
        try:
            total += int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):  # it has ended
            continue
    return total


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


# --- speed ------------------------------------------------------------------------------------------------------------


def loop(source: Path, settings: Mapping[str, Any], out: Path) -> None:
    """Explain each line of a file by itself, as a user would without `ih batch`, and write the results to `out`."""
    import ihcli

    lines = source.read_text(encoding="utf-8").splitlines()
    results = [ihcli.explain(line, settings) for line in lines]
    out.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in results), encoding="utf-8")


def captum_loop(source: Path, out: Path) -> None:
    """Attributions of each line by Captum's LayerIntegratedGradients, as its tutorial on BERT computes them.

    The path goes from [PAD] to the word embeddings, with 50 steps; the logit of the predicted label is explained.
    """
    import torch
    from captum.attr import LayerIntegratedGradients
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = Path(str(files("ihcli") / "bundled" / "weights"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    method = LayerIntegratedGradients(lambda ids, mask: model(ids, mask).logits, model.get_input_embeddings())
    rows = []
    for line in source.read_text(encoding="utf-8").splitlines():
        inputs = tokenizer(line, return_tensors="pt", truncation=True)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        special = torch.tensor(tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True))
        baseline = torch.where(special.bool(), ids, tokenizer.pad_token_id)
        with torch.no_grad():
            label = int(model(ids, mask).logits.argmax())
        found = method.attribute(ids, baseline, target=label, additional_forward_args=(mask,), n_steps=50)
        rows.append(found.sum(-1)[0].tolist())
    out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def speed(folder: Path, rows: int, options: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The loop and the batch over `folder/sample.txt`: texts a minute, memory, and how far their numbers differ."""
    command = [sys.executable, "-m", "tests.studies.corpus", "loop", str(folder / "sample.txt"), json.dumps(settings)]
    by_loop = measure([*command, str(folder / "loop.jsonl")], folder / "loop.log")
    report = {"loop": _figures(by_loop, rows), **batch(folder, rows, options)}
    first_order = [sys.executable, "-m", "tests.studies.corpus", "captum", str(folder / "sample.txt")]
    by_captum = measure([*first_order, str(folder / "captum.jsonl")], folder / "captum.log")
    report["captum"] = _figures(by_captum, rows)
    if by_loop.code == 0 and report["batch"]["code"] in {0, 4, 5}:
        with (folder / "loop.jsonl").open(encoding="utf-8") as lines:
            alone = [Explanation.from_dict(json.loads(line)) for line in lines]
        stored = (one for _, one in iter_explanations(folder / "run") if isinstance(one, Explanation))
        report["times_as_fast"] = report["batch"]["texts_a_minute"] / report["loop"]["texts_a_minute"]
        report["difference"] = difference({one.text: one for one in alone}, {one.text: one for one in stored})
    return report


def batch(folder: Path, rows: int, options: Sequence[str]) -> dict[str, Any]:
    """The batch over `folder/sample.txt` into `folder/run`: texts a minute that this run explained, and memory."""
    before = _stored_rows(folder / "run")
    measured = measure([*batch_of(folder / "sample.txt", folder / "run"), *options], folder / "batch.log")
    return {"rows": rows, "batch": _figures(measured, _stored_rows(folder / "run") - before)}


def _stored_rows(store: Path) -> int:
    return len(ReadOnlyStore(store).index.entries) if (store / MANIFEST).exists() else 0


def batch_of(source: Path, store: Path) -> list[str]:
    """The command that explains a file into a store."""
    return [sys.executable, "-m", "ihcli", "batch", str(source), "-o", str(store)]


def _figures(measured: Measured, explained: int) -> dict[str, Any]:
    return {**asdict(measured), "explained": explained, "texts_a_minute": 60 * explained / measured.seconds}


# --- crash safety -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: after how many seconds of writing, and whether the workers were killed too."""

    after: float
    workers_too: bool


def run_with_kills(
    command: Sequence[str], store: Path, kills: int, slot: tuple[float, float], seed: int, log: Path
) -> list[Kill]:
    """Run a batch again and again, killing it a random time within `slot` after it opened its store; then let it end.

    Returns the kills; fewer than `kills` where the command ended before.
    """
    chance, done = random.Random(seed), []  # noqa: S311  (moments, no secrets)
    with log.open("ab") as stream:
        for _ in range(kills):
            kill = Kill(chance.uniform(*slot), chance.random() < 0.5)
            with _start(command, stream) as process:
                _wait_for_writing(process, store)
                try:
                    process.wait(kill.after)
                except subprocess.TimeoutExpired:
                    (os.killpg if kill.workers_too else os.kill)(process.pid, signal.SIGKILL)
                    process.wait()
                    done.append(kill)
                else:
                    return done
        with _start(command, stream) as process:
            process.wait()
    return done


def _wait_for_writing(process: subprocess.Popen[bytes], store: Path) -> None:
    """Wait until the process holds the lock of the store, or has ended."""
    while process.poll() is None:
        try:
            if json.loads((store / HOLDER).read_text(encoding="utf-8"))["pid"] == process.pid:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.01)


def difference(some: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """How two sets of results differ: names in one only, rows that failed in one only, and the numbers of the rest."""
    both = some.keys() & others.keys()
    explained = [name for name in both if isinstance(some[name], Explanation) and isinstance(others[name], Explanation)]
    shares = [_relative_difference(some[name], others[name]) for name in explained]
    return {
        "missing": len(some.keys() - others.keys()),
        "additional": len(others.keys() - some.keys()),
        "failed_in_one": sum(isinstance(some[n], Explanation) != isinstance(others[n], Explanation) for n in both),
        "compared": len(explained),
        "largest": max(shares, default=0.0),
        "median": float(np.median(shares)) if shares else 0.0,
    }


def _relative_difference(one: Explanation, other: Explanation) -> float:
    """The largest difference of an entry, as a share of the largest entry; infinite for other units."""
    if one.ih.shape != other.ih.shape:
        return float("inf")
    return float(np.nanmax(np.abs(one.ih - other.ih)) / (np.nanmax(np.abs(one.ih)) or 1.0))


def kills(folder: Path, count: int, options: Sequence[str], seed: int) -> dict[str, Any]:
    """Compare a store of a run that was killed `count` times with that of one that was not."""
    source, whole, killed = folder / "sample.txt", folder / "run", folder / "killed"
    seconds = measure([*batch_of(source, whole), *options], folder / "whole.log").seconds
    for earlier in (folder / "run.json", folder / "speed.json"):
        if earlier.exists():  # the store was there already, and its time was recorded
            seconds = max(seconds, json.loads(earlier.read_text(encoding="utf-8"))["batch"]["seconds"])
    slot = (0.0, 2 * PART_SECONDS + seconds / max(1, count))  # most before a part is written, some after
    command = [*batch_of(source, killed), *options]
    done = run_with_kills(command, killed, count, slot, seed, folder / "killed.log")
    expected, found = (list(iter_explanations(store)) for store in (whole, killed))
    return {
        "kills": [asdict(kill) for kill in done],
        "rows": len(found),
        "each_once": len(found) == len(dict(found)),
        "difference": difference(dict(expected), dict(found)),
    }


# --- the program ------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a study, print its report as JSON, and write it to the folder."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["loop"]:  # the process that `speed` measures
        loop(Path(given[1]), json.loads(given[2]), Path(given[3]))
        return
    if given[:1] == ["captum"]:
        captum_loop(Path(given[1]), Path(given[2]))
        return
    parser = argparse.ArgumentParser(prog="python -m tests.studies.corpus", description=__doc__)
    parser.add_argument("study", choices=("run", "speed", "kills"))
    parser.add_argument("file")
    parser.add_argument("-o", "--out", type=Path, required=True, help="a folder for sample, stores and logs")
    parser.add_argument("--text-column", help="a name, or a number with --no-header")
    parser.add_argument("--no-header", action="store_true")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--workers", type=int, help="as of ih batch")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(given)
    columns = Columns(asked.text_column, header=not asked.no_header)
    rows = sample(asked.file, columns, asked.rows, asked.out / "sample.txt")
    options = ["--tolerance", str(asked.tolerance)]
    options += ["--workers", str(asked.workers)] if asked.workers else []
    if asked.study == "run":
        report = batch(asked.out, rows, options)
    elif asked.study == "speed":
        report = speed(asked.out, rows, options, {"attribution": {"tolerance": asked.tolerance}})
    else:
        report = kills(asked.out, asked.kills, options, asked.seed)
    text = json.dumps(report, indent=1)
    (asked.out / f"{asked.study}.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
