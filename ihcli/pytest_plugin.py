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
    from ihcli.regression.findings import ComparisonReport
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
    group.addoption("--ih-trust-baselines", action="store_true", help="load the models and files that they name")
    parser.addini("ih_baselines", "folder of recorded explanations, relative to the root", default="ih-baselines")
    parser.addini("ih_config", "configuration to explain with; else the recorded one, else the defaults", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what is kept for the session."""
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
    ) -> "ComparisonReport":
        """Fail the test when an explanation moved beyond its tolerance from the recorded one.

        Args:
            subject: A text, which is explained; the path of a saved result; or an `Explanation`.
            name: Name of the baseline; by default it is made of the text.
            text_pair: The second text, for models that read two.
            config: A configuration or its file to explain a text with; by default that of the ini key `ih_config`, else
                the recorded one.
            limits: Settings of the section `check`, for example `ih_rtol=0.1`.

        Returns:
            The report on the comparison, which passed.
        """
        __tracebackhide__ = True
        from dataclasses import replace

        from ihcli.errors import IhError
        from ihcli.regression.gate import judge

        try:
            chosen = self._configuration(config)
            saved = None if isinstance(subject, str) else _saved(subject)
            old = self._recorded(subject, text_pair, name, saved, chosen)
            new = saved if saved is not None else self._explained(str(subject), text_pair, old, chosen)
            baseline = old if old.path is not None else None
            report = judge([(baseline, replace(new, name=old.name))], _section(chosen, limits))
            if report.exit_code and self._config.getoption("ih_update"):
                report = self._updated(report, old.name)
        except IhError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if report.exit_code:
            pytest.fail(f"{_table(report)}\nIf this is as it should be: pytest --ih-update", pytrace=False)
        _warn(report)
        return report

    def _recorded(
        self,
        subject: "str | Path | Explanation",
        text_pair: str | None,
        name: str | None,
        saved: "Recorded | None",
        chosen: "RunConfig | None",
    ) -> "Recorded":
        """The baseline of that name, or of the text; without a path where there is none."""
        from ihcli.output.naming import folder_of_text, path_inside
        from ihcli.regression.recorded import Recorded, read_result
        from ihcli.results import RESULT

        text, pair = (subject, text_pair) if isinstance(subject, str) else (None, None)
        if saved is not None and saved.explanation is not None:
            text, pair = saved.explanation.text, saved.explanation.text_pair
        if name is None:
            name = Path(str(subject)).stem if text is None else folder_of_text(self.baselines, text, pair).name
            self._require_one_question(name, (text, pair, None if chosen is None else chosen.to_dict()))
        file = path_inside(self.baselines, name) / RESULT
        return read_result(file, name, "baseline") if file.exists() else Recorded(name, None, None)

    def _require_one_question(self, name: str, question: object) -> None:
        """Refuse a second question under one name that was made of its text: each would overwrite the other."""
        known = self._config.stash[_QUESTIONS].setdefault(name, question)
        if known != question:
            message = f"Another test of this session has the baseline {name!r} for another question: give each a name=."
            pytest.fail(message, pytrace=False)

    def _configuration(self, config: "RunConfig | str | Path | None") -> "RunConfig | None":
        from ihcli.config import RunConfig, load

        if isinstance(config, RunConfig):
            return config
        if config is None and self._config.getini("ih_config"):
            config = self._config.rootpath / str(self._config.getini("ih_config"))
        return None if config is None else load(config).config

    def _explained(self, text: str, pair: str | None, old: "Recorded", chosen: "RunConfig | None") -> "Recorded":
        """The text explained as chosen, else as recorded, else by the defaults."""
        from ihcli.config import load
        from ihcli.regression.reexplain import as_recorded, explain_one

        if old.problem is not None and chosen is None:
            pytest.fail(f"{old.problem.message} Or give a config.", pytrace=False)
        current = load()
        if chosen is None and old.explanation is not None and old.explanation.config is not None:
            trusted = bool(self._config.getoption("ih_trust_baselines"))
            chosen = as_recorded(current, trusted=trusted, consent="--ih-trust-baselines")(old.explanation)
        return explain_one(self._explainer(chosen or current.config), old, text, pair)

    def _explainer(self, config: "RunConfig") -> "Explainer":
        import json

        from ihcli.pipeline import Explainer

        loaded = self._config.stash[_EXPLAINERS]
        key = json.dumps(config.to_dict(), sort_keys=True)
        if key not in loaded:
            loaded[key] = Explainer(config)
        return loaded[key]

    def _updated(self, report: "ComparisonReport", name: str) -> "ComparisonReport":
        """Accept what changed; fail where that is refused."""
        from ihcli.regression.gate import update

        done = update(report, self.baselines, index=False)
        self._config.stash[_ACCEPTED] += [f"ih: accepted {name}: {what}" for _, what in done.accepted]
        if done.refused:
            pytest.fail(f"{_table(report)}\nRefused: {'; '.join(why for _, why in done.refused)}", pytrace=False)
        return done.remaining


def _saved(subject: "Path | Explanation") -> "Recorded":
    from ihcli.regression.recorded import Recorded, read_result
    from ihcli.results import RESULT, Explanation

    if isinstance(subject, Explanation):
        return Recorded("", None, subject)
    file = Path(subject)
    file = file / RESULT if file.is_dir() else file
    return read_result(file, file.parent.name, "run")


def _section(config: "RunConfig | None", limits: dict[str, float]) -> "CheckSection":
    from ihcli.config import RunConfig, load

    if config is None:
        config = load().config
    if not limits:
        return config.check
    return RunConfig.of({"check": {**config.check.model_dump(), **limits}}).check


def _table(report: "ComparisonReport") -> str:
    import io

    from rich.console import Console

    from ihcli.regression.terminal import show

    stream = io.StringIO()
    show(report, Console(file=stream, width=110, highlight=False, markup=False, emoji=False))
    return stream.getvalue().rstrip()


def _warn(report: "ComparisonReport") -> None:
    import warnings

    from ihcli.regression.findings import Severity

    for comparison in report.comparisons:
        for finding in comparison.findings:
            if finding.severity is Severity.WARNING:
                warnings.warn(ExplanationWarning(finding.line()), stacklevel=3)
