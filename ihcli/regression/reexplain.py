"""Explaining the recorded texts again."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ihcli.config import RunConfig
from ihcli.errors import BaselineError, IhError, InputError, TargetError
from ihcli.regression.findings import Finding, Kind, Severity, one_line
from ihcli.regression.identity import COMPARED_SECTIONS
from ihcli.regression.recorded import Recorded
from ihcli.results import Explanation


class Explains(Protocol):
    """What explains texts under one configuration."""

    def explain(self, text: str, text_pair: str | None = None) -> Explanation:
        """Explain one text."""


Load = Callable[[RunConfig], Explains]
Configure = Callable[[Explanation], RunConfig]


def as_recorded(current: RunConfig, given: Mapping[str, Any] | None = None) -> Configure:
    """Each baseline's own configuration, with this machine's `runtime` and what was `given` (dotted keys) on top.

    Consent to a model's own code is the user's, never a file's: `trust_remote_code` comes from `current`.
    """
    given = given or {}

    def configure(old: Explanation) -> RunConfig:
        if old.config is None:
            message = "The baseline records no configuration to explain the text with; give one with -c."
            raise InputError(message)
        values = {name: dict(old.config[name]) for name in COMPARED_SECTIONS if name in old.config}
        if "model.name" in given:
            values.setdefault("model", {})["revision"] = None  # it belongs to the recorded model
        for key, value in given.items():
            section, name = key.split(".")
            if section in COMPARED_SECTIONS:
                values.setdefault(section, {})[name] = value
        values.setdefault("model", {})["trust_remote_code"] = current.model.trust_remote_code
        values["runtime"] = current.runtime.model_dump()
        return RunConfig.of(values)

    return configure


def explain_again(
    records: Iterable[Recorded], configure: Configure, load: Load, done: Callable[[str], None] = lambda _: None
) -> list[Recorded]:
    """The new result of every readable record, one model loaded at a time; `done` hears each name.

    A text that can no longer be explained (too long, its label gone) becomes a problem of its entry.  A model that
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
        groups.setdefault(json.dumps(config.to_dict(), sort_keys=True), (config, []))[1].append(
            (record, record.explanation)
        )
    for config, members in groups.values():
        explainer = load(config)
        for record, old in members:
            results.append(explain_one(explainer, record, old.text, old.text_pair))
            done(record.name)
    return results


def explain_one(explainer: Explains, record: Recorded, text: str, text_pair: str | None) -> Recorded:
    """The new result of one text, or why there is none."""
    try:
        return Recorded(record.name, None, explainer.explain(text, text_pair))
    except (InputError, TargetError, BaselineError) as error:
        return _failed(record, error)


def _failed(record: Recorded, error: IhError) -> Recorded:
    problem = Finding(Kind.NOT_EXPLAINED, Severity.REGRESSION, "run", one_line(str(error)))
    return Recorded(record.name, None, None, problem)
