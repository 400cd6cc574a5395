"""The README: its commands give the output shown, its code and configurations work, its tables show their data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ihcli.cli.app import app
from ihcli.config import RunConfig, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"[−+-]?\d[\d.]*(?:e[−-]?\d+)?")


def marked(marker: str) -> list[tuple[str, str]]:
    """The commands of the console blocks below `<!-- marker -->`, each with the output shown."""
    commands: list[tuple[str, str]] = []
    for block in re.findall(rf"<!-- {marker} -->\n```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            commands.append((command, output))
    return commands


def test_two_commands_do_all_the_set_up() -> None:
    [(first, _), (second, _)] = marked("install") + marked("test")
    for command in (first, second):
        assert command.startswith("python3.11 -m venv .venv && .venv/bin/pip install -c configs/constraints.txt ")
    assert first.endswith(' . && .venv/bin/ih explain "this movie was not bad"')
    assert second.endswith(" -e '.[dev]' && .venv/bin/pytest")


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_stands_in_it(name: str) -> None:
    assert f"ih {name}" in README


def shape(text: str) -> str:
    """A printed text without its numbers and its spacing."""
    return " ".join(NUMBER.sub("#", text).split())


def numbers(text: str) -> list[float]:
    """The numbers of a printed text, in their order."""
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


@pytest.mark.parametrize(("command", "output"), marked("run"))
def test_a_command_runs_as_shown(command: str, output: str, tmp_path: Path) -> None:
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


def test_its_python_runs(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("code", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_a_configuration_in_it_loads(code: str, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(code, encoding="utf-8")
    assert load(file, environ={}).config != RunConfig()


def test_the_table_of_the_bench_shows_its_data() -> None:
    texts = json.loads((ROOT / "outputs/benchmarks/bench.json").read_text(encoding="utf-8"))["texts"]
    section = README.partition("<!-- section: Benchmarks -->")[2]
    rows = re.findall(r"^\| ([^|]*(?:certified|published|double|Gauss)[^|]*) (\|.*)$", section, re.MULTILINE)
    shown = {
        name: [float(number.replace(",", "")) for number in re.findall(r"\| (?:over )?([\d.,]+)", cells)]
        for name, cells in rows
    }
    measured = {
        "certified": [_seconds(text["reaches"], "ours") for text in texts],
        "published": [_seconds(text["measurements"], "article") for text in texts],
        "double": [_seconds(text["measurements"], "article-double") for text in texts],
        "Gauss": [_seconds(text["reaches"], "product-grid") for text in texts],
    }
    for kind, seconds in measured.items():
        [row] = [cells for name, cells in shown.items() if kind in name]
        assert row == pytest.approx(seconds, rel=0.02), kind


def _seconds(measured: list[dict[str, Any]], procedure: str) -> float:
    return next(one["seconds"] for one in measured if one["procedure"] == procedure)
