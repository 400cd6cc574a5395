"""Whether two results answer the same question: text, units, model, target, configuration, versions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ihcli.regression.findings import Finding, Kind, Severity, Value, names, one_line
from ihcli.results import Explanation, Unit

COMPARED_SECTIONS = ("model", "target", "baseline", "units", "attribution", "text")
"""The sections that can change a result; runtime, output and check cannot."""

ONE_SIDED = "article-code"
"""The formulation with ones in place of δ on the left: its matrix is not symmetric by nature."""

_JUDGED_BY_RECORD = {
    # What the setting did stands in the record and is compared there.
    "target.label": Kind.TARGET,
    "target.against": Kind.TARGET,
    "target.output": Kind.TARGET,
    "baseline.kind": Kind.CONFIGURATION,
    "baseline.text": Kind.CONFIGURATION,
    "baseline.file": Kind.CONFIGURATION,
    "units.spans": Kind.TOKENIZER,
    "attribution.formulation": Kind.CONFIGURATION,
}
_WITHOUT_EFFECT = {
    "model.name",
    "model.revision",
    "model.dtype",
    "model.trust_remote_code",
    "attribution.tolerance",
    "attribution.max_nodes",
    "attribution.engine",
    "attribution.seed",
}
"""Settings that change a result within its tolerance only, or (the model's name) whose effect the digest shows."""


def compare_identity(old: Explanation, new: Explanation, *, other_weights: bool = False) -> list[Finding]:
    """Every difference in what was explained and how; none of them is a number of the explanation.

    Other weights are a regression, whatever the numbers say of these texts, unless `other_weights` allows them.
    """
    return [
        *_text(old, new),
        *_units(old, new),
        *_model(old, new, other_weights=other_weights),
        *_question(old, new),
        *_configuration(old, new),
        *_versions(old, new),
    ]


def same_text(old: Explanation, new: Explanation) -> bool:
    """Whether both explain the same text (and pair)."""
    return (old.text, old.text_pair) == (new.text, new.text_pair)


UnitKey = tuple[str, int, int, int]


def unit_keys(units: Sequence[Unit]) -> list[UnitKey]:
    """What identifies each unit: its side and offsets, and of units that share these (bytes of one character) which."""
    seen: Counter[tuple[str, int, int]] = Counter()
    keys = []
    for unit in units:
        place = (unit.side, unit.start, unit.end)
        keys.append((*place, seen[place]))
        seen[place] += 1
    return keys


def same_units(old: Explanation, new: Explanation) -> bool:
    """Whether both cut the text at the same places."""
    return sorted(unit_keys(old.units)) == sorted(unit_keys(new.units))


def order_of(old: Explanation, new: Explanation) -> list[int]:
    """Where each unit of `old` stands in `new`, which has the same units."""
    place = {key: index for index, key in enumerate(unit_keys(new.units))}
    return [place[key] for key in unit_keys(old.units)]


def _text(old: Explanation, new: Explanation) -> list[Finding]:
    if same_text(old, new):
        return []
    message = "These are explanations of two texts; their numbers cannot be compared."
    values = [one_line(e.text if e.text_pair is None else f"{e.text} ‖ {e.text_pair}", 80) for e in (old, new)]
    return [Finding(Kind.TEXT, Severity.REGRESSION, "text", message, values[0], values[1])]


def _units(old: Explanation, new: Explanation) -> list[Finding]:
    if not same_text(old, new):
        return []
    before, after = (dict(zip(unit_keys(units), units, strict=True)) for units in (old.units, new.units))
    gone = [unit.text for key, unit in before.items() if key not in after]
    come = [unit.text for key, unit in after.items() if key not in before]
    if gone or come:
        message = (
            f"The text is cut into other units: {len(before)} before, {len(after)} now; gone {names(gone) or '–'}, "
            f"new {names(come) or '–'}. IG and the matrix cannot be compared."
        )
        old_units, new_units = (f"{len(units)} units" for units in (before, after))
        return [Finding(Kind.TOKENIZER, Severity.REGRESSION, "units", message, old_units, new_units)]
    changed = [key for key, unit in before.items() if unit.tokens != after[key].tokens]
    if changed:
        first = changed[0]
        message = f"{len(changed)} units have other tokens, first “{one_line(before[first].text, 40)}”."
        tokens = (" ".join(before[first].tokens), " ".join(after[first].tokens))
        return [Finding(Kind.TOKENIZER, Severity.REGRESSION, "tokens", message, tokens[0], tokens[1])]
    return []


def _model(old: Explanation, new: Explanation, *, other_weights: bool) -> list[Finding]:
    a, b = old.model, new.model
    found = []
    if a.architecture != b.architecture:
        message = "The model has another architecture."
        found.append(
            Finding(Kind.MODEL, Severity.REGRESSION, "model.architecture", message, a.architecture, b.architecture)
        )
    if a.weights_sha256 != b.weights_sha256:
        message = "The model has other weights; whether that matters, the numbers say."
        if not other_weights:
            message = "The model has other weights. If that is meant, --other-weights lets the numbers decide."
        severity = Severity.WARNING if other_weights else Severity.REGRESSION
        digests = (a.weights_sha256[:12], b.weights_sha256[:12])
        found.append(Finding(Kind.MODEL, severity, "model.weights_sha256", message, digests[0], digests[1]))
    for name in ("name", "revision", "dtype"):
        values = getattr(a, name), getattr(b, name)
        if values[0] != values[1]:
            message = f"The model's {name} differs."
            found.append(Finding(Kind.MODEL, Severity.INFO, f"model.{name}", message, _text_of(values[0]), values[1]))
    return found


def _question(old: Explanation, new: Explanation) -> list[Finding]:
    """The explained scalar, the baseline and the formulation, as recorded."""
    found = []
    if old.target != new.target:
        message = "Another output is explained: f, IG and the matrix answer another question."
        found.append(Finding(Kind.TARGET, Severity.REGRESSION, "target", message, _target(old), _target(new)))
    changed = [key for key in {**old.baseline, **new.baseline} if old.baseline.get(key) != new.baseline.get(key)]
    for key in changed:
        message = f"The baseline's {key} differs."
        values = _text_of(old.baseline.get(key)), _text_of(new.baseline.get(key))
        found.append(Finding(Kind.CONFIGURATION, Severity.REGRESSION, f"baseline.{key}", message, values[0], values[1]))
    formulations = old.quadrature.formulation, new.quadrature.formulation
    if formulations[0] != formulations[1]:
        message = "The formulation differs: the two matrices are defined differently."
        where = "attribution.formulation"
        found.append(Finding(Kind.CONFIGURATION, Severity.REGRESSION, where, message, formulations[0], formulations[1]))
    tolerances = old.certificate.tolerance, new.certificate.tolerance
    if tolerances[0] != tolerances[1]:
        looser = tolerances[1] > tolerances[0]
        message = f"The new result is certified {'less' if looser else 'more'} tightly than the baseline."
        severity = Severity.WARNING if looser else Severity.INFO
        where = "attribution.tolerance"
        found.append(Finding(Kind.CONFIGURATION, severity, where, message, tolerances[0], tolerances[1]))
    return found


def _target(explanation: Explanation) -> str:
    target = explanation.target
    against = "" if target.against is None else f" against {target.against}"
    return one_line(f"{target.output} of {target.label} (index {target.index}){against}")


def _configuration(old: Explanation, new: Explanation) -> list[Finding]:
    """Settings that differ, apart from those whose effect the record shows."""
    if old.config is None or new.config is None:
        if old.config is None and new.config is None:
            return []
        side = "baseline" if old.config is None else "run"
        message = f"The {side} records no configuration: what else may differ is unknown."
        return [Finding(Kind.CONFIGURATION, Severity.WARNING, "config", message)]
    a, b = _settings(old.config), _settings(new.config)
    found = []
    for key in {**a, **b}:
        if a.get(key) == b.get(key) or key == "attribution.tolerance":
            continue
        if key in _WITHOUT_EFFECT:
            severity, message = Severity.INFO, f"{key} differs, which changes a result within its tolerance only."
        elif key in _JUDGED_BY_RECORD:
            severity, message = Severity.WARNING, f"{key} differs, though not what it led to for this text."
            if _effect_differs(key, old, new):
                continue
        else:
            severity, message = Severity.REGRESSION, f"{key} differs: the two results were made by other rules."
        found.append(Finding(Kind.CONFIGURATION, severity, key, message, _text_of(a.get(key)), _text_of(b.get(key))))
    return found


def _effect_differs(key: str, old: Explanation, new: Explanation) -> bool:
    """Whether the record already shows (and so reports) what the setting changed."""
    if key.startswith("target."):
        return old.target != new.target
    if key.startswith("baseline."):
        return dict(old.baseline) != dict(new.baseline)
    if key == "units.spans":
        return not same_units(old, new)
    return old.quadrature.formulation != new.quadrature.formulation


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of the compared sections; a setting that is not recorded is absent."""
    settings: dict[str, Any] = {}
    for section in COMPARED_SECTIONS:
        values = config.get(section)
        for key, value in (values if isinstance(values, Mapping) else {}).items():
            settings[f"{section}.{key}"] = list(value) if isinstance(value, tuple) else value
    return settings


def _versions(old: Explanation, new: Explanation) -> list[Finding]:
    found = []
    for name in ("ihcli", "torch", "transformers", "python", "device"):
        values: tuple[str, str] = getattr(old.environment, name), getattr(new.environment, name)
        if values[0] != values[1]:
            severity = Severity.INFO if name == "python" else Severity.WARNING
            message = f"{name} differs; differences beyond rounding are reported apart."
            found.append(Finding(Kind.VERSIONS, severity, f"environment.{name}", message, values[0], values[1]))
    return found


def _text_of(value: Any) -> Value:
    return value if value is None or isinstance(value, str) else one_line(str(value), 80)
