"""README and site: commands give the output shown, code and configurations work, figures are those of their data."""

import csv
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm_commands
from typer.main import get_command

from ihcli.cli.app import app
from ihcli.config import RunConfig, load
from ihcli.results import Explanation

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "configs/docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
}
MEASURED = PAGES["configs/docs/explanation/measured.md"]
RUN_CELL = re.compile(r"```(bash|python)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"[−+-]?\d[\d.]*(?:e[−-]?\d+)?")


def marked(marker: str, page: str = README) -> list[tuple[str, str]]:
    """The commands of the console blocks below `<!-- marker -->`, each with the output shown."""
    commands: list[tuple[str, str]] = []
    for block in re.findall(rf"<!-- {marker} -->\n```console\n(.*?)```", page, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            commands.append((command, output))
    return commands


SHOWN = [
    pytest.param(*one, id=f"{name}-{index}")
    for name, page in PAGES.items()
    for index, one in enumerate(marked("run", page))
]
"""Every command of README and site that runs here and whose output is shown."""
CELLS = {name: found for name, page in PAGES.items() if (found := RUN_CELL.findall(page))}
"""The Bash and Python blocks of each page."""


def test_two_commands_do_all_the_set_up() -> None:
    [(first, _), (second, _)] = marked("install") + marked("test")
    for command in (first, second):
        assert command.startswith("python3.11 -m venv .venv && .venv/bin/pip install -c configs/constraints.txt ")
    assert first.endswith(' . && .venv/bin/ih explain "this movie was not bad"')
    assert second.endswith(" -e '.[dev]' && .venv/bin/pytest -n 2 --dist loadfile")


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_command_stands_in_it(name: str) -> None:
    assert f"ih {name}" in README + PAGES["configs/docs/reference/command-line.md"] + "".join(PAGES.values())


def section(page: str, name: str) -> str:
    """The text between two marks of a page, on one line."""
    return " ".join(page.partition(f"[start:{name}]")[2].partition(f"[end:{name}]")[0].split())


def shape(text: str) -> str:
    """A printed text without its numbers and its spacing."""
    return " ".join(NUMBER.sub("#", text).split())


def numbers(text: str) -> list[float]:
    """The numbers of a printed text, in their order."""
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("IHCLI_")},
    "PYTHONPATH": str(ROOT),
    "COLUMNS": "88",
    "NO_COLOR": "1",
    "PYTHONWARNINGS": "ignore",
}


@pytest.fixture(scope="module")
def commands() -> Iterator[str]:
    """A server that runs `ih` and `python` without their imports."""
    with tempfile.TemporaryDirectory() as folder, warm_commands.server(Path(folder), ENVIRONMENT) as address:
        yield address


def surroundings(folder: Path, commands: str | None) -> tuple[Path, dict[str, str]]:
    """A folder to work in that has `ih` and the project's configurations and records, and its environment."""
    programs, work = folder / "bin", folder / "work"
    programs.mkdir()
    work.mkdir()
    for name, started in (("ih", "-m ihcli"), ("python", ""), ("pytest", "-m pytest")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {started} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        if commands is not None and name != "pytest":
            warm_commands.client(program, name, commands)
    for name in ("configs", "outputs"):
        (work / name).symlink_to(ROOT / name)
    (work / "my-model").symlink_to(ROOT / "ihcli/bundled/weights")
    return work, {**ENVIRONMENT, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def run(command: list[str], folder: Path, commands: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command in such a folder."""
    work, environment = surroundings(folder, commands)
    return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_command_runs_as_shown(command: str, output: str, tmp_path: Path, commands: str) -> None:
    first = command == SHOWN[0].values[0]  # in an interpreter of its own
    ran = run(["bash", "-c", f"set -euo pipefail; {command}"], tmp_path, None if first else commands)
    assert ran.returncode in {0, 141}, ran.stderr  # 141: `head` had read enough
    if output.strip():
        assert shape(output) == shape(ran.stdout)
        assert numbers(ran.stdout) == pytest.approx(numbers(output), rel=0.02)  # explained to 1 % of the largest


@pytest.mark.parametrize("page", CELLS)
def test_the_blocks_of_a_page_run_one_after_the_other(page: str, tmp_path: Path, commands: str) -> None:
    script = ["set -euo pipefail"]
    python = [code for language, code in CELLS[page] if language == "python" and "ih_check" not in code]
    if python:
        (tmp_path / "blocks.py").write_text("\n".join(python), encoding="utf-8")
        script.append(f"python {tmp_path / 'blocks.py'}")
    script += [code for language, code in CELLS[page] if language == "bash"]
    ran = run(["bash", "-c", "\n".join(script)], tmp_path, commands)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "code", [code for page in PAGES.values() for code in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
)
def test_a_configuration_in_it_loads(code: str, tmp_path: Path) -> None:
    file = tmp_path / "shown.yaml"
    file.write_text(code, encoding="utf-8")
    assert load(file, environ={}).config != RunConfig()


def test_the_times_beside_the_published_ones_are_those_of_the_bench() -> None:
    text = json.loads((ROOT / "outputs/benchmarks/bench.json").read_text(encoding="utf-8"))["texts"][-1]
    measured = {(one["procedure"], one["effort"]): one for one in text["measurements"]}
    default, pad = (measured[name, "tolerance 0.01"] for name in ("value-zeroing", "ours"))
    paper, article = measured["paper", "49 samples"], measured["article", "50 steps"]
    said = section(README, "times").replace(" %", "%")
    own = f"{text['units']} units, `ih` takes {default['seconds']:.1f} s (true error {default['error']:.2%}), or"
    assert f"{own} {pad['seconds']:.1f} s ({pad['error']:.2%}) with the published baseline `pad`" in said
    assert f"49 samples takes {paper['seconds']:.0f} s with an error of {paper['error']:.0%}" in said
    assert f"a later article {article['seconds']:.0f} s for another quantity" in said


def test_the_times_of_the_defaults_are_those_of_their_data() -> None:
    data = json.loads((ROOT / "outputs/benchmarks/default_times.json").read_text(encoding="utf-8"))
    alone, checked = (
        " / ".join(f"{row['seconds']:.1f}" for row in data[name]) for name in ("integral", "with removal")
    )
    said = section(README, "times")
    units = [row["units"] for row in data["integral"]]
    assert f"a text of {units[0]}, {units[1]} and {units[2]} units takes {alone} s of one core" in said
    assert f"{checked} s with the check by removal" in said


def test_the_seconds_of_a_cold_start_are_those_of_their_data() -> None:
    data = json.loads((ROOT / "outputs/benchmarks/cold_start.json").read_text(encoding="utf-8"))["processes"]
    said = section(README, "times")
    assert f"A whole command takes {data['first']['cpu']:.1f} s of processor time" in said
    assert f"runs it once takes {data['bare']['cpu']:.1f} s." in said


def test_the_planted_figures_are_those_of_the_table() -> None:
    table = (ROOT / "outputs/benchmarks/planted.md").read_text(encoding="utf-8")
    mean = {
        (method, absence): float(rank)
        for method, absence, rank in re.findall(r"^\| (\S+) \| (\S+) \| ([\d.]+) \|", table, re.MULTILINE)
    }
    said = section(MEASURED, "planted")
    ranks = {key: f"{value:.2f}" for key, value in mean.items()}
    assert f"is {ranks['sii', 'deletion']} for SII and Faith-SHAP of deletion" in said
    assert ranks["faith-shap", "deletion"] == ranks["sii", "deletion"]
    both = f"{ranks['ih', 'masked-attention']} to {ranks['ih', 'deletion']} for Integrated Hessians of masked attention"
    assert both in said
    assert f"{ranks['ih', 'mask']} for `mask` and `pad`" in said
    assert ranks["ih", "pad"] == ranks["ih", "mask"]
    assert f"{ranks['ih', 'value-zeroing']} for value zeroing" in said
    assert f"{ranks['archipelago', 'deletion']} for Archipelago" in said
    for task, shown in re.findall(r"(brackets|palindromes) (0\.\d\d)", said):
        [rank] = re.findall(rf"^\| {task.removesuffix('s')}s? \| ih \| value-zeroing \| ([\d.]+) ", table, re.MULTILINE)
        assert shown == rank


def evaluated() -> dict[tuple[str, str, str], dict[str, float]]:
    """Every mean of the recorded evaluation, by model, method and baseline."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    with (ROOT / "outputs/benchmarks/evaluation.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            key = row["model"], row["method"], row["baseline"]
            found.setdefault(key, {})[row["metric"]] = float(row["estimate"] or "nan")
    return found


def shown_number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def test_the_figures_of_the_evaluation_are_those_of_its_data() -> None:
    data = evaluated()
    sources = {
        "Integrated Hessians, value zeroing": ("ih", "value-zeroing"), "Integrated Hessians, `pad`": ("ih", "pad"),
        "Integrated Hessians, `mask`": ("ih", "mask"), "Integrated Hessians of deletion": ("ih", "deletion"),
        "Faith-SHAP of deletion": ("faith-shap", "deletion"),
        "KernelSHAP of deletion, no pairs": ("kernel-shap", "deletion"), "LIME, no pairs": ("lime", "deletion"),
    }  # fmt: skip
    text = README.partition("[start:evaluation]")[2].partition("[end:evaluation]")[0]
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    assert {name for name, *_ in rows} == set(sources)
    for name, *cells in rows:
        for model, cell in zip(head[1:], cells, strict=True):
            values = data[model, *sources[name]]
            pairs = "no pairs" not in name
            expected = shown_number(values["r_squared" if pairs else "r_squared_attributions"])
            assert cell == (f"{expected} ({100 * values['strongest_sign']:.0f} %)" if pairs else expected)
    for model in head[1:]:  # why value zeroing is the default
        along_paths = {kind: data[model, "ih", kind] for kind in ("pad", "mask", "zero")}
        ours = data[model, "ih", "value-zeroing"]
        for metric in ("r_squared", "pair_share", "pair_correlation", "strongest_sign"):
            assert ours[metric] > max(other[metric] for other in along_paths.values())


def test_the_page_of_measurements_shows_their_data() -> None:
    data, page = evaluated(), MEASURED
    names = ("r_squared", "r_squared_attributions", "pair_share", "pair_correlation", "strongest_sign",
             "aopc_comprehensiveness", "aopc_sufficiency", "tau_leave_one_out", "infidelity",
             "cancellation")  # fmt: skip
    for (model, method, baseline), values in data.items():
        cells = " | ".join(shown_number(values.get(name, math.nan)) for name in names)
        assert f"| {model} | {method} | {baseline} | {cells} |" in page
    rows = json.loads((ROOT / "outputs/benchmarks/presence.json").read_text(encoding="utf-8"))["rows"]
    names = ("spread", "correlation", "own_r", "own_share", "own_sign", "deletion_r", "deletion_share",
             "deletion_r_squared", "deletion_sign")  # fmt: skip
    for row in rows:
        cells = " | ".join(shown_number(row[name]) for name in names)
        assert f"| {row['epsilon']:g} | {cells} |" in page


def test_the_architectures_are_counted_as_their_table_does() -> None:
    [count] = re.findall(r"^(\d+ of \d+) are supported", PAGES["configs/docs/reference/architectures.md"], re.MULTILINE)
    assert f"{count} [architectures]" in README


# --- what the site makes when it is built ---


def site() -> Any:
    """The program that the site is built with."""
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORDED = ROOT / "outputs/this-movie-was-not-bad"


def last_numbers(table: str) -> list[int]:
    """The number at the end of each row, in thousandths."""
    found = re.findall(r"([+−]\d+\.\d{3})\**(?: \|)?$", table, re.MULTILINE)
    return [round(1000 * float(number.replace("−", "-"))) for number in found]


def test_the_worked_sum_adds_up_as_shown_and_is_the_record() -> None:
    *parts, whole = last_numbers(site().worked_sum())
    recorded = Explanation.load(RECORDED)
    assert sum(parts) == whole
    assert whole == round(1000 * recorded.f_input)
    units = len(recorded.units)
    assert len(parts) == 1 + units * (units + 1) // 2 + 1
    largest = max(abs(entry) for row in recorded.to_dict()["ih"] for entry in row)
    assert abs(parts[-1]) <= len(parts) / 2 + 1000 * recorded.certificate.tolerance * largest


def test_the_worked_rows_add_up_as_shown() -> None:
    rows = [last_numbers(line.replace(" | ", "\n")) for line in site().worked_rows().splitlines()[2:]]
    assert len(rows) == len(Explanation.load(RECORDED).units)
    assert all(sum(row[:-1]) == row[-1] for row in rows)


def test_the_worked_removal_adds_up_to_the_effect() -> None:
    *parts, whole = last_numbers(site().worked_removal())
    document = json.loads((RECORDED / "result.json").read_text(encoding="utf-8"))
    assert sum(parts) == whole == pytest.approx(1000 * document["removal"]["pairs"][0]["effect"], abs=2)


def test_the_table_of_the_bench_shows_seconds_errors_and_what_was_scaled() -> None:
    def text(units: int, error: float, share: float, seconds: float | None) -> dict[str, Any]:
        done = {"seconds": 2.0, "error": error, "correlation": -0.25, "share": 1.0}
        article = done | {"seconds": 1234.5, "share": share}
        return {
            "units": units,
            "measurements": [
                done | {"procedure": "value-zeroing", "effort": "tolerance 0.01", "seconds": 0.12345},
                done | {"procedure": "ours", "effort": "tolerance 0.01"},
                article | {"procedure": "article", "effort": "50 steps"},
                article | {"procedure": "article-double", "effort": "50 × 50 steps"},
                done | {"procedure": "paper", "effort": "49 samples", "error": 1.04},
                done | {"procedure": "paper", "effort": "256 samples", "error": 1.01 if seconds is None else 0.07},
                done | {"procedure": "product-grid", "effort": "4 a side"},
            ],
            "reaches": [
                {"procedure": "paper", "seconds": 98765.0, "how": "extrapolated"},
                {"procedure": "product-grid", "seconds": 12.34, "how": "measured" if seconds else "at least"},
            ],
        }

    shown = site().times_beside_published({"texts": [text(5, 0.001, 1.0, 1.0), text(23, 0.0022, 0.5, None)]})
    rows = [[cell.strip() for cell in line.split("|")[2:-1]] for line in shown.splitlines()]
    assert rows[0] == ["5 units", "23 units"]
    assert rows[2:] == [
        ["0.123 (0.1 %)", "0.123 (0.22 %)"],
        ["2.00 (0.1 %)", "2.00 (0.22 %)"],
        ["1,230 (−0.25)", "1,230 (−0.25; scaled up)"],
        ["1,230", "1,230 (scaled up)"],
        ["2.00 (104 %)", "2.00 (104 %)"],
        ["98,800", "–"],
        ["12.3", "over 12.3"],
    ]


def test_the_table_of_long_texts_shows_what_was_expected_and_what_it_took() -> None:
    pairs = [[i, i + 1] for i in range(10)]
    rows = [
        {"words": 60, "mode": "words", "units": 68, "expected_seconds": 11.26, "seconds": 10.04, "bytes": 7.2e8,
         "strongest": pairs},
        {"words": 60, "mode": "top 10", "units": 68, "expected_seconds": 6.0, "seconds": 5.02,
         "strongest": [*pairs[1:], [7, 30]]},
        {"words": 450, "mode": "words", "units": 505, "expected_seconds": 2345.6, "expected_bytes": 2.5e9},
        {"words": 450, "mode": "sentences", "units": 24, "expected_seconds": 30.0, "seconds": 31.0},
    ]  # fmt: skip
    shown = site().long_texts({"bundled": rows})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()[2:]]
    assert cells == [
        ["bundled", "60", "68", "10.0 (11.3)", "–", "–", "5.02 (6.00)", "0.50", "9 of 10", "720 MB"],
        ["bundled", "450", "505", "– (2,350)", "31.0 (30.0)", "–", "–", "–", "–", "(2500 MB)"],
    ]


def test_the_table_of_roberta_is_put_together_from_its_parts() -> None:
    seconds = {"gradient": 0.5, "chosen": 8.0, "whole": 200.0, "article_row": 2.0}
    parts = [{"words": 230, "units": 259, "seconds": seconds}, {"words": 23, "units": 26, "seconds": seconds}]
    ran = {"hessians": 11, "gradients": 13}
    rows = [
        {"words": words, "mode": mode, **ran, **more}
        for words in (230, 23)
        for mode, more in (("words", {}), ("top 10", {"gradients": 138}))
    ]
    shown = site().roberta((parts, {"bundled": rows}))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()[2:]]
    # Ten pairs take 69 s of gradients and 88 s of Hessians.
    assert cells[0] == ["230", "259", "0.500", "2,210 (4,410)", "157 (314)", "25,900 (51,800)"]
    assert cells[1] == ["23", "26", "0.500", "2,210 (4,410)", "2,210 (4,410)", "2,600 (5,200)"]


def test_the_times_of_long_texts_are_those_of_their_data() -> None:
    rows = json.loads((ROOT / "outputs/benchmarks/long_texts.json").read_text(encoding="utf-8"))["bundled"]
    seconds = {row["mode"]: row.get("seconds") for row in rows if row["words"] == 230}
    said = " ".join(section(README, "times").split())
    assert f"A review of 230 words takes {seconds['words']:.0f} s on two cores" in said
    assert f"{seconds['sentences']:.0f} s by sentences" in said
    assert f"{seconds['auto']:.0f} s with `--units auto`" in said
    assert f"its ten strongest pairs {seconds['top 10']:.0f} s" in said


def test_estimates_of_long_texts_are_as_near_as_the_page_says() -> None:
    rows = json.loads((ROOT / "outputs/benchmarks/long_texts.json").read_text(encoding="utf-8"))["bundled"]
    ratios = {
        (row["words"], row["mode"]): row["expected_seconds"] / row["seconds"] for row in rows if row["words"] <= 230
    }
    assert len(ratios) == 17
    beyond = {case: ratio for case, ratio in ratios.items() if not 1 / 1.5 <= ratio <= 1.5}
    assert beyond == {(23, "sentences"): pytest.approx(0.65, abs=0.005)}
    said = (DOCS / "how-to/long-texts.md").read_text(encoding="utf-8")
    assert "within a factor of 1.5, but for two sentences of 23 words (0.65)" in " ".join(said.split())


def test_the_profile_of_a_hessian_is_that_of_its_data() -> None:
    from tests.studies.hessian_profile import table

    data = json.loads((ROOT / "outputs/benchmarks/hessian_profile.json").read_text(encoding="utf-8"))
    assert table(data) in (ROOT / "ihcli/curvature/README.md").read_text(encoding="utf-8")


def test_the_site_shows_every_command_and_every_setting() -> None:
    made = site()
    shown = made.help_of_every_command()
    assert all(f"## `ih {name}`" in shown for name in get_command(app).commands)  # type: ignore[attr-defined]
    tables = made.settings()
    for section, values in RunConfig().model_dump().items():
        assert all(f"| `{section}.{key}` |" in tables for key in values)


def test_every_mark_of_a_page_is_one_that_the_site_fills() -> None:
    used = {mark for page in PAGES.values() for mark in re.findall(r"<!-- made: \w+ -->", page)}
    assert used == set(site().MADE)


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r": (\S+\.md)$", (ROOT / "configs/mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} <= listed


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[name]):
        found = [(ROOT / name).parent / target, DOCS / target.replace("../", "")]
        # Pictures stand in outputs/, which the site takes over at its root.
        found.append(ROOT / target.replace("../", ""))
        assert any(path.exists() for path in found), target
