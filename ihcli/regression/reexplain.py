"""Explaining the recorded texts again."""

import json
from collections.abc import Callable, Iterable
from typing import Protocol

from ihcli.config import Loaded, RunConfig
from ihcli.errors import BaselineError, ConfigError, IhError, InputError, TargetError, UsageError
from ihcli.regression.comparability import COMPARED_SECTIONS
from ihcli.regression.findings import Finding, Kind, Severity, label_of
from ihcli.regression.recorded import Recorded
from ihcli.results import Explanation
from ihcli.text_safety import one_line

_FOLLOWED = {"model.name": "bundled", "baseline.file": None, "units.spans": None}
"""Settings that name something to load or to read, and the value that is safe whoever wrote it."""


class TextExplainer(Protocol):
    """What explains texts under one configuration."""

    def explain(self, text: str, text_pair: str | None = None) -> Explanation:
        """Explain one text."""


Load = Callable[[RunConfig], TextExplainer]
Configure = Callable[[Explanation], RunConfig]


def as_recorded(current: Loaded, *, trusted: bool = False, consent: str = "--trust-baseline") -> Configure:
    """Each baseline's own configuration, with this machine's `runtime`, and what the user gave on top.

    A recorded configuration may come from somebody else. What it names (a model, files) is loaded or read only where
    the user gave the same setting or has `trusted` the baselines; `consent` is how to do so. A model's own code runs
    only by the user's configuration.
    """
    given = [key for key, source in current.sources.items() if source != "default"]
    values_now = current.config.to_dict()

    def configure(old: Explanation) -> RunConfig:
        if old.config is None:
            message = "The baseline records no configuration to explain the text with; give one with -c."
            raise InputError(message)
        values = {name: dict(old.config.get(name, {})) for name in COMPARED_SECTIONS}
        if "model.name" in given:
            values["model"]["revision"] = None  # it belongs to the recorded model
        for key in given:
            section, name = key.split(".")
            if section in values:
                values[section][name] = values_now[section][name]
        for key, safe in _FOLLOWED.items():
            section, name = key.split(".")
            recorded = values[section].get(name, safe)
            if recorded is not None and recorded != safe and key not in given and not trusted:
                _refuse(old, key, recorded, consent)
        values["model"]["trust_remote_code"] = current.config.model.trust_remote_code
        try:
            return RunConfig.of({**values, "runtime": values_now["runtime"]})
        except ConfigError as error:
            message = f"The record of “{label_of(old, 40)}” has settings that cannot be used: {error}"
            raise ConfigError(message) from error

    return configure


def _refuse(old: Explanation, key: str, recorded: object, consent: str) -> None:
    message = (
        f"The record of “{label_of(old, 40)}” names {one_line(repr(recorded), 200)} as {key}, which is not used "
        f"without your consent. Give it yourself (-m for a model, or a configuration), or allow all that the baselines "
        f"name with {consent}."
    )
    raise UsageError(message)


def explain_again(
    records: Iterable[Recorded], configure: Configure, load: Load, done: Callable[[str], None] = lambda _: None
) -> list[Recorded]:
    """The new result of every readable record, one model loaded at a time; `done` is called with each name.

    A text that can no longer be explained (too long, its label gone) becomes a problem of its record. A model that
    does not load or yields no numbers, or a configuration that cannot be used, raises: that is no regression.
    """
    groups: dict[str, tuple[RunConfig, list[tuple[Recorded, Explanation]]]] = {}
    results: list[Recorded] = []
    for record in records:
        if record.explanation is None:
            continue
        try:
            config = configure(record.explanation)
        except InputError as error:
            results.append(_failed(record, error))
            continue
        key = json.dumps(config.to_dict(), sort_keys=True)
        groups.setdefault(key, (config, []))[1].append((record, record.explanation))
    for config, members in groups.values():
        explainer = load(config)
        for record, old in members:
            results.append(explain_one(explainer, record, old.text, old.text_pair))
            done(record.name)
    return results


def explain_one(explainer: TextExplainer, record: Recorded, text: str, text_pair: str | None) -> Recorded:
    """The new result of one text, or why there is none."""
    try:
        return Recorded(record.name, None, explainer.explain(text, text_pair))
    except (InputError, TargetError, BaselineError) as error:
        return _failed(record, error)


def _failed(record: Recorded, error: IhError) -> Recorded:
    return Recorded(record.name, None, None, Finding(Kind.NOT_EXPLAINED, Severity.REGRESSION, "run", str(error)))
