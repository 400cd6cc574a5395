import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from explanations import make_explanation

import ihcli.regression.gate
import ihcli.regression.terminal  # noqa: F401  (what a run inside this process imports first is forgotten after it)
from ihcli.config import RunConfig
from ihcli.results import Explanation

pytest_plugins = ["pytester"]

INSTALLED = any(point.value == "ihcli.pytest_plugin" for point in entry_points(group="pytest11"))
NAME = "ih" if INSTALLED else "ihcli.pytest_plugin"
HERE = Path(__file__).parent / "support"

CONFTEST = """
import sys
from types import ModuleType
from explanations import make_explanation
from ihcli.config import RunConfig

class Explainer:
    loaded = 0
    seed = 0
    def __init__(self, config):
        Explainer.loaded += 1
        self.config = config
    def explain(self, text, text_pair=None):
        return make_explanation(text=text, seed=Explainer.seed, config=self.config.to_dict())

pipeline = ModuleType("ihcli.pipeline")
pipeline.Explainer = Explainer
sys.modules["ihcli.pipeline"] = pipeline
"""

TESTS = """
import pytest
from pathlib import Path
from ihcli.pipeline import Explainer

@pytest.mark.parametrize("text", ["this movie was not bad", "a charming disaster"])
def test_text(ih_check, text):
    report = ih_check(text)
    assert report.exit_code == 0

def test_loaded_once():
    assert Explainer.loaded <= 1
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.syspath_prepend(str(HERE))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", NAME, "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)


def test_record_pass_regress_and_accept(project: pytest.Pytester) -> None:
    missing = run(project)
    missing.assert_outcomes(failed=2, passed=1)
    missing.stdout.fnmatch_lines(["*No baseline holds this text*", "*pytest --ih-update*"])
    recorded = run(project, "--ih-update")
    recorded.assert_outcomes(passed=3)
    recorded.stdout.fnmatch_lines(["*ih: accepted this-movie-was-not-bad: added*"])
    file = project.path / "ih-baselines" / "this-movie-was-not-bad" / "result.json"
    content = file.read_bytes()
    assert Explanation.load(file).text == "this movie was not bad"
    run(project).assert_outcomes(passed=3)
    run(project, "--ih-update").assert_outcomes(passed=3)
    assert file.read_bytes() == content

    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace("seed = 0", "seed = 1"))
    moved = run(project)
    moved.assert_outcomes(failed=2, passed=1)
    moved.stdout.fnmatch_lines(["*FAIL this movie was not bad*", "*FAIL*ih*±*"])
    moved.stdout.no_fnmatch_line("*pytest_plugin.py:*")
    run(project, "--ih-update").assert_outcomes(passed=3)
    assert file.read_bytes() != content
    run(project).assert_outcomes(passed=3)


def test_a_saved_result_and_limits(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from pathlib import Path
        import pytest
        from explanations import make_explanation

        def test_saved(ih_check, tmp_path):
            saved = make_explanation(5)
            saved.save(tmp_path / "x")
            ih_check(saved, "mine")
            ih_check(tmp_path / "x", "mine")
            ih_check(tmp_path / "x" / "result.json", "mine")

        def test_limits(ih_check):
            import numpy as np
            saved = make_explanation(5)
            shift = np.zeros((5, 5))
            shift[3, 4] = shift[4, 3] = 0.05
            moved = make_explanation(5, ih=saved.ih + shift)
            with pytest.raises(pytest.fail.Exception, match="REGRESSION"):
                ih_check(moved, "mine")
            ih_check(moved, "mine", ih_atol=0.06, ig_atol=0.06, f_input_atol=0.2)

        def test_damaged(ih_check):
            file = ih_check.baselines / "mine" / "result.json"
            file.write_text("{")
            with pytest.raises(pytest.fail.Exception, match="damaged file"):
                ih_check(make_explanation(5), "mine")
        """
    )
    run(project, "--ih-update", "-k", "test_saved", "--ih-baselines", "elsewhere").assert_outcomes(
        passed=1, deselected=2
    )
    assert (project.path / "elsewhere" / "mine" / "result.json").is_file()
    run(project, "--ih-baselines", "elsewhere").assert_outcomes(passed=3)


def test_an_unconverged_result_is_not_recorded(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from dataclasses import replace
        from explanations import make_explanation

        def test_rough(ih_check):
            good = make_explanation(5)
            ih_check(replace(good, certificate=replace(good.certificate, converged=False)), "rough")
        """
    )
    result = run(project, "--ih-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Refused: *did not meet its tolerance*"])
    assert not (project.path / "ih-baselines").exists()


def test_warnings_are_pytest_warnings(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from dataclasses import replace
        from explanations import make_explanation

        def test_versions(ih_check):
            good = make_explanation(5)
            good.save(ih_check.baselines / "x")
            ih_check(replace(good, environment=replace(good.environment, torch="9")), "x")
        """
    )
    # A run inside this process finds the package imported already, which pytest mentions where it is installed.
    result = run(project, "-W", "default", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*ExplanationWarning: versions changed at environment.torch*"])


def test_the_configuration_of_the_ini_is_used(project: pytest.Pytester) -> None:
    run(project, "--ih-update").assert_outcomes(passed=3)
    project.makeini("[pytest]\nih_config = gate.yaml\n")
    (project.path / "gate.yaml").write_text("units: {kind: token}\n")
    result = run(project)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*units.kind*word*token*"])


def test_what_a_baseline_names_is_used_with_consent_only(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from explanations import make_explanation
        from ihcli.config import RunConfig
        from ihcli.pipeline import Explainer

        def test_named(ih_check):
            config = RunConfig.of({"baseline": {"kind": "texts", "file": "/etc/passwd"}})
            make_explanation(text="so dull", config=config.to_dict()).save(ih_check.baselines / "so-dull")
            ih_check("so dull")
            assert Explainer.loaded == 1
        """
    )
    refused = run(project)
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(["*'/etc/passwd' as baseline.file*without your consent*--ih-trust-baselines*"])
    run(project, "--ih-trust-baselines").assert_outcomes(passed=1)


def test_a_name_stays_in_the_folder_of_the_baselines(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("name", ["../x", "/abs", "..", "a/../../x", ""])
        def test_name(ih_check, name):
            ih_check("so dull", name)
        """
    )
    result = run(project, "--ih-update")
    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(["*leads out of*"])
    assert not list(project.path.rglob("result.json"))
    assert not (project.path / "x").exists()


def test_texts_that_look_alike_have_baselines_of_their_own_and_old_ones_are_found(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from explanations import make_explanation

        @pytest.mark.parametrize("text", ["Not bad.", "not bad", "not  bad", "not-bad"])
        def test_text(ih_check, text):
            ih_check(text)
        """
    )
    old = project.path / "ih-baselines" / "not-bad" / "result.json"  # as ih 0.1.0 named the folder of "Not bad."
    make_explanation(text="Not bad.", config=RunConfig().to_dict()).save(old)
    run(project).assert_outcomes(passed=1, failed=3)
    run(project, "--ih-update").assert_outcomes(passed=4)
    texts = sorted(Explanation.load(file).text for file in (project.path / "ih-baselines").rglob("result.json"))
    assert texts == ["Not bad.", "not  bad", "not bad", "not-bad"]
    run(project).assert_outcomes(passed=4)


def test_importing_the_plugin_costs_nothing() -> None:
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import ihcli.pytest_plugin\n"
        "print(sorted(name for name in set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['ihcli', 'ihcli.pytest_plugin']\n"
