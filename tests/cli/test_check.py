import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import typer
from explanations import make_explanation
from typer.testing import CliRunner, Result

from ihcli.cli import check as check_module
from ihcli.cli.check import check
from ihcli.cli.diff import diff
from ihcli.cli.error_handling import IhCommand
from ihcli.config import RunConfig
from ihcli.results import Explanation

TEXTS = ("this movie was not bad", "a charming disaster")

app = typer.Typer(rich_markup_mode=None)
app.command("check", cls=IhCommand)(check)
app.command("diff", cls=IhCommand)(diff)


def explanation(text: str, seed: int = 0, **changes: object) -> Explanation:
    return make_explanation(text=text, seed=seed, **{"config": RunConfig().to_dict(), **changes})


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for index, text in enumerate(TEXTS):
        explanation(text).save(tmp_path / "base" / str(index))
        explanation(text, index).save(tmp_path / "run" / str(index))
    return tmp_path / "base", tmp_path / "run"


def ih(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_exit_code_is_the_verdict(folders: tuple[Path, Path]) -> None:
    base, run = folders
    same = ih("check", base, base)
    assert (same.exit_code, same.stderr) == (0, "")
    assert same.stdout == "PASS: 2 texts compared: 0 failed, 2 within tolerance.\n"
    changed = ih("check", base, run)
    assert changed.exit_code == 1
    assert "REGRESSION: 2 texts compared: 1 failed" in changed.stdout
    assert ih("check", base, run, "-q").stdout == "REGRESSION: 2 texts compared: 1 failed, 1 within tolerance.\n"
    rough = explanation(TEXTS[0])
    replace(rough, certificate=replace(rough.certificate, converged=False)).save(run / "0")
    explanation(TEXTS[1]).save(run / "1")
    assert ih("check", base, run).exit_code == 4


def test_diff_shows_the_same_without_a_verdict_and_succeeds(folders: tuple[Path, Path], tmp_path: Path) -> None:
    base, run = folders
    shown = ih("diff", base, run)
    assert shown.exit_code == 0
    checked = ih("check", base, run).stdout
    assert shown.stdout.splitlines()[-1] == "2 texts compared: 1 differs, 1 within tolerance."
    assert shown.stdout.splitlines()[0] == f"DIFF {TEXTS[1]}  1"
    assert [line.split()[1:] for line in shown.stdout.splitlines()[1:-1]] == [
        line.split()[1:] for line in checked.splitlines()[1:-1]
    ]
    ih("diff", base, run, "--html", tmp_path / "diff.html", "--markdown", tmp_path / "diff.md")
    for file in ("diff.html", "diff.md"):
        content = (tmp_path / file).read_text(encoding="utf-8")
        assert "ih diff" in content
        assert not re.search("ih check|FAIL|REGRESSION|❌", content)
    assert ih("diff", base, base).stdout == "2 texts compared: 0 differ, 2 within tolerance.\n"
    pair = ih("diff", base / "0" / "result.json", base / "1" / "result.json", "--json")
    assert {f["kind"] for f in json.loads(pair.stdout)["entries"][0]["findings"]} == {"text changed"}
    (run / "0" / "result.json").write_text("{")
    listed = ih("diff", base, run)
    assert listed.exit_code == 2
    assert "damaged file" in listed.stdout
    assert "1 of 2 texts could not be compared" in listed.stderr
    broken = ih("diff", base / "0" / "result.json", run / "0" / "result.json")
    assert broken.exit_code == 2
    assert "is not JSON" in broken.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "nowhere"), "no such file or folder"),
        (("check", "{base}", "{run}", "--update", "--update-new"), "exclude each other"),
        (("check", "{base}", "{run}", "-m", "bundled"), "RUN is compared as it is"),
        (("check", "{base}", "{run}", "--trust-baseline"), "RUN is compared as it is"),
        (("check", "{base}", "{run}", "--atol", "size=1"), "'size' is not compared"),
        (("check", "{base}", "{run}", "--rtol", "ih=much"), "'much' is not a number"),
        (("check", "{base}", "{run}", "--atol", "ih=-1"), "--atol: check.ih_atol is -1.0"),
        (("check", "{base}", "{run}", "--top-k", "0"), "--top-k: check.top_k is 0"),
        (("diff", "{base}", "nowhere"), "no such file or folder"),
    ],
)
def test_wrong_use_is_one_message(folders: tuple[Path, Path], arguments: tuple[str, ...], message: str) -> None:
    base, run = folders
    result = ih(*(argument.format(base=base, run=run) for argument in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")


def test_limits_come_from_flags_variables_and_the_file(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, run = folders
    old = explanation(TEXTS[1])
    shift = old.ih * 0
    shift[1, 2] = shift[2, 1] = 0.05
    explanation(TEXTS[1], ih=old.ih + shift).save(run / "1")
    flags = ("--atol", "ih=0.06", "--atol", "ig=0.06", "--atol", "f_input=0.2")
    assert ih("check", base, run).exit_code == 1
    assert ih("check", base, run, *flags).exit_code == 0
    assert ih("check", base, run, *flags, "--atol", "ih=0.04").exit_code == 1
    file = tmp_path / "gate.yaml"
    file.write_text("check:\n  ih_atol: 0.06\n  ig_atol: 0.06\n  f_input_atol: 0.2\n")
    assert ih("check", base, run, "-c", file).exit_code == 0
    monkeypatch.setenv("IHCLI_CHECK_IH_ATOL", "0.04")
    assert ih("check", base, run, "-c", file).exit_code == 1


def test_strict_fails_on_warnings(folders: tuple[Path, Path]) -> None:
    base, run = folders
    old = explanation(TEXTS[1])
    replace(old, environment=replace(old.environment, torch="9")).save(run / "1")
    assert ih("check", base, run).exit_code == 0
    assert ih("check", base, run, "--strict").exit_code == 1


def test_every_report_is_written(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, run = folders
    files = {name: tmp_path / "out" / f"report.{name}" for name in ("junit", "markdown", "html")}
    summary = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = ih("check", base, run, "--json", *(x for name, file in files.items() for x in (f"--{name}", file)))
    assert json.loads(result.stdout)["verdict"] == "regression"
    assert result.stderr.count("::error ") == 1
    assert summary.read_text() == files["markdown"].read_text()
    assert files["junit"].read_bytes().startswith(b"<")
    assert files["html"].read_text().startswith("<!doctype html>")
    summary.unlink()
    ih("diff", base, run)
    assert not summary.exists()


def test_updates_say_what_they_accepted(folders: tuple[Path, Path]) -> None:
    base, run = folders
    explanation("something new").save(run / "2")
    added = ih("check", base, run, "--update-new")
    assert added.exit_code == 1
    assert "accepted 2: added" in added.stderr
    updated = ih("check", base, run, "--update", "--json")
    assert updated.exit_code == 0
    assert [item["name"] for item in json.loads(updated.stdout)["accepted"]] == ["1"]
    assert "nothing to update" in ih("check", base, run, "--update").stderr
    assert ih("check", base, run).exit_code == 0


class Model:
    """A pipeline that explains everything alike."""

    configs: list[RunConfig] = []  # noqa: RUF012  (reset by the fixture)
    seed = 0

    def __init__(self, config: RunConfig) -> None:
        Model.configs.append(config)

    def explain(self, text: str, text_pair: str | None = None) -> Explanation:
        del text_pair
        return explanation(text, Model.seed, config=Model.configs[-1].to_dict())


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> type[Model]:
    pipeline = ModuleType("ihcli.pipeline")
    pipeline.Explainer = Model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ihcli.pipeline", pipeline)
    monkeypatch.setattr(Model, "configs", [])
    monkeypatch.setattr(Model, "seed", 0)
    return Model


def test_one_command_is_the_whole_gate(folders: tuple[Path, Path], model: type[Model], tmp_path: Path) -> None:
    base, _ = folders
    assert ih("check", base, "--threads", "1").exit_code == 0
    assert [(c.runtime.threads, c.model.name) for c in model.configs] == [(1, "bundled")]
    model.seed = 1
    assert ih("check", base).exit_code == 1
    model.seed = 0
    file = tmp_path / "mask.yaml"
    file.write_text("baseline: {kind: mask}\n")
    changed = ih("check", base, "-c", file, "--json")
    assert model.configs[-1].baseline.kind == "mask"
    assert any(f["where"] == "baseline.kind" for f in json.loads(changed.stdout)["entries"][0]["findings"])
    (base / "0" / "result.json").write_text("")
    assert ih("check", base).exit_code == 1


@pytest.mark.parametrize(
    ("named", "consent"),
    [
        ({"model": {"name": "someone/model"}}, ("-m", "someone/model")),
        ({"model": {"name": "/somewhere/model"}}, ("--trust-baseline",)),
        ({"baseline": {"kind": "texts", "file": "/etc/passwd"}}, ("--trust-baseline",)),
        ({"units": {"kind": "spans", "spans": "/etc/passwd"}}, ("-c", "{config}")),
    ],
)
def test_what_a_baseline_names_is_used_with_consent_only(
    tmp_path: Path, model: type[Model], named: dict[str, dict[str, str]], consent: tuple[str, ...]
) -> None:
    config = RunConfig.of(named)
    explanation(TEXTS[0], config=config.to_dict()).save(tmp_path / "base" / "0")
    (tmp_path / "own.yaml").write_text(json.dumps(named))
    refused = ih("check", tmp_path / "base")
    assert refused.exit_code == 2
    assert "without your consent" in refused.stderr
    assert "--trust-baseline" in refused.stderr
    assert model.configs == []
    allowed = ih("check", tmp_path / "base", *(one.format(config=tmp_path / "own.yaml") for one in consent))
    assert allowed.exit_code == 0, allowed.stderr
    [used] = model.configs
    assert (used.model, used.baseline, used.units) == (config.model, config.baseline, config.units)


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--html"])
def test_reports_go_into_what_is_no_file_and_through_links(
    folders: tuple[Path, Path], tmp_path: Path, option: str
) -> None:
    base, run = folders
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    for name in ("null", "link", "fifo"):
        assert ih("check", base, run, option, tmp_path / name).exit_code == 1
    reader.join(10)
    assert (tmp_path / "null").is_char_device()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "fifo").is_fifo()
    assert read == [(tmp_path / "real").read_bytes()]


def test_json_holds_no_character_that_acts_on_a_terminal(tmp_path: Path) -> None:
    text = "user\u202egnp.exe \x9b31m \u2028::error::x"
    explanation(text).save(tmp_path / "base" / "0")
    explanation(text, 1).save(tmp_path / "run" / "0")
    shown = ih("check", tmp_path / "base", tmp_path / "run", "--json")
    assert json.loads(shown.stdout)["entries"][0]["text"] == text
    assert not {"\u202e", "\x9b", "\u2028"} & set(shown.stdout)


def test_the_command_loads_no_model_code_to_compare(folders: tuple[Path, Path]) -> None:
    base, run = folders
    program = (
        "import sys, typer\n"
        "from ihcli.cli.check import compared\n"
        "from ihcli.config import CheckSection\n"
        "from pathlib import Path\n"
        f"compared(Path({str(base)!r}), Path({str(run)!r}), CheckSection())\n"
        "print(sorted({'torch', 'transformers', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_the_command_is_cheap() -> None:
    program = "import sys, ihcli.cli.check, ihcli.cli.diff; print({'numpy', 'jinja2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert check_module.QUANTITIES == ("probability", "f_input", "f_baseline", "ig", "ih")
