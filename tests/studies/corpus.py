"""Checks of `ih batch` at the size of a corpus: its speed against a loop over `ihcli.explain`, and its survival.

`python -m tests.studies.corpus run FILE -o DIR` explains rows sampled evenly from FILE, and says rate and memory.
`… speed FILE -o DIR` runs the loop before it, each in a process of its own, and compares the two and their numbers.
`… kills FILE -o DIR` compares a store that grew through random kills with an undisturbed one (of the checks above, if
they were made in DIR).
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
from pathlib import Path
from typing import IO, Any

import numpy as np

from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns, read_rows
from ihcli.corpus.writer import PART_SECONDS
from ihcli.errors import InputError
from ihcli.results import Explanation

EVERY = 0.5
"""Seconds between two looks at the memory."""
TENTHS = 10


def sample(source: str, columns: Columns, rows: int, out: Path) -> int:
    """Write `rows` readable texts of a file, evenly spaced, a text a line; returns how many there are."""
    with_rows = read_rows(source, columns)
    texts = [row.text for row in with_rows if row.problem is None and len(row.text.splitlines()) == 1]
    with_rows.close()
    if not texts:
        message = f"{source}: holds no text that can be read."
        raise InputError(message)
    chosen = [texts[k * len(texts) // rows] for k in range(rows)] if rows < len(texts) else texts
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return len(chosen)


# --- a command and its memory -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Measured:
    """What a command took."""

    seconds: float = 0.0
    code: int | None = None
    peak_bytes: int = 0
    """The most that its processes held together, memory that they share counted once for each."""
    tenths: list[int] = field(default_factory=list)
    """The median of that in each tenth of the time."""


def measure(command: Sequence[str], log: Path) -> Measured:
    """Run a command to its end, its output going to `log`."""
    found, seen = Measured(), []
    begun = time.perf_counter()
    with log.open("ab") as stream, _started(command, stream) as process:
        while process.poll() is None:
            seen.append(_resident(process.pid))
            time.sleep(EVERY)
    found.seconds, found.code = time.perf_counter() - begun, process.returncode
    found.peak_bytes = max(seen, default=0)
    found.tenths = [int(np.median(part)) for part in np.array_split(seen, TENTHS) if len(part)]
    return found


def _started(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a session of its own, so that its workers can be killed with it."""
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _resident(pid: int) -> int:
    """Bytes that a process and its descendants hold; 0 without /proc."""
    total = 0
    for own in (pid, *_descendants(pid)):
        try:
            total += int(Path(f"/proc/{own}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):  # it has gone
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
    """Explain a text a line one by one, as a user would without `ih batch`; the results go to `out` at the end."""
    import ihcli

    lines = source.read_text(encoding="utf-8").splitlines()
    found = [ihcli.explain(line, settings) for line in lines]
    out.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in found), encoding="utf-8")


def speed(folder: Path, rows: int, options: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The loop and the batch over `folder/sample.txt`: texts a minute, memory, and how far their numbers differ."""
    here = [sys.executable, "-m", "tests.studies.corpus", "loop", str(folder / "sample.txt"), json.dumps(settings)]
    by_loop = measure([*here, str(folder / "loop.jsonl")], folder / "loop.log")
    found = {"loop": _figures(by_loop, rows), **batch(folder, rows, options)}
    if by_loop.code == 0 and found["batch"]["code"] in {0, 4, 5}:
        with (folder / "loop.jsonl").open(encoding="utf-8") as lines:
            alone = [Explanation.from_dict(json.loads(line)) for line in lines]
        stored = (one for _, one in iter_explanations(folder / "run") if isinstance(one, Explanation))
        found["times_as_fast"] = by_loop.seconds / found["batch"]["seconds"]
        found["difference"] = difference({one.text: one for one in alone}, {one.text: one for one in stored})
    return found


def batch(folder: Path, rows: int, options: Sequence[str]) -> dict[str, Any]:
    """The batch over `folder/sample.txt` into `folder/run`: texts a minute and memory."""
    measured = measure([*batch_of(folder / "sample.txt", folder / "run"), *options], folder / "batch.log")
    return {"rows": rows, "batch": _figures(measured, rows)}


def batch_of(source: Path, store: Path) -> list[str]:
    """The command that explains a file into a store."""
    return [sys.executable, "-m", "ihcli", "batch", str(source), "-o", str(store)]


def _figures(measured: Measured, rows: int) -> dict[str, Any]:
    return {**asdict(measured), "texts_a_minute": 60 * rows / measured.seconds}


# --- survival ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: after how many seconds, and whether the workers were killed too or left to notice."""

    after: float
    workers_too: bool


def survive(command: Sequence[str], kills: int, slot: tuple[float, float], seed: int, log: Path) -> list[Kill]:
    """Give a command again and again, killing it `kills` times after a random time within `slot`; then let it end.

    Returns the kills; fewer where the command came to its end before.
    """
    chance, done = random.Random(seed), []  # noqa: S311  (moments, no secrets)
    with log.open("ab") as stream:
        for _ in range(kills):
            kill = Kill(chance.uniform(*slot), chance.random() < 0.5)
            with _started(command, stream) as process:
                try:
                    process.wait(kill.after)
                except subprocess.TimeoutExpired:
                    (os.killpg if kill.workers_too else os.kill)(process.pid, signal.SIGKILL)
                    process.wait()
                    done.append(kill)
                else:
                    return done
        with _started(command, stream) as process:
            process.wait()
    return done


def difference(some: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """How two sets of results differ: names in one only, outcomes of another kind, and the numbers of the rest."""
    both = some.keys() & others.keys()
    explained = [name for name in both if isinstance(some[name], Explanation) and isinstance(others[name], Explanation)]
    shares = [_gap(some[name], others[name]) for name in explained]
    return {
        "missing": len(some.keys() - others.keys()),
        "additional": len(others.keys() - some.keys()),
        "of_another_kind": sum(isinstance(some[n], Explanation) != isinstance(others[n], Explanation) for n in both),
        "compared": len(explained),
        "largest": max(shares, default=0.0),
        "median": float(np.median(shares)) if shares else 0.0,
    }


def _gap(one: Explanation, other: Explanation) -> float:
    """The largest difference of an entry, as a share of the largest entry; infinite for other units."""
    if one.ih.shape != other.ih.shape:
        return float("inf")
    return float(np.nanmax(np.abs(one.ih - other.ih)) / (np.nanmax(np.abs(one.ih)) or 1.0))


def kills(folder: Path, count: int, options: Sequence[str], seed: int) -> dict[str, Any]:
    """Compare a store that grew through `count` kills with an undisturbed one."""
    source, whole, killed = folder / "sample.txt", folder / "run", folder / "killed"
    command = [*batch_of(source, whole), *options]
    seconds = measure(command, folder / "whole.log").seconds
    for noted in (folder / "run.json", folder / "speed.json"):
        if noted.exists():  # the store was there, and how long it took was noted
            seconds = max(seconds, json.loads(noted.read_text(encoding="utf-8"))["batch"]["seconds"])
    start = measure(command, folder / "whole.log").seconds  # with nothing left to do
    # Some while it starts, most before a part is written, some after; the workers take as long to start as the command.
    slot = (0.2 * start, 2 * start + 2 * PART_SECONDS + max(0.0, seconds - start) / max(1, count))
    done = survive([*batch_of(source, killed), *options], count, slot, seed, folder / "killed.log")
    expected, found = (dict(iter_explanations(store)) for store in (whole, killed))
    rows = sum(1 for _ in iter_explanations(killed))
    return {
        "kills": [asdict(kill) for kill in done],
        "rows": rows,
        "each_once": rows == len(found),
        "difference": difference(expected, found),
    }


# --- the program ------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a check and print what it found as JSON."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["loop"]:  # the process that `speed` measures
        loop(Path(given[1]), json.loads(given[2]), Path(given[3]))
        return
    parser = argparse.ArgumentParser(prog="python -m tests.studies.corpus", description=__doc__)
    parser.add_argument("check", choices=("run", "speed", "kills"))
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
    if asked.check == "run":
        found = batch(asked.out, rows, options)
    elif asked.check == "speed":
        found = speed(asked.out, rows, options, {"attribution": {"tolerance": asked.tolerance}})
    else:
        found = kills(asked.out, asked.kills, options, asked.seed)
    text = json.dumps(found, indent=1)
    (asked.out / f"{asked.check}.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
