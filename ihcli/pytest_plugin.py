"""The pytest plugin: `ih_check(text)` fails when the explanation moved from the recorded one.

    def test_negation(ih_check):
        ih_check("this movie was not bad")

`pytest --ih-update` records what is missing and accepts what changed.  Loaded with every pytest run of an environment
that holds ihcli, this module imports nothing until the fixture is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ihcli.config import CheckSection, RunConfig
    from ihcli.pipeline import Explainer
    from ihcli.regression.findings import Report
    from ihcli.regression.recorded import Recorded
    from ihcli.results import Explanation

_ACCEPTED = pytest.StashKey[list[str]]()
_EXPLAINERS = pytest.StashKey[dict[str, "Explainer"]]()
_QUESTIONS = pytest.StashKey[dict[str, object]]()


class ExplanationWarning(pytest.PytestWarning):
    """Something about a passing explanation that its reader should know: other versions, other settings."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the settings of the ini file."""
    group = parser.getgroup("ih", "recorded explanations")
    group.addoption("--ih-update", action="store_true", help="record what is missing and accept what changed")
    group.addoption("--ih-baselines", metavar="DIR", help="folder of recorded explanations")
    parser.addini("ih_baselines", "folder of recorded explanations, relative to the root", default="ih-baselines")
    parser.addini("ih_config", "configuration to explain with; else the recorded one, else the defaults", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the session remembers."""
    config.stash[_ACCEPTED] = []
    config.stash[_EXPLAINERS] = {}
    config.stash[_QUESTIONS] = {}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was accepted."""
    for line in config.stash[_ACCEPTED]:
        terminalreporter.write_line(line)


@pytest.fixture
def ih_check(request: pytest.FixtureRequest) -> "IhCheck":
    """Compare the explanation of a text, or a saved result, with the recorded one."""
    return IhCheck(request.config)


class IhCheck:
    """The fixture: call it with a text, the path of a saved result, or an `Explanation`."""

    def __init__(self, config: pytest.Config) -> None:
        """Find the folder of the baselines."""
        self._config = config
        folder = config.getoption("ih_baselines") or config.getini("ih_baselines")
        self.baselines = config.rootpath / str(folder)

    def __call__(
        self,
        subject: "str | Path | Explanation",
        name: str | None = None,
        *,
        text_pair: str | None = None,
        config: "RunConfig | str | Path | None" = None,
        **limits: float,
    ) -> "Report":
        """Fail the test when `subject` moved beyond its tolerance from the baseline `name` (default: of its text).

        A `str` is a text and is explained with `config`, else the ini's `ih_config`, else as recorded; a `Path` is a
        saved result.  `limits` are settings of the `check` section, for example `ih_rtol=0.1`.
        """
        __tracebackhide__ = True
        from dataclasses import replace

        from ihcli.output import slug
        from ihcli.regression.gate import judge, update

        text, pair = (subject, text_pair) if isinstance(subject, str) else (None, None)
        saved = None if isinstance(subject, str) else _saved(subject)
        if saved is not None and saved.explanation is not None:
            text, pair = saved.explanation.text, saved.explanation.text_pair
        chosen = self._configuration(config)
        if name is None:
            name = slug(text, pair) if text is not None else Path(str(subject)).stem
            self._require_own(name, (text, pair, None if chosen is None else chosen.to_dict()))
        elif Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
            pytest.fail(f"name={name!r} leaves the folder of the baselines. Give a plain name.", pytrace=False)
        old = self._recorded(name)
        if old is not None and old.explanation is None and isinstance(subject, str) and chosen is None:
            pytest.fail(f"{old.problem.message if old.problem else name} Or give a config.", pytrace=False)
        new = saved if saved is not None else self._explain(name, str(text), pair, old, chosen)
        report = judge([(old, replace(new, name=name))], _section(chosen, limits))
        if report.exit_code and self._config.getoption("ih_update"):
            done = update(report, self.baselines, index=False)
            self._config.stash[_ACCEPTED] += [f"ih: accepted {name}: {what}" for _, what in done.accepted]
            if done.remaining.exit_code == 0:
                return done.remaining
            pytest.fail(f"{_table(report)}\nRefused: {'; '.join(why for _, why in done.refused)}", pytrace=False)
        if report.exit_code:
            pytest.fail(f"{_table(report)}\nIf this is as it should be: pytest --ih-update", pytrace=False)
        _warn(report)
        return report

    def _require_own(self, name: str, question: object) -> None:
        """Two questions under one derived name would overwrite each other's baseline for ever."""
        known = self._config.stash[_QUESTIONS].setdefault(name, question)
        if known != question:
            message = f"Another test of this session has the baseline {name!r} for another question: give each a name=."
            pytest.fail(message, pytrace=False)

    def _recorded(self, name: str) -> "Recorded | None":
        from ihcli.regression.recorded import RESULT, read_file

        file = self.baselines / name / RESULT
        return read_file(file, name, "baseline") if file.exists() else None

    def _configuration(self, config: "RunConfig | str | Path | None") -> "RunConfig | None":
        from ihcli.config import RunConfig, load

        if isinstance(config, RunConfig):
            return config
        if config is None and self._config.getini("ih_config"):
            config = self._config.rootpath / str(self._config.getini("ih_config"))
        return None if config is None else load(config).config

    def _explain(
        self, name: str, text: str, pair: str | None, old: "Recorded | None", chosen: "RunConfig | None"
    ) -> "Recorded":
        from ihcli.config import load
        from ihcli.regression.recorded import Recorded
        from ihcli.regression.reexplain import as_recorded, explain_one

        current = load().config
        recorded = None if old is None else old.explanation
        if chosen is None and recorded is not None and recorded.config is not None:
            chosen = as_recorded(current)(recorded)
        return explain_one(self._explainer(chosen or current), Recorded(name, None, None), text, pair)

    def _explainer(self, config: "RunConfig") -> "Explainer":
        import json

        from ihcli.pipeline import Explainer

        loaded = self._config.stash[_EXPLAINERS]
        key = json.dumps(config.to_dict(), sort_keys=True)
        if key not in loaded:
            loaded[key] = Explainer(config)
        return loaded[key]


def _saved(subject: "Path | Explanation") -> "Recorded":
    from ihcli.regression.recorded import RESULT, Recorded, read_file
    from ihcli.results import Explanation

    if isinstance(subject, Explanation):
        return Recorded("", None, subject)
    file = Path(subject)
    file = file / RESULT if file.is_dir() else file
    return read_file(file, file.parent.name, "run")


def _section(config: "RunConfig | None", limits: dict[str, float]) -> "CheckSection":
    from ihcli.config import RunConfig, load

    if config is None:
        config = load().config
    if not limits:
        return config.check
    return RunConfig.of({"check": {**config.check.model_dump(), **limits}}).check


def _table(report: "Report") -> str:
    import io

    from rich.console import Console

    from ihcli.regression.table import show

    stream = io.StringIO()
    show(report, Console(file=stream, width=110, highlight=False, markup=False, emoji=False))
    return stream.getvalue().rstrip()


def _warn(report: "Report") -> None:
    import warnings

    from ihcli.regression.findings import Severity
    from ihcli.regression.junit import line

    for entry in report.entries:
        for finding in entry.findings:
            if finding.severity is Severity.WARNING:
                warnings.warn(ExplanationWarning(line(finding)), stacklevel=3)
