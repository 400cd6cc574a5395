"""A cold start: one `ih explain` as a process of its own, against the least that loading its model takes.

``python -m tests.studies.cold_start --out outputs/benchmarks/cold_start.json`` runs four kinds of process in turn, each
on one thread, and takes the CPU and wall seconds of each whole process:

- ``bare`` imports torch and transformers, loads model and tokenizer of the bundled folder by the Auto classes, and runs
  the text once;
- ``classes`` does the same with the two classes of this model in the place of the Auto classes;
- ``first`` is ``ih explain`` with its files, in a new folder;
- ``again`` is the same command right after it.

The CPU seconds of the stages come from further processes in which the functions of the stages are timed.  Time is of
one stage only: what a stage imports counts as an import, and a check within loading is a check.
"""

import argparse
import importlib._bootstrap as import_system
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

TEXT = "this movie was not bad"
FOLDER = Path(__file__).parents[2] / "ihcli" / "bundled" / "weights"
BARE = f"""
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained({str(FOLDER)!r})
model = AutoModelForSequenceClassification.from_pretrained({str(FOLDER)!r}).eval()
with torch.no_grad():
    model(**tokenizer({TEXT!r}, return_tensors="pt"))
"""
CLASSES = BARE.replace("AutoModelFor", "BertFor").replace("AutoTokenizer", "BertTokenizer")
KINDS = ("bare", "classes", "first", "again")

Table = Mapping[str, Mapping[str, str]]
STAGES: Table = {
    "ihcli.models.loading": {"load_classifier": "load"},
    "ihcli.models.checkpoint": {"Checkpoint.sha256": "digest"},
    "ihcli.models.adapter": {"choose": "preflight"},
    "ihcli.models.smoothing": {"observe": "preflight"},
    "ihcli.models.discontinuities": {"choices": "preflight"},
    "ihcli.models.value_zeroing": {"find_plan": "preflight"},
    "ihcli.models.preflight": {"inspect": "preflight"},
    "ihcli.attribution.forward": {"choose_engine": "trace"},
    "ihcli.attribution.integrated": {"integrate_paths": "integral"},
    "ihcli.removal_check": {"check_by_removal": "removal"},
    "ihcli.console.rendering": {"render": "printing"},
    "ihcli.output.figures": {"draw": "figure", "encode": "figure", "alternative_text": "figure"},
    "ihcli.output": {"write_files": "files"},
}
"""By module: its functions, and the stage that the time of each counts as."""
REST = "command line and the rest"
ORDER = ("interpreter", "imports", "load", "digest", "preflight", "trace", "integral", "removal", "printing", "figure",
         "files", REST, "end of the process")  # fmt: skip


class StageClock:
    """Shares the CPU time of this process out to stages: the innermost one that runs gets it."""

    def __init__(self, read: Callable[[], float] = time.process_time) -> None:
        """Start with what has passed until now, which is the interpreter's."""
        self.read = read
        self.seconds = dict.fromkeys(ORDER[:-1], 0.0)
        self._running = [REST]
        self._last = read()
        self.seconds["interpreter"] = self._last

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time counts as that of the stage."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._running.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        return counted

    def stop(self) -> dict[str, float]:
        """The seconds of the stages until now."""
        self._switch()
        return self.seconds

    def _switch(self) -> None:
        now = self.read()
        self.seconds[self._running[-1]] += now - self._last
        self._last = now


def watch_imports(clock: StageClock, table: Table) -> None:
    """Count imports as a stage, and replace the functions of the table as soon as their module is there."""
    find = import_system._find_and_load  # type: ignore[attr-defined]
    waiting = dict(table)

    def found(name: str, importing: Any) -> Any:
        module = find(name, importing)
        for own in [own for own in waiting if own in sys.modules and not _initializing(sys.modules[own])]:
            for path, stage in waiting.pop(own).items():
                *holders, last = path.split(".")
                holder: Any = sys.modules[own]
                for part in holders:
                    holder = getattr(holder, part)
                setattr(holder, last, clock.timed(stage, getattr(holder, last)))
        return module

    import_system._find_and_load = clock.timed("imports", found)  # type: ignore[attr-defined]


def _initializing(module: Any) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def explain_by_stages(arguments: Sequence[str], file: Path) -> None:
    """Run the command line in this process, and write the seconds of its stages."""
    clock = StageClock()
    watch_imports(clock, STAGES)
    from ihcli import __main__ as entry

    usual = entry.main

    def counted() -> None:
        try:
            usual()
        finally:
            file.write_text(json.dumps(clock.stop()), encoding="utf-8")

    sys.argv = ["ih", *arguments]
    entry.main = counted
    entry.run()


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> dict[str, float]:
    """CPU and wall seconds of a process from its start to its end; raises where it fails."""
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
    return {"cpu": used.ru_utime + used.ru_stime, "wall": wall}


def commands(folder: Path) -> dict[str, list[str]]:
    """The command of each kind of process."""
    explain = [sys.executable, "-m", "ihcli", *_explain(folder)]
    return {
        "bare": [sys.executable, "-c", BARE],
        "classes": [sys.executable, "-c", CLASSES],
        "first": explain,
        "again": explain,
    }


def _explain(folder: Path) -> list[str]:
    return ["explain", TEXT, "--out", str(folder / "results")]


def _round(
    folder: Path, environment: Mapping[str, str], kinds: Sequence[str], found: dict[str, list[dict[str, float]]]
) -> None:
    """One process of each kind."""
    for kind in kinds:
        found[kind].append(run(commands(folder)[kind], environment, folder))


def measured(repeats: int, staged: int) -> dict[str, Any]:
    """Medians of all kinds, and of the stages of the command."""
    times: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    stages: dict[str, list[dict[str, float]]] = {"first": [], "again": []}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(FOLDER.parents[2]),
            "HF_HUB_OFFLINE": "1",
            "MPLCONFIGDIR": str(base / "matplotlib"),  # of the list of fonts, which the first run makes
        }
        for number in range(1 + repeats + staged):
            folder = base / str(number)
            folder.mkdir()
            own = {**environment, "XDG_CACHE_HOME": str(folder / "cache")}
            if number == 0:
                _round(folder, own, KINDS, {kind: [] for kind in KINDS})  # compiles modules, and is not counted
            elif number <= repeats:
                _round(folder, own, KINDS, times)
            else:
                for kind, rows in stages.items():
                    rows.append(_by_stages(folder, own, kind))
    medians = {kind: {name: _median(row[name] for row in rows) for name in rows[0]} for kind, rows in times.items()}
    for kind in KINDS[1:]:
        medians[kind]["of_bare"] = round(_median(
            mine["cpu"] / bare["cpu"] for mine, bare in zip(times[kind], times["bare"], strict=True)
        ), 2)  # fmt: skip
    return {
        "text": TEXT,
        "repeats": repeats,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in ("torch", "transformers")},
        "processes": medians,
        "stages": {
            kind: {stage: _median(row[stage] for row in rows) for stage in ORDER} for kind, rows in stages.items()
        },
    }


def _by_stages(folder: Path, environment: Mapping[str, str], kind: str) -> dict[str, float]:
    file = folder / f"{kind}.json"
    own = [sys.executable, "-m", "tests.studies.cold_start", "--stages", str(file), *_explain(folder)]
    whole = run(own, environment, folder)["cpu"]
    seconds: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return {**seconds, "end of the process": whole - sum(seconds.values())}


def _median(values: Any) -> float:
    return float(round(statistics.median(values), 3))


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--staged", type=int, default=5, help="processes whose stages are timed, of each kind")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.repeats, arguments.staged)
    print(json.dumps(found, indent=1))  # noqa: T201
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stages"]:
        explain_by_stages(sys.argv[3:], Path(sys.argv[2]))
    else:
        main()
