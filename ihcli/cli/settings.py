"""The flags that set a configuration key, the same for every command that explains."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ihcli.errors import UsageError

if TYPE_CHECKING:
    from ihcli.config import Loaded


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: the key that it sets, and how Typer declares it."""

    key: str
    kind: Any
    names: tuple[str, ...]
    help: str
    metavar: str | None = None

    @property
    def annotation(self) -> Any:
        """The annotation of the command's parameter."""
        option = typer.Option(*self.names, help=self.help, metavar=self.metavar, show_default=False)
        return Annotated[self.kind | None, option]


FLAGS = {
    "model": Flag("model.name", str, ("--model", "-m"), "hub id, local directory, or `bundled` (the default)", "MODEL"),
    "revision": Flag("model.revision", str, ("--revision",), "branch, tag or commit of a hub model", "REV"),
    "dtype": Flag("model.dtype", Literal["float32", "float64"], ("--dtype",), "precision (default: float32)"),
    "smoothing": Flag(
        "model.smoothing", str, ("--smoothing",), "softplus for ReLU-like kinks: off, auto, or its sharpness", "HOW"
    ),
    "template": Flag(
        "model.template",
        str,
        ("--template",),
        "prompt of a language model, as '{text} Sentiment:', or with {mask} of a masked one; needs --labels",
        "TEMPLATE",
    ),
    "labels": Flag(
        "model.labels", str, ("--labels",), "words that answer the template, as ' good, bad'; spaces count", "LIST"
    ),
    "target": Flag(
        "target.label", str, ("--target",), "label to explain, by name or index (default: the predicted one)", "LABEL"
    ),
    "against": Flag("target.against", str, ("--against",), "explain the difference to this label", "LABEL"),
    "output": Flag(
        "target.output",
        Literal["logit", "probability", "log-odds"],
        ("--output",),
        "quantity of the label to explain (default: logit); for the folder of the files see -o",
    ),
    "baseline": Flag(
        "baseline.kind",
        str,
        ("--baseline",),
        "how a word is absent: value-zeroing, pad, mask, unk, zero, deletion, masked-attention (default: value-zeroing "
        "where the model allows it, else mask or pad); of several, separated by commas, the first is explained and "
        "what depends on the choice is marked",
        "KIND",
    ),
    "baseline_text": Flag("baseline.text", str, ("--baseline-text",), "a text as the baseline", "TEXT"),
    "baseline_file": Flag(
        "baseline.file", str, ("--baseline-file",), "a set of baselines, a text a line; the result is the mean", "FILE"
    ),
    "units": Flag(
        "units.kind",
        Literal["token", "word", "sentence", "auto"],
        ("--units",),
        "what a row stands for (default: word); auto: in a text of over 64 words, words of the sentences that matter "
        "and each other sentence as one",
    ),
    "spans": Flag("units.spans", str, ("--spans",), "rows from a file: a line `start end`, or JSON", "FILE"),
    "tolerance": Flag(
        "attribution.tolerance",
        float,
        ("--tolerance",),
        "largest error, as a share of the largest entry (default: 0.01; in float32 at least 3e-4)",
        "SHARE",
    ),
    "formulation": Flag(
        "attribution.formulation",
        Literal["paper", "article", "article-code"],
        ("--formulation",),
        "definition of the matrix (default: paper; the others only reproduce what was published)",
    ),
    "top": Flag(
        "attribution.top",
        int,
        ("--top",),
        "compute only the entries among the units of the K strongest pairs (over 64 units)",
        "K",
    ),
    "max_nodes": Flag(
        "attribution.max_nodes", int, ("--max-nodes",), "most Hessians for one text and baseline (default: 512)", "N"
    ),
    "max_seconds": Flag(
        "attribution.max_seconds",
        float,
        ("--max-seconds",),
        "most seconds for one text once the model is loaded; then the best matrix so far, with its error",
        "N",
    ),
    "engine": Flag(
        "attribution.engine", Literal["auto", "forward", "reverse"], ("--engine",), "how second derivatives are taken"
    ),
    "seed": Flag("attribution.seed", int, ("--seed",), "seed of sign vectors and of sampled coalitions", "N"),
    "method": Flag(
        "attribution.method",
        Literal["ih", "shapley", "sii", "faith-shap", "archipelago", "occlusion", "lime", "kernel-shap"],
        ("--method",),
        "method of attribution (default: ih, Integrated Hessians)",
    ),
    "evaluations": Flag(
        "attribution.evaluations", int, ("--evaluations",), "most coalitions that a game may be evaluated at", "N"
    ),
    "removal": Flag(
        "attribution.removal", bool, ("--removal/--no-removal",), "whether to check by removing words (default: yes)"
    ),
    "truncate": Flag(
        "text.truncation", bool, ("--truncate/--no-truncate",), "cut a text that is too long instead of refusing it"
    ),
    "windows": Flag(
        "text.windows",
        str,
        ("--windows",),
        "explain a longer text in windows of N words (sentences with --units sentence or auto), each as a text of its "
        "own; auto: as many as the model reads",
        "N|auto",
    ),
    "overlap": Flag(
        "text.overlap", int, ("--overlap",), "words that two windows share (default: a quarter of a window)", "N"
    ),
    "device": Flag("runtime.device", str, ("--device",), "auto, cpu, cuda, cuda:N or mps", "DEVICE"),
    "memory": Flag(
        "runtime.memory",
        str,
        ("--memory",),
        "working memory of a process beside the model, as 4GB (default: half of what is free, at most 2.5GB)",
        "SIZE",
    ),
    "threads": Flag("runtime.threads", int, ("--threads",), "CPU threads in all (default: free cores)", "N"),
    "out": Flag("output.directory", str, ("--out", "-o"), "folder that gets one folder a text (ih-results)", "DIR"),
    "formats": Flag("output.formats", str, ("--formats",), "files to write, from json,csv,png,svg,pdf", "LIST"),
    "diagonal": Flag("output.diagonal", bool, ("--diagonal/--no-diagonal",), "whether the heatmap shows the diagonal"),
}
_IMPLIED = {
    "baseline_text": ("baseline.kind", "text"),
    "baseline_file": ("baseline.kind", "texts"),
    "spans": ("units.kind", "spans"),
}
_RIVALS = (("baseline", "baseline_text", "baseline_file"), ("units", "spans"))
_CONFIG = Annotated[Path | None, typer.Option("--config", "-c", help="configuration file (YAML)", metavar="FILE")]


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration file and the flags of one command line."""

    file: Path | None
    values: Mapping[str, Any]
    """The flags that were given, by parameter."""

    def given(self, parameter: str) -> bool:
        """Whether a flag was given."""
        return parameter in self.values

    def load(self) -> "Loaded":
        """Merge defaults, file, variables and flags; raises `ConfigError` or `UsageError`."""
        from ihcli.config import load

        for group in _RIVALS:
            present = [FLAGS[name].names[0] for name in group if name in self.values]
            if len(present) > 1:
                message = f"{' and '.join(present)} exclude each other. Give one of them."
                raise UsageError(message)
        flags: dict[str, tuple[str, Any]] = {}
        for name, value in self.values.items():
            flag = FLAGS[name]
            shown = flag.names[0].split("/")[0 if value is not False else -1]
            flags[flag.key] = (shown, _value(name, value))
            if name == "baseline" and "," in value:
                kind, *others = [part.strip() for part in value.split(",")]
                flags |= {"baseline.kind": (shown, kind), "baseline.others": (shown, others)}
            if name in _IMPLIED:
                key, kind = _IMPLIED[name]
                flags[key] = (shown, kind)
        return load(self.file, flags)


def configured(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--config` and the named flags (all by default); it receives them as `settings`."""
    chosen = names or tuple(FLAGS)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "settings"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in (("config", _CONFIG), *((name, FLAGS[name].annotation) for name in chosen))
        ]

        @functools.wraps(command)
        def with_settings(config: Path | None = None, **values: Any) -> None:
            given = {name: values.pop(name) for name in chosen}
            found = {name: value for name, value in given.items() if value is not None}
            command(**values, settings=Settings(config, found))

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_settings

    return decorate


def _value(name: str, value: Any) -> Any:
    """The value in the configuration's type."""
    if name == "labels":
        return value.split(",")
    if name == "formats":
        return [part.strip() for part in value.split(",")]
    if name in {"smoothing", "windows"}:
        try:
            return float(value) if name == "smoothing" else int(value)
        except ValueError:
            return value
    return value
