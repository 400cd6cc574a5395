"""Whether two results answer the same question: text, units, model, target, configuration, versions."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ihcli.config import RunConfig
from ihcli.counting import counted
from ihcli.regression.findings import Finding, Kind, Severity, Value, label_of, quoted
from ihcli.results import Explanation, Unit
from ihcli.text_safety import one_line

COMPARED_SECTIONS = ("model", "target", "baseline", "units", "attribution", "text")
"""The sections that can change a result; runtime, output and check cannot."""
_SHOWN_BY_RECORD = {"units.spans", "attribution.formulation", "attribution.method"}
"""Settings (with those of the target and the baseline) whose effect the record shows, where it is compared."""
_WITHOUT_EFFECT = {
    "model.name",
    "model.revision",
    "model.dtype",
    "model.trust_remote_code",
    "attribution.tolerance",
    "attribution.max_nodes",
    "attribution.max_seconds",
    "attribution.engine",
    "attribution.seed",
    "attribution.evaluations",
    "attribution.removal",
    "baseline.others",
    "text.windows",
    "text.overlap",
}
"""Settings that change a result within its tolerance only, or what stands beside it; the digest shows the name."""

UnitKey = tuple[str, int, int, int]


def compare_questions(old: Explanation, new: Explanation, *, other_weights: bool = False) -> list[Finding]:
    """Every difference in what was explained and how; none of them is a number of the explanation.

    Other weights are a regression, whatever the numbers say of these texts, unless `other_weights` allows them.
    """
    return [
        *_text(old, new),
        *_units(old, new),
        *_model(old, new, other_weights=other_weights),
        *_definition(old, new),
        *_configuration(old, new),
        *_versions(old, new),
    ]


def same_text(old: Explanation, new: Explanation) -> bool:
    """Whether both explain the same text (and pair)."""
    return (old.text, old.text_pair) == (new.text, new.text_pair)


def unit_keys(units: Sequence[Unit]) -> list[UnitKey]:
    """What identifies each unit: its side and offsets, and of units that share these (bytes of one character) which."""
    times: Counter[tuple[str, int, int]] = Counter()
    keys = []
    for unit in units:
        place = (unit.side, unit.start, unit.end)
        keys.append((*place, times[place]))
        times[place] += 1
    return keys


def same_units(old: Explanation, new: Explanation) -> bool:
    """Whether both cut the same text at the same places."""
    return same_text(old, new) and sorted(unit_keys(old.units)) == sorted(unit_keys(new.units))


def order_of(old: Explanation, new: Explanation) -> list[int]:
    """Where each unit of `old` stands in `new`, which has the same units."""
    place = {key: index for index, key in enumerate(unit_keys(new.units))}
    return [place[key] for key in unit_keys(old.units)]


def _text(old: Explanation, new: Explanation) -> Iterator[Finding]:
    if not same_text(old, new):
        message = "These are explanations of two texts; their numbers cannot be compared."
        yield Finding(Kind.TEXT, Severity.REGRESSION, "text", message, label_of(old, 80), label_of(new, 80))


def _units(old: Explanation, new: Explanation) -> Iterator[Finding]:
    if not same_text(old, new):
        return
    before, after = (dict(zip(unit_keys(units), units, strict=True)) for units in (old.units, new.units))
    gone = [unit.text for key, unit in before.items() if key not in after]
    added = [unit.text for key, unit in after.items() if key not in before]
    if gone or added:
        message = (
            f"The text is cut into other units: {len(before)} before, {len(after)} now; gone {quoted(gone) or '–'}, "
            f"new {quoted(added) or '–'}. IG and the matrix cannot be compared."
        )
        counts = counted(len(before), "unit"), counted(len(after), "unit")
        yield Finding(Kind.TOKENIZER, Severity.REGRESSION, "units", message, *counts)
        return
    changed = [key for key, unit in before.items() if unit.tokens != after[key].tokens]
    if changed:
        first = changed[0]
        units = counted(len(changed), "unit has", "units have")
        message = f"{units} other tokens, first “{one_line(before[first].text, 40)}”."
        tokens = " ".join(before[first].tokens), " ".join(after[first].tokens)
        yield Finding(Kind.TOKENIZER, Severity.REGRESSION, "tokens", message, *tokens)


def _model(old: Explanation, new: Explanation, *, other_weights: bool) -> Iterator[Finding]:
    a, b = old.model, new.model
    if a.architecture != b.architecture:
        message = "The model has another architecture."
        values = a.architecture, b.architecture
        yield Finding(Kind.MODEL, Severity.REGRESSION, "model.architecture", message, *values)
    if a.weights_sha256 != b.weights_sha256:
        severity, advice = Severity.REGRESSION, "If that is meant, --other-weights lets the numbers decide."
        if other_weights:
            severity, advice = Severity.WARNING, "Whether that matters, the numbers say."
        digests = a.weights_sha256[:12], b.weights_sha256[:12]
        yield Finding(Kind.MODEL, severity, "model.weights_sha256", f"The model has other weights. {advice}", *digests)
    for name in ("name", "revision", "dtype"):
        if getattr(a, name) != getattr(b, name):
            message = f"The model's {name} differs."
            yield Finding(Kind.MODEL, Severity.INFO, f"model.{name}", message, getattr(a, name), getattr(b, name))


def _definition(old: Explanation, new: Explanation) -> Iterator[Finding]:
    """The explained scalar, the baseline, the method, the formulation and the tolerance, as recorded."""
    if old.target != new.target:
        message = "Another output is explained: f, IG and the matrix answer another question."
        yield Finding(Kind.TARGET, Severity.REGRESSION, "target", message, _target(old), _target(new))
    for key in {**old.baseline, **new.baseline}:
        if old.baseline.get(key) != new.baseline.get(key):
            values = _value(old.baseline.get(key)), _value(new.baseline.get(key))
            message = f"The baseline's {key} differs."
            yield Finding(Kind.CONFIGURATION, Severity.REGRESSION, f"baseline.{key}", message, *values)
    before, after = old.quadrature.formulation, new.quadrature.formulation
    if old.method != new.method:
        message = "Another method made the numbers: they are defined differently."
        yield Finding(Kind.CONFIGURATION, Severity.REGRESSION, "attribution.method", message, old.method, new.method)
    elif before != after:
        message = "The formulation differs: the two matrices are defined differently."
        yield Finding(Kind.CONFIGURATION, Severity.REGRESSION, "attribution.formulation", message, before, after)
    tolerances = old.certificate.tolerance, new.certificate.tolerance
    if tolerances[0] != tolerances[1]:
        looser = tolerances[1] > tolerances[0]
        message = f"The new result is certified {'less' if looser else 'more'} tightly than the baseline."
        severity = Severity.WARNING if looser else Severity.INFO
        yield Finding(Kind.CONFIGURATION, severity, "attribution.tolerance", message, *tolerances)


def _target(explanation: Explanation) -> str:
    target = explanation.target
    against = "" if target.against is None else f" against {target.against}"
    return one_line(f"{target.output} of {target.label} (index {target.index}){against}")


def _configuration(old: Explanation, new: Explanation) -> Iterator[Finding]:
    """Settings that differ, apart from those whose effect the record shows."""
    if old.config is None and new.config is None:
        return
    if old.config is None or new.config is None:
        side = "baseline" if old.config is None else "run"
        message = f"The {side} records no configuration: what else may differ is unknown."
        yield Finding(Kind.CONFIGURATION, Severity.WARNING, "config", message)
        return
    before, after = _settings(old.config), _settings(new.config)
    for key in {**before, **after}:
        if before.get(key) == after.get(key) or key == "attribution.tolerance":
            continue
        severity, message = Severity.REGRESSION, f"{key} differs: the two results were made by other rules."
        if key in _WITHOUT_EFFECT:
            severity, message = Severity.INFO, f"{key} differs, which changes a result within its tolerance only."
        elif key in _SHOWN_BY_RECORD or key.startswith(("target.", "baseline.")):
            if _effect_differs(key, old, new):
                continue
            severity, message = Severity.WARNING, f"{key} differs, though not what it led to for this text."
        yield Finding(Kind.CONFIGURATION, severity, key, message, _value(before.get(key)), _value(after.get(key)))


def _effect_differs(key: str, old: Explanation, new: Explanation) -> bool:
    """Whether the record shows, and so reports, what the setting changed."""
    if key.startswith("target."):
        return old.target != new.target
    if key.startswith("baseline."):
        return dict(old.baseline) != dict(new.baseline)
    if key == "units.spans":
        return not same_units(old, new)
    return (old.method, old.quadrature.formulation) != (new.method, new.quadrature.formulation)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of the compared sections; a setting that an earlier version did not record is its default."""
    defaults = RunConfig().to_dict()
    return {
        f"{section}.{key}": list(value) if isinstance(value, tuple) else value
        for section in COMPARED_SECTIONS
        for key, value in {**defaults[section], **config.get(section, {})}.items()
    }


def _versions(old: Explanation, new: Explanation) -> Iterator[Finding]:
    for name in ("ihcli", "torch", "transformers", "python", "device"):
        values: tuple[str, str] = getattr(old.environment, name), getattr(new.environment, name)
        if values[0] != values[1]:
            severity = Severity.INFO if name == "python" else Severity.WARNING
            message = f"{name} differs; differences beyond rounding are reported apart."
            yield Finding(Kind.VERSIONS, severity, f"environment.{name}", message, *values)


def _value(value: Any) -> Value:
    """A setting as a report shows it: what a file held (a list of texts) as its digest, never as its content."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, Mapping)):
        content = json.dumps(value, sort_keys=True, default=str).encode("utf-8", "backslashreplace")
        return f"{len(value)} values, SHA-256 {hashlib.sha256(content).hexdigest()[:12]}"
    return one_line(str(value), 80)
