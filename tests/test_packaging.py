"""The package as it is installed: what is imported when, what it depends on, what a wheel holds."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ihcli

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ihcli"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
HEAVY = ("torch", "transformers", "matplotlib", "numpy", "pydantic", "yaml", "rich", "jinja2", "pyarrow")
INSTALLED_AS = {"yaml": "pyyaml", "huggingface_hub": "huggingface-hub", "pydantic_core": "pydantic", "icu": "pyicu"}
"""The distribution that a module comes with, where its name is another."""
ELSEWHERE = {"pytest"}
"""Imported only where the program that brings it runs."""


# --- what is imported when ---


def heavy_after(code: str) -> set[str]:
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


@pytest.mark.parametrize("code", ["import ihcli", "import ihcli.cli.app", running("--help"), running("--version")])
def test_help_loads_nothing_heavy(code: str) -> None:
    assert heavy_after(code) == set()


def test_the_help_of_a_command_loads_what_typer_does() -> None:
    assert heavy_after(running("explain", "--help")) <= {"pydantic"}


def test_the_configuration_is_read_without_torch() -> None:
    assert heavy_after(running("config", "show")) <= {"pydantic", "yaml"}


# --- modules ---


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """The modules that a file imports, and the names that it takes from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_no_module_shadows_the_standard_library_or_hides_its_purpose() -> None:
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert names & (sys.stdlib_module_names - {"__future__"}) == set()
    assert names & {"utils", "util", "helpers", "misc", "common"} == set()


def test_every_package_has_an_init() -> None:
    assert {path.parent for path in MODULES} == {path.parent for path in MODULES if path.name == "__init__.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_what_is_declared_and_no_pyplot(path: Path) -> None:
    required = {re.split(r"[^a-z0-9-]", one.lower())[0] for one in PROJECT["dependencies"]}
    optional = {
        re.split(r"[^a-z0-9-]", one.lower())[0]
        for group, packages in PROJECT["optional-dependencies"].items()
        if group != "dev"
        for one in packages
    }
    for module, name in imports(path):
        assert "pyplot" not in f"{module}.{name}"
        package = module.partition(".")[0]
        if package not in sys.stdlib_module_names | ELSEWHERE | {"ihcli"}:
            distribution = INSTALLED_AS.get(package, package.replace("_", "-"))
            assert distribution in required | optional, f"{module} is no declared dependency"


# --- what is installed ---


def test_the_version_is_that_of_the_package_and_of_the_changelog() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", ihcli.__version__)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] in {f"[{ihcli.__version__}]", "[Unreleased]"}


def test_the_constraints_pin_everything_that_the_package_needs() -> None:
    lines = (ROOT / "configs/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", pin) for pin in pins)
    assert pins == sorted(pins, key=str.casefold)
    names = {re.split(r"[^a-z0-9-]", one.lower())[0] for one in PROJECT["dependencies"]}
    assert names <= {pin.partition("==")[0].lower() for pin in pins}


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source / "ihcli", ignore=shutil.ignore_patterns("__pycache__"))
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
        names = archive.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    packed = {name for name in names if name.startswith("ihcli/")}
    assert packed == {str(path.relative_to(source)) for path in (source / "ihcli").rglob("*") if path.is_file()}
