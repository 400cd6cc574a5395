"""What hosts and tools read beside the package: workflows, actions, forms, hooks, the container, oldest versions."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import ihcli

ROOT = Path(__file__).parent.parent
YAML = sorted([*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def steps(document: Any) -> list[dict[str, Any]]:
    """The steps of a workflow or of a composite action."""
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document.get("jobs", {}).values() for step in job["steps"]]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_a_file_is_yaml_and_its_actions_are_pinned_to_commits(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    for step in steps(document):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert "${{ inputs" not in step["run"], "an input in a script is code; pass it by the environment"


def test_one_action_has_one_commit() -> None:
    used = {pin for path in YAML for pin in re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))}
    names = [pin.partition("@")[0] for pin in used]
    assert len(names) == len(set(names)) > 0


def test_workflows_may_only_read_but_for_the_release() -> None:
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert document["permissions"] == {"contents": "read"}
        granted = {name: job["permissions"] for name, job in document["jobs"].items() if "permissions" in job}
        assert granted == ({"publish": {"id-token": "write"}} if path.stem == "release" else {})


def test_the_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == ihcli.__version__
    assert cited["license"] == PROJECT["license"]


def test_the_hooks_run_the_tools_of_ci() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    tools = {hook["entry"].split()[0] for hook in local["hooks"]}
    run = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert tools == {tool for tool in ("ruff", "mypy", "lint-imports") if f".venv/bin/{tool}" in run}


def test_the_oldest_versions_are_the_lower_ends_of_the_ranges() -> None:
    lines = (ROOT / "configs/constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    oldest = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    for requirement in PROJECT["dependencies"]:
        name, lower = re.match(r"([\w-]+)>=([\d.]+)", requirement.lower()).groups()  # type: ignore[union-attr]
        assert re.fullmatch(rf"{re.escape(lower)}(\.0)*", oldest[name])


def test_the_container_runs_ih_as_an_ordinary_user() -> None:
    lines = (ROOT / "configs/Dockerfile").read_text(encoding="utf-8").splitlines()
    assert 'ENTRYPOINT ["ih"]' in lines
    assert [line for line in lines if line.startswith("USER ")] == ["USER ih"]
    ignored = (ROOT / "configs/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert {f"!{name}" for name in copied} <= set(ignored)
