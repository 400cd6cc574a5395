"""Command lines of `ih` on files that were mutated from good ones, and what must hold of each of them.

A case makes a folder with good files, mutates one of them, runs one command in this process with a stand-in for the
model, and checks the exit code, the time, and that nothing changed but what the command was asked to write.
"""

import copy
import dataclasses
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from benches import bench
from corpora import StandIn, stored, texts
from explanations import make_explanation, units_of
from hostile_results import GOOD
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from ihcli.attribution.estimate import Estimate
from ihcli.attribution.forward import EngineChoice
from ihcli.attribution.time_limit import TimeLimit
from ihcli.cli.app import app
from ihcli.config import RunConfig
from ihcli.corpus import processes
from ihcli.corpus.local_engine import LocalEngine
from ihcli.models.preflight import Check, Report
from ihcli.removal.methods import METHODS
from ihcli.results import Explanation, Prediction, Target

SECONDS = 60
"""A command that takes longer hangs."""
EXIT_CODES = {0, 1, 2, 3, 4, 5}

WORDS = (
    "", " ", "a", "POSITIVE", "\ud800", "\x1b[31mred", "\x00", "../../x", "/etc/passwd", "=1+1", "<script>", "-",
    "::error::x", "##[error]", "A" * 3000, "$\\frac{1$ $x", "\u202e\u2066", "\u2028", "\ufffe", "{{7*7}}", "%s%n",
    "a\r\nb", "\tb", "🇩🇪👍🏽", "नमस्ते", "e\u0301", "NaN", "null", "1e999", "-0", "[SEP]", "~", "*", "'", '"', "C:\\x",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 7, 10**6, 10**30, 10**400, 2**53, 2**63, 0.5, -0.0, 1e-320, 1e100, 1e101, -1e308, 1e308,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
ODD: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None}, {"a": {"b": [1]}}, *WORDS, *NUMBERS)


class Hung(BaseException):
    """A command took longer than `SECONDS`."""


class Stand(StandIn):
    """The stand-in for a model with all that the commands ask of an explainer."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.varied = False
        asked = {"encode": self.encode, "predict": self.predict, "target": self.target}
        vars(self.classifier).update(problem="single_label_classification", kinks=(), **asked)

    def encode(self, text: str, text_pair: str | None = None, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(text=text, text_pair=text_pair, units=units_of(text, text.split()))

    def predict(self, _: Any) -> Prediction:
        return Prediction("POSITIVE", 1, {"NEGATIVE": 0.25, "POSITIVE": 0.75})

    def target(self, *_: Any) -> Target:
        return Target("POSITIVE", 1, "logit")

    def variant(self, *, attribution: dict[str, Any], baseline: Any) -> "Stand":
        other = copy.copy(self)
        changes = {"attribution": self.config.attribution.model_copy(update=attribution), "baseline": baseline}
        other.config, other.varied = self.config.model_copy(update=changes), True
        return other

    def explain(self, text: str, text_pair: str | None = None, **_: Any) -> Explanation:
        found = self.one(text, text_pair)
        if isinstance(found, Exception):
            raise found
        if not self.varied:
            return found
        method = self.config.attribution.method
        ih = found.ih if method == "ih" or METHODS[method].pairs else np.where(np.eye(len(found.ig)), found.ih, np.nan)
        return dataclasses.replace(found, method=method, baseline={"kind": self.config.baseline.kind}, ih=ih)

    def inspect(self, text: str | None = None) -> tuple[Report, EngineChoice | None, Estimate | None]:
        if text is not None and len(text) % 3 == 0:
            return Report((Check("parity", ok=False, detail=text),)), None, None
        cost = Estimate(3, 11, 33, 0.5, 10**6, "forward", {"--units sentence": 0.1})
        return Report((Check("parity", ok=True, detail=text or ""),)), EngineChoice("reverse", "a test", None), cost

    def estimate(self, text: str, text_pair: str | None = None) -> Estimate:
        return Estimate(len(text), 11, 33, 0.5, 10**6, "forward", {} if text_pair is None else {"--top 10": 0.1})

    def time_limit(self) -> TimeLimit:
        return TimeLimit(self.config.attribution.max_seconds)


class AdditiveGame:
    """The stand-in for the answers to texts without some words: 0.25 a word."""

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, coalitions: Any) -> Any:
        return 0.25 * coalitions.sum(axis=1)


def _measured(config: RunConfig, given: Sequence[str] = (), *_: Any) -> Any:
    """The stand-in for a finished bench."""
    from ihcli.benchmarks.report import Found, document, tables

    found = bench()
    named = dataclasses.replace(found, model=config.model.name)
    named = dataclasses.replace(named, texts=tuple(dataclasses.replace(found.texts[0], text=t) for t in given[:2]))
    return Found("bench", document(named), tuple(tables(named)), Figure((1, 1), dpi=20))


@contextmanager
def stand_in() -> Iterator[None]:
    """No model is loaded within, and a hanging command is stopped."""

    def stop(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with (
            mock.patch("ihcli.pipeline.Explainer", Stand),
            mock.patch("ihcli.sources.DeletionGame", AdditiveGame),
            mock.patch("ihcli.evaluation.running.DeletionGame", AdditiveGame),
            mock.patch("ihcli.evaluation.running.randomised", lambda explainer: explainer),
            mock.patch("ihcli.benchmarks.report.side_by_side", _measured),
            mock.patch("ihcli.benchmarks.report.scaling", _measured),
            mock.patch.object(processes, "ProcessEngine", lambda explainer, _: LocalEngine(explainer)),
        ):
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- mutations ------------------------------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, at most the first three of a list."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def mutated(document: Any, rng: random.Random) -> Any:
    """The document with up to three values replaced, removed, doubled, renamed, wrapped or scaled."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(list(_places(document)))
        if not path:
            continue
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        how = rng.choice(("replace", "replace", "replace", "remove", "double", "rename", "wrap", "number"))
        if how == "remove":
            parent.pop(path[-1])
        elif how == "double" and isinstance(parent, list):
            parent.append(parent[path[-1]])
        elif how == "rename" and isinstance(parent, dict):
            parent[rng.choice(WORDS)] = parent.pop(path[-1])
        elif how == "wrap":
            parent[path[-1]] = [parent[path[-1]]]
        elif how == "number" and isinstance(parent[path[-1]], (int, float)):
            parent[path[-1]] *= rng.choice((-1, 0, 2, 1e60, 1.0000001))
        else:
            parent[path[-1]] = rng.choice(ODD)
    return document


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content cut, or with bytes changed, removed or added."""
    at = rng.randint(0, len(content))
    odd = bytes(rng.choices(range(256), k=rng.randint(1, 4)))
    how = rng.choice(("cut", "insert", "overwrite", "drop", "double", "encode"))
    if how == "cut":
        return content[:at]
    if how == "insert":
        return (
            content[:at]
            + rng.choice((odd, b"\xef\xbb\xbf", b"\0", b"\r", b'"', b"\xff\xfe", b"1" * 5000))
            + content[at:]
        )
    if how == "overwrite":
        return content[:at] + odd + content[at + len(odd) :]
    if how == "drop":
        return content[:at] + content[at + rng.randint(1, 50) :]
    if how == "double":
        return content + content
    return content.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))


def document_bytes(document: Any, rng: random.Random) -> bytes:
    """A mutated document as JSON, sometimes with damaged bytes."""
    content = json.dumps(mutated(document, rng)).encode()
    return damaged(content, rng) if rng.random() < 0.2 else content


def text_bytes(rng: random.Random) -> bytes:
    """Lines, tables or objects with odd cells, sometimes with damaged bytes."""
    rows = [rng.choice((rng.choice(WORDS), "not bad", "a good film")) for _ in range(rng.randint(0, 6))]
    kind = rng.choice(("lines", "csv", "tsv", "jsonl"))
    if kind == "jsonl":
        lines = [json.dumps(mutated({"text": row, "text_pair": None, "id": "x"}, rng)) for row in rows]
    else:
        separator = {"lines": "", "csv": ",", "tsv": "\t"}[kind]
        head = [] if kind == "lines" else [separator.join(rng.choice((("text", "id"), ("id", "text"), ("a", "b"))))]
        lines = head + [row + (separator + rng.choice(WORDS) if separator else "") for row in rows]
    content = rng.choice(("\n", "\r\n", "\r")).join(lines).encode("utf-8", "surrogatepass")
    return damaged(content, rng) if rng.random() < 0.3 else content


# --- cases ----------------------------------------------------------------------------------------------------------


class Case:
    """A folder with good files: `base`, `run` (results), `store`, `other` (stores), `in.txt`, `ih.yaml`; and `out`."""

    def __init__(self, folder: Path, good: Path) -> None:
        self.folder = folder
        shutil.copytree(good, folder, symlinks=True)
        self.changing: set[Path] = {folder / "out"}
        """What the command may change."""

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def seen(self) -> dict[Path, object]:
        """Everything in and beside the folder that must stay as it is."""
        files = [*self.folder.rglob("*"), *self.folder.parent.iterdir()]
        kept = (file for file in files if file.name != ".lock" and not self.changing & {file, *file.parents})
        return {file: file.read_bytes() if file.is_file() else file.is_dir() for file in kept}


def good_files(folder: Path) -> Path:
    """The good files that every case begins with."""
    made = folder / "good"
    for name, seed in (("base", 1), ("run", 2)):
        for k in range(2):
            make_explanation(4, seed=seed + k, config=RunConfig().to_dict()).save(made / name / f"text-{k}")
    GOOD.save(made / "run" / "text-0")
    for store, lines in (("store", [*texts(4), "is nan"]), ("other", ["one more", "two more"])):
        place = folder / store
        place.mkdir()
        shutil.move(stored(place, lines), made / store)
        (made / f"{store}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (made / "out").mkdir()
    (made / "ih.yaml").write_text(yaml.safe_dump(RunConfig().to_dict()), encoding="utf-8")
    pq.write_table(pa.table({"text": ["not bad", None, "a film"], "id": ["1", "2", "3"]}), made / "in.parquet")
    return made


Line = list[str]


def _maybe(rng: random.Random, *options: Line) -> Line:
    """Two of the options on average, in any order."""
    chosen = [option for option in options if rng.random() < 2 / len(options)]
    rng.shuffle(chosen)
    return [word for option in chosen for word in option]


def _odd(rng: random.Random, good: Sequence[str]) -> str:
    """A value of an option: mostly one that is right."""
    if rng.random() < 0.8:
        return rng.choice(good)
    value = rng.choice((*WORDS, *map(str, (0, -1, 10**30, 1e308, "nan"))))
    return value.replace("\0", "").encode("utf-8", "surrogateescape" if value.isascii() else "replace").decode()


def _place(rng: random.Random, name: str) -> str:
    """A file or folder to write: mostly that one, else an odd one in `out` or what cannot be written."""
    odd = (f"out/{rng.choice(WORDS[2:4])}", "out", "/proc/x", "store.txt/x")
    return name if rng.random() < 0.8 else rng.choice(odd)


def _gate_options(case: Case, rng: random.Random, baseline: str) -> Line:
    line = _maybe(
        rng, ["--json"], ["-q"], ["--junit", "out/j.xml"], ["--html", "out/h.html"], ["--markdown", "out/m.md"],
        ["--strict"], ["--other-weights"], ["--top-k", _odd(rng, ["1", "3", "10"])],
        ["--atol", f"{_odd(rng, ['ih', 'ig', 'probability'])}={_odd(rng, ['0.1', '0', '1e3'])}"],
        ["--rtol", _odd(rng, ["ih=0.1", "f_input=0"])],
    )  # fmt: skip
    if rng.random() < 0.2:
        case.changing.add(case.folder / baseline)
        line.append(rng.choice(("--update", "--update-new")))
    return line


def _result(case: Case, rng: random.Random) -> Line:
    """A command that reads results, one of which is mutated."""
    document = json.loads((case.folder / "run/text-0/result.json").read_text(encoding="utf-8"))
    case.write("run/text-0/result.json", document_bytes(document, rng))
    kinds = ["heatmap", "arcs", "text", "bars", "network", "baseline-to-text", "compare", "path"]
    command = rng.choice(("plot", "report", "check", "diff", "again"))
    if command == "plot":
        out = _odd(rng, ["out/p.png", "out/p.svg", "out/p.pdf", "out"])
        return [
            "plot", "run/text-0", "--dpi", "40", "-k", _odd(rng, kinds),
            "-o", out if out.startswith("out") else "out/p.png",
            *_maybe(rng, ["base/text-0"], ["--theme", _odd(rng, ["light", "dark", "print"])], ["--cluster"],
                    ["--caption", _odd(rng, ["none", "short", "full"])], ["--top", _odd(rng, ["1", "3"])],
                    ["--size", _odd(rng, ["6x4", "16cmx9cm"])], ["--heading", _odd(rng, ["a heading"])],
                    ["--hide-punctuation"], ["--no-diagonal"], ["--font", _odd(rng, ["DejaVu Sans"])]),
        ]  # fmt: skip
    if command == "report":
        return ["report", *rng.choice((["run"], ["run/text-0"], ["base", "run"])), "-o", "out/r.html",
                *_maybe(rng, ["--title", _odd(rng, ["a title"])], ["-q"])]  # fmt: skip
    if command == "again":
        file = case.folder / "base/text-0/result.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        document["config"] = mutated(document["config"], rng)
        file.write_text(json.dumps(document), encoding="utf-8")
        return ["check", rng.choice(("base", "run")), *_maybe(rng, ["--trust-baseline"], ["-c", "ih.yaml"])]
    sides = rng.choice((["base", "run"], ["run", "run"], ["base/text-0", "run/text-0"], ["run", "store"]))
    options = _gate_options(case, rng, sides[0])
    if command == "diff":
        options = [one for one in options if one not in {"--strict", "--update", "--update-new"}]
    return [command, *sides, *options]


def _damage_store(case: Case, rng: random.Random) -> None:
    """Mutate, remove, rename or replace one file of the store."""
    files = sorted(file for file in (case.folder / "store").rglob("*") if file.is_file())
    file = rng.choice(files)
    how = rng.choice(("document", "damage", "damage", "remove", "rename", "link", "folder"))
    if how == "document" and (case.folder / "store/manifest.json").exists():
        file = case.folder / "store/manifest.json"
        file.write_bytes(document_bytes(json.loads(file.read_text(encoding="utf-8")), rng))
    elif how == "remove":
        file.unlink()
    elif how == "rename":
        file.rename(file.with_name(rng.choice(("x", "part-000001.parquet", "..x", "é", file.name + "~"))))
    elif how == "link":
        file.unlink()
        file.symlink_to(rng.choice((case.folder / "ih.yaml", file, Path("/dev/null"), case.folder)))
    elif how == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(damaged(file.read_bytes(), rng))


def _store(case: Case, rng: random.Random) -> Line:
    """A command that reads or continues a store, one file of which is mutated."""
    _damage_store(case, rng)
    command = rng.choice(("export", "summarize", "report", "merge", "check", "diff", "batch"))
    if command == "export":
        return rng.choice((
            ["export", "store"], ["export", "store", "-o", "out/x.jsonl"], ["export", "store", "--to", "pairs"],
            ["export", "store", "--to", "folders", "-o", "out/f", "--formats", _odd(rng, ["json", "json,csv", "csv"])],
        ))  # fmt: skip
    if command == "summarize":
        return ["summarize", "store", "-o", "out/s", "--figure", rng.choice(("none", "svg")),
                *_maybe(rng, ["--json"], ["--by", _odd(rng, ["mean", "count"])], ["--top", _odd(rng, ["1", "5"])],
                        ["--stop-words", _odd(rng, ["none", "a,b"])], ["--negators", _odd(rng, ["not"])],
                        ["--min-count", _odd(rng, ["1", "2"])])]  # fmt: skip
    if command == "report":
        return ["report", "store", "-o", "out/r.html"]
    if command == "merge":
        return ["merge", "store", rng.choice(("other", "store", "base")), "-o", "out/m"]
    if command == "batch":
        case.changing.add(case.folder / "store")
        return ["batch", rng.choice(("store.txt", "other.txt")), "-o", "store", "-q",
                *_maybe(rng, ["--json"], ["--retry-failed"], ["--shard", _odd(rng, ["1/2", "2/2"])])]  # fmt: skip
    return [command, *rng.choice((["store", "run"], ["run", "store"], ["store", "other"])), *_maybe(rng, ["--json"])]


def _mutate_configuration(case: Case, rng: random.Random) -> None:
    """Mutate or damage `ih.yaml`."""
    settings = yaml.safe_load((case.folder / "ih.yaml").read_text(encoding="utf-8"))
    document = mutated(settings, rng)
    if rng.random() < 0.5:
        content = json.dumps(document).encode()
    else:
        content = yaml.safe_dump(document, allow_unicode=rng.random() < 0.5).encode("utf-8", "replace")
    if rng.random() < 0.3:
        odd = (
            b"&a [*a]",
            b"!!python/object:os.system x",
            b"? {a: b}\n: c",
            b"a: &x [1]\nb: *x",
            b"!!set {a}",
            b"<<: 1",
        )
        content = rng.choice((damaged(content, rng), content + b"\n" + rng.choice(odd)))
    case.write("ih.yaml", content)


def _configuration(case: Case, rng: random.Random) -> Line:
    """A command with a mutated configuration."""
    _mutate_configuration(case, rng)
    return rng.choice((
        ["config", "show", "-c", "ih.yaml"], ["config", "show", "-c", "ih.yaml", "--json"],
        ["explain", "not bad", "-c", "ih.yaml", "-o", "out/e"], ["explain", "not bad", "-c", "ih.yaml", "--json"],
        ["batch", "other.txt", "-c", "ih.yaml", "-o", "out/run"],
        ["check", "base", "-c", "ih.yaml"], ["diff", "base", "run", "-c", "ih.yaml"],
    ))  # fmt: skip


def _input(case: Case, rng: random.Random) -> Line:
    """A command that reads a text, or rows."""
    suffix = rng.choice(("txt", "csv", "tsv", "jsonl", "parquet"))
    content = (case.folder / "in.parquet").read_bytes()
    case.write(f"odd.{suffix}", damaged(content, rng) if suffix == "parquet" else text_bytes(rng))
    if rng.random() < 0.3:
        return ["explain", "--file", f"odd.{suffix}", "-o", "out/e", "--formats", rng.choice(("json", "csv,svg"))]
    return [
        "batch", f"odd.{suffix}", "-o", "out/run",
        *_maybe(rng, ["--json"], ["--no-header"], ["--text-column", _odd(rng, ["text", "1", "a"])],
                ["--id-column", _odd(rng, ["id", "2"])], ["--pair-column", _odd(rng, ["id"])],
                ["--format", _odd(rng, ["txt", "jsonl", "csv", "tsv", "parquet"])],
                ["--shard", _odd(rng, ["1/2", "3/3"])]),
    ]  # fmt: skip


def _arguments(case: Case, rng: random.Random) -> Line:
    """A good command with odd values of its options."""
    del case
    text = _odd(rng, ["not bad", "a good film", "x"])
    options = _maybe(
        rng, ["--target", _odd(rng, ["POSITIVE", "1", "predicted"])], ["--against", _odd(rng, ["NEGATIVE", "0"])],
        ["--output", _odd(rng, ["logit", "probability"])], ["--units", _odd(rng, ["word", "token"])],
        ["--baseline", _odd(rng, ["pad", "zero", "auto"])], ["--baseline-text", _odd(rng, ["a film"])],
        ["--baseline-file", _odd(rng, ["other.txt"])], ["--spans", _odd(rng, ["other.txt"])],
        ["--tolerance", _odd(rng, ["0.1", "1"])], ["--top", _odd(rng, ["1", "5"])],
        ["--max-nodes", _odd(rng, ["64", "512"])], ["--seed", _odd(rng, ["0", "7"])],
        ["--windows", _odd(rng, ["2", "auto", "50"])], ["--overlap", _odd(rng, ["0", "1"])],
        ["--method", _odd(rng, ["ih", "lime"])], ["--evaluations", _odd(rng, ["64"])],
        ["--memory", _odd(rng, ["4GB", "1e3MB"])], ["--threads", _odd(rng, ["1", "2"])],
        ["--device", _odd(rng, ["cpu", "auto"])], ["--smoothing", _odd(rng, ["off", "auto", "100"])],
        ["--text-pair", _odd(rng, ["another"])], ["--formats", _odd(rng, ["json", "csv", "svg"])], ["--json"],
        ["--quiet"], ["--dtype", _odd(rng, ["float64"])], ["--revision", _odd(rng, ["main"])], ["--no-diagonal"],
        ["--labels", _odd(rng, ["a,b"])], ["--template", _odd(rng, ["{text} is"])], ["--dry-run"],
    )  # fmt: skip
    given = ["config", "show"] if rng.random() < 0.3 else ["explain", *rng.choice((["--", text], [text]))]
    if given[0] == "config":
        return [*given, *options]
    return [given[0], *options, "-o", "out/e", *given[1:]]


SOURCES = ["ih", "ih:pad,lime", "ih,shapley,faith-shap", "occlusion,kernel-shap", "archipelago"]


def _compare(case: Case, rng: random.Random) -> Line:
    """Several methods on an odd text, or with a mutated configuration."""
    line = ["compare"]
    if rng.random() < 0.2:
        _mutate_configuration(case, rng)
        line += ["-c", "ih.yaml"]
    line += _maybe(rng, ["--json"], ["--figure", _place(rng, rng.choice(("out/c.png", "out/c.svg")))],
                   ["--methods", _odd(rng, SOURCES)], ["--units", _odd(rng, ["word", "auto"])],
                   ["--text-pair", _odd(rng, ["another"])], ["--target", _odd(rng, ["POSITIVE", "1"])],
                   ["--evaluations", _odd(rng, ["64"])])  # fmt: skip
    if rng.random() < 0.2:
        case.write("odd.txt", text_bytes(rng))
        return [*line, "--file", "odd.txt"]
    return [*line, "--", _odd(rng, ["not bad", "a good film", "one"])]


def _evaluate(case: Case, rng: random.Random) -> Line:
    """Metrics of a mutated store, result or file of texts, or with a mutated explanation of another tool."""
    source = rng.choice(("store", "run", "run/text-0/result.json", "odd"))
    if source == "store":
        _damage_store(case, rng)
    elif source == "odd":
        source += rng.choice((".txt", ".csv", ".jsonl"))
        case.write(source, text_bytes(rng))
    elif rng.random() < 0.7:
        document = json.loads((case.folder / "run/text-0/result.json").read_text(encoding="utf-8"))
        case.write("run/text-0/result.json", document_bytes(document, rng))
    line = _maybe(rng, ["--json"], ["-q"], ["--csv", _place(rng, "out/e.csv")], ["--figure", _place(rng, "out/e.svg")],
                  ["--methods", _odd(rng, SOURCES)], ["--rows", _odd(rng, ["1", "2"])],
                  ["--coalitions", _odd(rng, ["16", "64"])], ["--text-column", _odd(rng, ["text"])],
                  ["--randomise"])  # fmt: skip
    if rng.random() < 0.4:
        text, words = "a fine film 2", ["a", "fine", "film", "2"]
        foreign = {"schema": "ihcli.foreign/1", "method": "mine", "text": text, "words": words, "label": "POSITIVE",
                   "scores": [0.1, -0.2, 0.3, 0.0], "pairs": [[0, 1, 0.5]], "baseline": "mask"}  # fmt: skip
        whole = {"explanations": [foreign]} if rng.random() < 0.5 else foreign
        case.write("foreign.json", document_bytes(whole, rng) if rng.random() < 0.7 else json.dumps(whole).encode())
        line += ["--foreign", "foreign.json"]
    return ["evaluate", source if rng.random() < 0.9 else _odd(rng, ["store.txt"]), *line]


def _bench(case: Case, rng: random.Random) -> Line:
    """A bench whose measurements stand already."""
    del case
    given = [_odd(rng, ["not bad", "a good film"]) for _ in range(rng.randint(0, 3))]
    options = _maybe(rng, ["--budget", _odd(rng, ["1", "60"])], ["--scaling"], ["-o", _place(rng, "out/b")], ["--json"],
                     ["-q"], ["--baseline", _odd(rng, ["pad"])], ["--units", _odd(rng, ["word"])],
                     ["--engine", _odd(rng, ["auto", "reverse"])], ["--model", _odd(rng, ["bundled"])])  # fmt: skip
    return ["bench", *options, "--", *given]


def _inspect(case: Case, rng: random.Random) -> Line:
    """Checks of a model with odd options."""
    del case
    options = _maybe(rng, ["--json"], ["--text", _odd(rng, ["not bad"])], ["--dtype", _odd(rng, ["float64"])],
                     ["--smoothing", _odd(rng, ["off", "100"])], ["--labels", _odd(rng, ["a,b"])],
                     ["--template", _odd(rng, ["{text} is"])], ["--threads", _odd(rng, ["1"])],
                     ["--model", _odd(rng, ["bundled"])])  # fmt: skip
    return ["inspect", *options, *([] if rng.random() < 0.5 else ["--", _odd(rng, ["bundled"])])]


KINDS: dict[str, Callable[[Case, random.Random], Line]] = {
    "result": _result,
    "store": _store,
    "configuration": _configuration,
    "input": _input,
    "arguments": _arguments,
    "compare": _compare,
    "evaluate": _evaluate,
    "bench": _bench,
    "inspect": _inspect,
}


def fuzz(kind: str, rng: random.Random, good: Path, folder: Path) -> tuple[Line, Result]:
    """Run one case in a new `folder`; an `AssertionError` says what did not hold, and of which command line."""
    case = Case(folder, good)
    line = KINDS[kind](case, rng)
    before, place = case.seen(), Path.cwd()
    os.chdir(folder)
    signal.alarm(SECONDS)
    try:
        ran = CliRunner().invoke(app, line)
    except Hung:
        message = f"hangs: {line}"
        raise AssertionError(message) from None
    finally:
        signal.alarm(0)
        os.chdir(place)
    assert ran.exit_code in EXIT_CODES, (line, ran.exit_code, ran.output[-1500:], ran.exception)
    assert "Traceback" not in ran.stderr, (line, ran.stderr)
    after = case.seen()
    changed = [str(file) for file in {*before, *after} if before.get(file) != after.get(file)]
    assert not changed, (line, changed)
    left = list((folder / "out").rglob(".ih-*"))
    assert not left, (line, left)
    for file in (folder / "out").rglob("result.json"):
        Explanation.load(file)  # what was written is read again
    return line, ran
