"""The strict configuration: its schema, its defaults, and where each value came from.

Flags beat `IHCLI_<SECTION>_<KEY>` variables beat the file beat the defaults.  A wrong key, type or value is an error
that names the file and line (or the variable, or the flag), the value seen and what is allowed.
"""

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ihcli.errors import ConfigError
from ihcli.input_files import read_file
from ihcli.yaml_core import YamlError, parse

LARGEST_FILE = 1 << 20
"""Bytes that a configuration file may hold."""
MOST_THREADS = 1024
SMALLEST_MEMORY, LARGEST_MEMORY = 10**6, 10**15
"""Bytes that `runtime.memory` may be."""
_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def parse_size(text: str) -> int:
    """Bytes of a size such as `800MB`, `4GB`, `2GiB` or `1000000`; raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([KMG]I?)?B?\s*", text, re.IGNORECASE | re.ASCII)
    if match is None or float(match[1]) == 0:
        message = f"{_seen(text)} is not a size; write a positive number with KB, MB, GB, MiB or GiB, for example 4GB"
        raise ValueError(message)
    return int(float(match[1]) * _SIZES[(match[2] or "").upper()])


def _memory(value: str) -> str:
    """A size that a computation can work with, or `auto`; a number without a unit means bytes."""
    if value == "auto":
        return value
    size = parse_size(value)
    if size < SMALLEST_MEMORY:
        unit = f"; for gigabytes write {value.strip()}GB" if value.strip().isdecimal() else ""
        message = f"{value!r} is {size:,} bytes, and at least 1MB is needed{unit}"
        raise ValueError(message)
    if size > LARGEST_MEMORY:
        message = f"{value!r} is more than any machine has; at most 1000000GB is allowed"
        raise ValueError(message)
    return value


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        message = f"{value!r} is not a device; use auto, cpu, cuda, cuda:N or mps"
        raise ValueError(message)
    return value


def _without_null(value: str | None) -> str | None:
    if value is not None and "\0" in value:
        message = "it holds a null character, which no name can have"
        raise ValueError(message)
    return value


_Name = Annotated[str, AfterValidator(_without_null)]
"""The name of a model, a file or a folder."""


def _together(section: str, kind: str, needed: str, key: str, value: str | None) -> None:
    """`key` is given exactly where the kind is `needed`; raises `ValueError`."""
    if kind == needed and value is None:
        message = f"then {section}.{key} must be given too"
        raise ValueError(message)
    if kind != needed and value is not None:
        message = f"{section}.{key} is {value!r}, which only the kind {needed} reads; change one of them"
        raise ValueError(message)


class _Section(BaseModel):
    """A strict, immutable section: unknown keys are errors, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSection(_Section):
    """The classifier that is explained."""

    name: _Name = Field("bundled", min_length=1, description="hub id, local directory, or `bundled`")
    revision: _Name | None = Field(None, description="branch, tag or full commit of a hub model")
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="precision of the computation: float32, float64"
    )
    trust_remote_code: bool = Field(default=False, description="run the model's own code; needs a full `revision`")
    smoothing: Literal["off", "auto"] | Annotated[float, Field(gt=0)] = Field(
        "auto", description="softplus in place of ReLU-like kinks: off, auto, or its sharpness"
    )
    template: str | None = Field(
        None, description="prompt of a language model with {text}, and {mask} for a masked one; needs `labels`"
    )
    labels: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, min_length=2, description="words that answer the template, spaces included", strict=False
    )

    @model_validator(mode="after")
    def _prompted(self) -> Self:
        if self.template is not None and self.labels is None:
            message = "then model.labels must be given too, the words that answer it"
            raise ValueError(message)
        if self.template is None and self.labels is not None:
            message = "model.labels answer a template, so model.template must be given too; change one of them"
            raise ValueError(message)
        if self.template is not None and self.template.count("{text}") != 1:
            message = "it must hold {text} once, in place of the text, as in '{text} Sentiment:'"
            raise ValueError(message)
        return self


_Index = Annotated[int, Field(ge=0)]


class TargetSection(_Section):
    """The scalar f that is explained."""

    label: str | _Index = Field("predicted", description="`predicted`, a label's name, or its index")
    against: str | _Index | None = Field(None, description="explain the difference to this label")
    output: Literal["logit", "probability", "log-odds"] = Field(
        "logit", description="quantity of the label to explain: logit, probability, log-odds"
    )


class BaselineSection(_Section):
    """What the absence of a word means."""

    kind: Literal[
        "auto", "value-zeroing", "pad", "mask", "unk", "zero", "text", "texts", "deletion", "masked-attention"
    ] = Field(
        "auto",
        description="how a word is absent: value-zeroing, pad, mask, unk, zero, text, texts (mean over a file), "
        "deletion, masked-attention; auto: value-zeroing where the model allows it, else mask or pad",
    )
    text: str | None = Field(None, description="the text of kind `text`")
    file: _Name | None = Field(None, description="the file of kind `texts`, a text a line")
    others: tuple[
        Literal["auto", "value-zeroing", "pad", "mask", "unk", "zero", "deletion", "masked-attention"], ...
    ] = Field((), description="further kinds; what depends on the kind is marked", strict=False)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for kind, key in (("text", "text"), ("texts", "file")):
            _together("baseline", self.kind, kind, key, getattr(self, key))
        return self


class UnitsSection(_Section):
    """What the rows of the matrix are."""

    kind: Literal["token", "word", "sentence", "auto", "spans"] = Field(
        "word",
        description="what a row stands for: token, word, sentence, spans; auto: in a text of over 64 words, words of "
        "the sentences that matter and each other sentence",
    )
    spans: _Name | None = Field(
        None, description="the file of kind `spans`: a line `start end`, or JSON [[start, end]]"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _together("units", self.kind, "spans", "spans", self.spans)
        return self


class AttributionSection(_Section):
    """How the integral is taken."""

    formulation: Literal["paper", "article", "article-code"] = Field(
        "paper", description="definition of the matrix: paper, article, article-code"
    )
    tolerance: float = Field(
        0.01, gt=0, le=1, description="largest error, as a share of the largest entry; in float32 at least 3e-4"
    )
    max_nodes: int = Field(512, ge=1, description="most full Hessians spent on one text and baseline")
    max_seconds: float | None = Field(
        None, gt=0, description="most seconds for one text once the model is loaded; then the best matrix so far"
    )
    top: int | None = Field(
        None, ge=1, description="compute only the entries among the units of the K strongest pairs (over 64 units)"
    )
    engine: Literal["auto", "forward", "reverse"] = Field(
        "auto", description="second-order engine: auto, forward, reverse"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of sign vectors and of sampled coalitions")
    method: Literal["ih", "shapley", "sii", "faith-shap", "archipelago", "occlusion", "lime", "kernel-shap"] = Field(
        "ih",
        description="ih, or a method over coalitions: shapley, sii, faith-shap, archipelago, occlusion, lime, "
        "kernel-shap",
    )
    evaluations: int | None = Field(None, ge=2, description="most coalitions that a game may be evaluated at")
    removal: bool = Field(default=True, description="check an explanation by removing words from the text")


class TextSection(_Section):
    """How the text is read."""

    truncation: bool = Field(default=False, description="cut a text that is too long instead of refusing it")
    windows: Literal["auto"] | Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="explain a longer text in windows of so many words (of sentences where units are sentences), each "
        "as a text of its own; auto: as many as the model reads",
    )
    overlap: Annotated[int, Field(ge=0)] | None = Field(
        None, description="words that two windows share; by default a quarter of a window"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.windows is None and self.overlap is not None:
            message = f"text.overlap is {self.overlap}, which only windows read; change one of them"
            raise ValueError(message)
        if self.windows is not None and self.truncation:
            message = "text.truncation is true, and a text in windows is not cut; change one of them"
            raise ValueError(message)
        if isinstance(self.windows, int) and self.overlap is not None and self.overlap >= self.windows:
            message = f"text.overlap is {self.overlap}, and two windows share less than a whole one; change one of them"
            raise ValueError(message)
        return self


class RuntimeSection(_Section):
    """Where it runs; nothing here changes a result beyond rounding."""

    device: Annotated[str, AfterValidator(_device)] = Field("auto", description="auto, cpu, cuda, cuda:N, mps")
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        "auto",
        description="working memory of a process beside the model, as 4GB; auto: half of what is free, at most 2.5GB",
    )
    threads: int | None = Field(
        None, ge=1, le=MOST_THREADS, description="CPU threads; by default all, or as many as cores are free"
    )


class OutputSection(_Section):
    """What is written."""

    directory: _Name = Field("ih-results", min_length=1, description="folder that gets one folder a text")
    formats: tuple[Literal["json", "csv", "png", "svg", "pdf"], ...] = Field(
        ("json", "csv", "png"), min_length=1, description="json, csv, png, svg, pdf", strict=False
    )
    diagonal: bool = Field(default=True, description="show the diagonal in the heatmap")


class CheckSection(_Section):
    """When `ih check` fails; not part of a result.  A difference within both certified tolerances never fails."""

    probability_atol: float = Field(1e-3, ge=0, description="allowed change of a probability")
    probability_rtol: float = Field(0.0, ge=0, description="the same, as a share of the largest")
    f_input_atol: float = Field(1e-4, ge=0, description="allowed change of f(x)")
    f_input_rtol: float = Field(1e-4, ge=0, description="the same, as a share of the larger of |f(x)| and |f(x')|")
    f_baseline_atol: float = Field(1e-4, ge=0, description="allowed change of f(x')")
    f_baseline_rtol: float = Field(1e-4, ge=0, description="the same, as a share of the larger of |f(x)| and |f(x')|")
    ig_atol: float = Field(0.0, ge=0, description="allowed change of an attribution")
    ig_rtol: float = Field(0.0, ge=0, description="the same, as a share of the largest attribution")
    ih_atol: float = Field(0.0, ge=0, description="allowed change of an entry of the matrix")
    ih_rtol: float = Field(0.0, ge=0, description="the same, as a share of the largest entry")
    top_k: int = Field(10, ge=1, description="how many of the strongest pairs are compared by rank")
    overlap: float = Field(0.8, ge=0, le=1, description="least share of the strongest pairs that must stay among them")
    tau: float = Field(0.8, ge=-1, le=1, description="least Kendall's tau between their two orders")
    other_weights: bool = Field(default=False, description="other weights may pass where the numbers agree")
    strict: bool = Field(default=False, description="warnings fail too")


class RunConfig(_Section):
    """The whole configuration of a run."""

    model: ModelSection = ModelSection()
    target: TargetSection = TargetSection()
    baseline: BaselineSection = BaselineSection()
    units: UnitsSection = UnitsSection()
    attribution: AttributionSection = AttributionSection()
    text: TextSection = TextSection()
    runtime: RuntimeSection = RuntimeSection()
    output: OutputSection = OutputSection()
    check: CheckSection = CheckSection()

    def to_dict(self) -> dict[str, Any]:
        """The configuration in plain JSON types.

        Returns:
            The settings by section and name, all of them.

        Example:
            >>> import ihcli
            >>> ihcli.RunConfig().to_dict()["model"]["name"]
            'bundled'
        """
        return self.model_dump(mode="json")

    @classmethod
    def of(cls, values: Mapping[str, Any] | None = None) -> Self:
        """A configuration from nested values, the rest default.

        Args:
            values: Settings by section and name, such as `{"target": {"label": "POSITIVE"}}`; None for the defaults.

        Returns:
            The configuration, checked.

        Raises:
            ConfigError: A section, a name or a value is not known or not allowed.

        Example:
            >>> import ihcli
            >>> ihcli.RunConfig.of({"attribution": {"tolerance": 0.05}}).attribution.tolerance
            0.05
        """
        return cls.model_validate(_validate({} if values is None else values, {}))


@dataclass(frozen=True, slots=True)
class Loaded:
    """An effective configuration and, for each dotted key, where its value came from."""

    config: RunConfig
    sources: Mapping[str, str]


@dataclass(slots=True)
class _Merge:
    """The values so far and, for each dotted key, the layer (file 0, variables 1, flags 2) and place it came from."""

    values: dict[str, Any]
    origins: dict[str, tuple[int, str]]
    layers: dict[str, set[int]] = field(default_factory=dict)
    """All the layers that gave a key."""

    def set(self, key: str, value: Any, layer: int, place: str) -> None:
        """Set a value, in place of that of a lower layer."""
        section, name = key.split(".")
        below = self.values.get(section)
        self.values[section] = {**(below if isinstance(below, Mapping) else {}), name: value}
        self.origins[key] = (layer, place)
        self.layers.setdefault(key, set()).add(layer)

    def drop_stale(self, chief: str, dependent: tuple[str, ...]) -> None:
        """Remove keys that a lower layer gave together with its own value of `chief`, which a higher layer replaced."""
        section = chief.partition(".")[0]
        layer = self.origins.get(chief, (-1, ""))[0]
        for key in dependent:
            own = self.origins.get(key, (layer, ""))[0]
            if own < layer and own in self.layers.get(chief, ()):
                del self.values[section][key.split(".")[1]]
                del self.origins[key]


_DEPENDENT = {
    "model.name": ("model.revision", "model.trust_remote_code"),
    "baseline.kind": ("baseline.text", "baseline.file"),
    "units.kind": ("units.spans",),
}


def load(
    path: str | os.PathLike[str] | None = None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Merge defaults, file, variables and flags.

    `flags` maps a dotted key to (the flag's name, its value).  Raises `ConfigError`.
    """
    merge = _Merge({}, {})
    if path is not None:
        merge.values, lines = _read_yaml(Path(path))
        merge.origins.update({key: (0, f"{path}:{line}") for key, line in lines.items()})
        merge.layers.update({key: {0} for key in lines})
    for key, (variable, text) in _variables(os.environ if environ is None else environ).items():
        merge.set(key, _from_text(key, text, variable), 1, variable)
    for key, (flag, value) in (flags or {}).items():
        merge.set(key, value, 2, flag)
    for chief, dependent in _DEPENDENT.items():
        merge.drop_stale(chief, dependent)
    sources = {key: place for key, (_, place) in merge.origins.items()}
    config = _validate(merge.values, sources)
    return Loaded(config, {key: sources.get(key, "default") for key in dotted_keys()})


def dotted_keys() -> list[str]:
    """Every key of the schema, in order."""
    return [f"{section}.{key}" for section, sub in _sections().items() for key in sub.model_fields]


def _sections() -> dict[str, type[_Section]]:
    return {name: field.annotation for name, field in RunConfig.model_fields.items()}  # type: ignore[misc]


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The variables that are set, by dotted key; an empty one counts as not set."""
    known = {f"IHCLI_{key.replace('.', '_').upper()}": key for key in dotted_keys()}
    found: dict[str, tuple[str, str]] = {}
    for variable, text in environ.items():
        if not variable.startswith("IHCLI_"):
            continue
        if variable not in known:
            message = (
                f"{variable}: no such setting.{_suggest(variable, known)} Unset it, or name one as IHCLI_SECTION_KEY."
            )
            raise ConfigError(message)
        if text:
            found[known[variable]] = (variable, text)
    return found


def _from_text(key: str, text: str, variable: str) -> Any:
    """The value that a variable's text stands for: text stays as it is, a list is split at commas, the rest is YAML."""
    alternatives = _alternatives(_property(key))
    if any(one.get("type") == "array" for one in alternatives):
        parts = text.split(",")
        return parts if key == "model.labels" else [part.strip() for part in parts]  # a label may begin with a space
    free = any(one.get("type") == "string" and not {"enum", "const"} & one.keys() for one in alternatives)
    if free or all(one.get("type") in ("string", "null") for one in alternatives):
        return text  # also of a label, which may be called 1 or null: an index is understood as text too
    try:
        return parse(text)[1]
    except YamlError as error:
        message = f"{variable}: {_seen(text)} is not a value ({error}); {key} must be {_phrase(_property(key))}."
        raise ConfigError(message) from error


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Values of a YAML file and the line of each dotted key; duplicate keys are errors."""
    try:
        text = read_file(path, LARGEST_FILE).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            message = (
                f"{path}: is not UTF-8 (byte {error.start} is 0x{error.object[error.start]:02x}). Save it as UTF-8."
            )
        else:
            reason = getattr(error, "strerror", None) or error
            message = f"{path}: cannot be read ({reason}). Give a YAML file; `ih config init` writes one."
        raise ConfigError(message) from error
    try:
        node, values = parse(text)
    except YamlError as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        message = f"{place}: is not YAML of sections and keys: {error}. `ih config init` shows the form."
        raise ConfigError(message) from error
    if node is None or values is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        message = f"{path}: holds {_seen(values)}, not sections. `ih config init` shows the form."
        raise ConfigError(message)
    lines = _lines(node, path)
    return {str(key): value for key, value in values.items() if value is not None}, lines


def _lines(node: yaml.MappingNode, path: Path) -> dict[str, int]:
    """The line of each section and each of its keys."""
    lines: dict[str, int] = {}

    def note(name: str, key: yaml.Node) -> None:
        line = key.start_mark.line + 1
        if name in lines:
            message = f"{path}:{line}: {name} stands twice (first on line {lines[name]}). Keep one."
            raise ConfigError(message)
        lines[name] = line

    for section, keys in node.value:
        note(str(section.value), section)
        for key, _ in keys.value if isinstance(keys, yaml.MappingNode) else ():
            note(f"{section.value}.{key.value}", key)
    return lines


def _validate(values: Any, sources: Mapping[str, str]) -> RunConfig:
    if not isinstance(values, Mapping):
        message = f"The configuration is {_seen(values)}; it must map sections to keys: {', '.join(_sections())}."
        raise ConfigError(message)
    _require_characters(values)
    try:
        return RunConfig.model_validate(_tuples(values))
    except ValidationError as error:
        message = "\n".join(dict.fromkeys(_sentence(detail, sources) for detail in error.errors()))
        raise ConfigError(message) from error


def _require_characters(value: Any, place: str = "", depth: int = 4) -> None:
    """Raise `ConfigError` where a name or a text within holds half of a surrogate pair, which is no character.

    Sections, keys and lists are looked into; what is nested deeper is refused in any case.
    """
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        message = f"{place or 'The configuration'} holds half of a surrogate pair ({value!a:.60}). Remove it."
        raise ConfigError(message)
    if not depth:
        return
    for key, item in value.items() if isinstance(value, Mapping) else ():
        _require_characters(key, place)
        _require_characters(item, f"{place}.{key}".removeprefix(".")[:_LONGEST], depth - 1)
    for item in value if isinstance(value, list | tuple) else ():
        _require_characters(item, place, depth - 1)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """YAML and JSON have lists only; the records are immutable."""
    return {
        section: {k: tuple(v) if isinstance(v, list) else v for k, v in keys.items()}
        if isinstance(keys, Mapping)
        else keys
        for section, keys in values.items()
    }


def _sentence(detail: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """One sentence for one finding of pydantic: where, which key, the value seen, what is allowed."""
    section, *rest = (str(part) for part in detail["loc"])
    key = f"{section}.{rest[0]}" if rest else section
    if detail["type"] == "extra_forbidden":
        return _unknown_key(key, section, sources, in_section=bool(rest))
    if detail["type"] == "value_error":
        return _broken_rule(detail, key, sources)
    if not rest:
        example = next(k for k in dotted_keys() if k.startswith(f"{section}.")).split(".")[1]
        seen = _seen(detail.get("input"))
        where = _where(key, sources)
        return f"{where}{section} is {seen}; it must be a section with keys below it, such as `{example}: …`."
    return _wrong_value(key, detail.get("input"), sources, in_list=len(rest) > 1)


def _unknown_key(key: str, section: str, sources: Mapping[str, str], *, in_section: bool) -> str:
    known = [k for k in dotted_keys() if k.startswith(f"{section}.")] if in_section else list(_sections())
    kind = "setting" if in_section else "section"
    shown = key if len(key) <= _LONGEST else f"{key[:_LONGEST]}…"
    return f"{_where(key, sources)}{shown} is not a {kind}.{_suggest(key, known)} Known: {', '.join(known)}."


def _broken_rule(detail: Mapping[str, Any], key: str, sources: Mapping[str, str]) -> str:
    """The sentence for a rule of this module: on one value, or on several keys that depend on one of them."""
    seen = detail.get("input")
    if "." not in key and isinstance(seen, Mapping):
        name = {"model": "template", "text": "windows"}.get(key, "kind")
        key = f"{key}.{name}"
        seen = seen.get(name, _property(key).get("default"))
    return f"{_where(key, sources)}{key} is {_seen(seen)}: {detail['ctx']['error']}."


def _wrong_value(key: str, seen: Any, sources: Mapping[str, str], *, in_list: bool) -> str:
    wanted = _property(key)
    verb = "holds" if in_list and wanted.get("type") == "array" else "is"
    takes_text = any(one.get("type") == "string" for one in _alternatives(wanted)) and not re.search(
        "enum|const", str(wanted)
    )
    quotes = " Put it in quotes if it is a word." if isinstance(seen, (int, float)) and takes_text else ""
    return f"{_where(key, sources)}{key} {verb} {_seen(seen)}; it must be {_phrase(wanted)}.{quotes}"


def _where(key: str, sources: Mapping[str, str]) -> str:
    place = sources.get(key) or sources.get(key.partition(".")[0])
    return f"{place}: " if place else ""


def _seen(value: Any) -> str:
    """A value as a user writes it, shortened; what is inside a list of a list is not shown."""
    if isinstance(value, (list, tuple)):
        shown = [_shown_in_list(item) for item in value[:_SHOWN]]
        return f"the list [{', '.join(shown)}{', …' if len(value) > _SHOWN else ''}]"
    return _shown_in_list(value)


def _shown_in_list(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "a list" if isinstance(value, (list, tuple)) else "a set"
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return f"a number of some {int(value.bit_length() * 0.30103):,} digits"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a foreign object may fail to show itself
        return f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_SHOWN = 5
_LONGEST = 80


@cache
def _property(key: str) -> dict[str, Any]:
    """The JSON schema of one dotted key, references resolved."""
    section, name = key.split(".")
    sub = _sections().get(section)
    found: dict[str, Any] = sub.model_json_schema()["properties"].get(name, {}) if sub else {}
    return found


def _alternatives(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    return wanted["anyOf"] if "anyOf" in wanted else [dict(wanted)]


_TYPES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
_LIMITS = {
    "exclusiveMinimum": "greater than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
}


def _phrase(wanted: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    return " or ".join(_one(one) for one in _alternatives(wanted))


def _one(wanted: Mapping[str, Any]) -> str:
    if "enum" in wanted:
        return "one of " + ", ".join(str(value) for value in wanted["enum"])
    if "const" in wanted:
        return str(wanted["const"])
    if wanted.get("type") == "null":
        return "null"
    if wanted.get("type") == "array":
        return f"a list, not empty, each {_phrase(wanted['items'])}"
    words = [_TYPES.get(str(wanted.get("type")), "a value")]
    if wanted.get("minLength"):
        words[0] += ", not empty"
    limits = [text.format(_limit(wanted[name])) for name, text in _LIMITS.items() if name in wanted]
    return " ".join([*words, " and ".join(limits)]).rstrip()


def _limit(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _suggest(seen: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(seen, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def commented_yaml() -> str:
    """The default configuration as a commented YAML file; what it says equals the defaults."""
    lines = ["# Configuration of ih. Every key is optional; these are the defaults.", ""]
    defaults = RunConfig().to_dict()
    for section, sub in _sections().items():
        lines.append(f"# {(sub.__doc__ or '').strip()}")
        lines.append(f"{section}:")
        for key, described in sub.model_fields.items():
            lines.append(f"  {key}: {yaml_scalar(defaults[section][key])}  # {described.description}")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def yaml_scalar(value: Any) -> str:
    """A plain value on one line of YAML that reads the same in YAML 1.1 and 1.2."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(yaml_scalar(item) for item in value)}]"
    if not isinstance(value, str):
        return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))  # YAML 1.1 wants the point
    if re.fullmatch(r"[A-Za-z][\w./-]*", value, re.ASCII) and yaml.safe_load(value) == value:
        return value
    text: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
    return text.strip()


def json_schema() -> dict[str, Any]:
    """The JSON schema of the configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}
