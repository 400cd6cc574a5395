import errno
import io
import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ihcli import errors
from ihcli.attribution.time_limit import TimeLimit
from ihcli.cli.app import app
from ihcli.config import RunConfig
from ihcli.output import slug
from ihcli.results import (
    Certificate,
    Environment,
    Explanation,
    ModelInfo,
    Prediction,
    Quadrature,
    Target,
    Unit,
)

Ask = Callable[..., Result]


class Stand:
    """In place of the pipeline: remembers what it was asked and answers at once."""

    converged = True
    failure: BaseException | None = None
    expected: Sequence[float] = ()
    classifier = types.SimpleNamespace(labels=("NEGATIVE", "POSITIVE"))
    asked: list[tuple[RunConfig, str, str | None]]

    def __init__(self) -> None:
        self.asked = []

    def explainer(self, config: RunConfig) -> "Stand":
        self.config = config
        return self

    def windows(self, text: str, text_pair: str | None = None) -> list[str]:
        assert text_pair is None
        return [text]

    def time_limit(self) -> TimeLimit:
        return TimeLimit(self.config.attribution.max_seconds)

    def explain(self, text: str, text_pair: str | None = None, progress: Any = None, limit: Any = None) -> Explanation:
        assert limit.seconds == self.config.attribution.max_seconds
        self.asked.append((self.config, text, text_pair))
        progress("nodes", 1, None)
        for seconds in self.expected:
            limit.expect(seconds)
        if self.failure is not None:
            raise self.failure
        ih = np.array([[0.25, 0.5], [0.5, -0.25]])
        return Explanation(
            text=text,
            text_pair=text_pair,
            model=ModelInfo("stand", None, "Stand", "0" * 64, "float32"),
            prediction=Prediction("POSITIVE", 1, {"NEGATIVE": 0.25, "POSITIVE": 0.75}),
            target=Target("POSITIVE", 1, "logit"),
            baseline={"kind": "pad"},
            units=(Unit("not", 0, 3, ("not",)), Unit("bad", 4, 7, ("bad",))),
            f_input=1.0,
            f_baseline=0.0,
            ig=ih.sum(1),
            ih=ih,
            certificate=Certificate(0.0, 0.5, 0.0, 0.25, None, 0.01, self.converged),
            quadrature=Quadrature("stand", "paper", 15, 30),
            environment=Environment("0", "0", "0", "3.11", "cpu"),
        )

    def estimate(self, text: str, text_pair: str | None = None) -> str:
        return f"{text} would cost nothing, like {text_pair}"


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand()
    module = types.ModuleType("ihcli.pipeline")
    module.Explainer = stand.explainer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ihcli.pipeline", module)
    return stand


@pytest.fixture
def ask(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    del stand  # it is in place
    monkeypatch.chdir(tmp_path)
    for name in ("IHCLI_MODEL_NAME", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return run


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- streams and files --------------------------------------------------------------------------------------------


def test_the_result_is_on_stdout_and_the_files_are_named_on_stderr(ask: Ask, tmp_path: Path) -> None:
    result = ask("explain", "not bad", "--formats", "json,csv")
    assert result.exit_code == 0
    assert "POSITIVE" in result.stdout
    assert "wrote" not in result.stdout
    names = {"result.json", "interactions.csv", "pairs.csv", "attributions.csv"}
    assert files(tmp_path) == {f"ih-results/not-bad/{name}" for name in names}
    assert {line.rpartition("/")[2] for line in result.stderr.splitlines()} == names
    assert "\x1b" not in result.stdout + result.stderr


def test_json_is_one_document_and_no_files(ask: Ask, tmp_path: Path) -> None:
    result = ask("explain", "not bad", "--json")
    assert Explanation.from_dict(json.loads(result.stdout)).text == "not bad"
    assert result.stderr == ""
    assert files(tmp_path) == set()


def test_json_with_a_folder_is_both(ask: Ask, tmp_path: Path) -> None:
    result = ask("explain", "not bad", "--json", "-o", "here", "--formats", "json")
    assert files(tmp_path) == {"here/not-bad/result.json"}
    assert (tmp_path / "here/not-bad/result.json").read_text(encoding="utf-8") == result.stdout


def test_a_long_computation_is_announced_once_with_what_takes_less(ask: Ask, stand: Stand) -> None:
    stand.expected = (9.0, 42.0, 42.0)
    lines = ask("explain", "not bad", "--formats", "json", "--top", "3").stderr.splitlines()
    (line,) = [line for line in lines if "42 s" in line]
    assert "--units sentence" in line
    assert "--top" not in line  # given already
    assert "9 s" not in "".join(lines)
    assert "42 s" not in ask("explain", "not bad", "--formats", "json", "-q").stderr
    assert "42 s" not in ask("explain", "not bad", "--formats", "json", "--max-seconds", "60").stderr


def test_the_result_is_shown_before_its_figure_is_drawn(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("ihcli.console.render", lambda *_, **__: shown.append("result"))
    monkeypatch.setattr("ihcli.output.write_files", lambda *_, **__: shown.append("files") or [])
    assert ask("explain", "not bad").exit_code == 0
    assert shown == ["result", "files"]


def test_quiet_keeps_the_result_only(ask: Ask) -> None:
    loud, quiet = (ask("explain", "not bad", "--formats", "json", *more) for more in ([], ["-q"]))
    assert quiet.stdout == loud.stdout
    assert quiet.stderr == ""


def test_what_an_earlier_explanation_left_beside_the_new_files_is_named(ask: Ask) -> None:
    first = ask("explain", "not bad", "--formats", "json,csv")
    assert "earlier" not in first.stderr
    again = ask("explain", "not bad", "--formats", "json,csv")
    assert "earlier" not in again.stderr
    fewer = ask("explain", "not bad", "--formats", "json", "--baseline", "mask")
    left = "interactions.csv, pairs.csv, attributions.csv"
    assert fewer.stderr.endswith(f"note: files of an earlier explanation of this text remain: {left}\n")


def test_a_pair_has_a_folder_of_its_own(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    for arguments in (["a"], ["a", "--text-pair", "b"]):
        assert ask("explain", *arguments, "--formats", "json").exit_code == 0
    assert files(tmp_path) == {"ih-results/a/result.json", f"ih-results/{slug('a', 'b')}/result.json"}
    assert [pair for _, _, pair in stand.asked] == [None, "b"]


def test_a_dry_run_only_estimates(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    result = ask("explain", "x", "--text-pair", "y", "--dry-run")
    assert result.stdout == "x would cost nothing, like y\n"
    assert stand.asked == []
    assert files(tmp_path) == set()


# --- exit codes ---------------------------------------------------------------------------------------------------


def test_what_did_not_converge_is_written_and_exits_with_4(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    stand.converged = False
    result = ask("explain", "not bad", "--formats", "json", "-q")
    assert result.exit_code == 4
    assert not Explanation.load(tmp_path / "ih-results/not-bad").converged
    assert "not converged: row gap 0.5, quadrature error 0.25 and the error of the attributions" in result.stderr
    assert "--max-nodes" in result.stderr


EVERY_ERROR = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.IhError)]


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_is_one_message_and_its_exit_code(ask: Ask, stand: Stand, kind: type[errors.IhError]) -> None:
    stand.failure = kind("What was wrong.")
    result = ask("explain", "x")
    assert result.exit_code == kind.exit_code
    assert result.stderr == "error: What was wrong.\n"
    assert result.stdout == ""


def test_verbose_adds_the_traceback(ask: Ask, stand: Stand) -> None:
    stand.failure = errors.ModelError("No weights.")
    result = ask("explain", "x", "-v")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: No weights.\n")


def test_an_interruption_exits_with_130(ask: Ask, stand: Stand) -> None:
    stand.failure = KeyboardInterrupt()
    result = ask("explain", "x")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_closed_pipe_is_silent(ask: Ask, stand: Stand) -> None:
    stand.failure = BrokenPipeError(errno.EPIPE, "Broken pipe")
    result = ask("explain", "x")
    assert (result.exit_code, result.stderr) == (errors.ExitCode.CLOSED_PIPE, "")


def test_a_fault_of_ih_is_no_regression(ask: Ask, stand: Stand) -> None:
    stand.failure = ZeroDivisionError("division by zero")
    result = ask("explain", "x")
    assert result.exit_code == errors.ExitCode.FAULT
    assert "Traceback" in result.stderr
    assert "error: ZeroDivisionError: this is a fault of ih itself" in result.stderr


def test_a_full_disk_does_not_cost_the_result(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise errors.OutputError("The disk is full.")

    monkeypatch.setattr("ihcli.output.write_files", full)
    result = ask("explain", "not bad")
    assert result.exit_code == 2
    assert "POSITIVE" in result.stdout
    assert result.stderr == "error: The disk is full.\n"


# --- the text -----------------------------------------------------------------------------------------------------


def refused(result: Result) -> str:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_standard_input_and_a_file_hold_one_text(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("\ufeffzwei\nZeilen ü\r\n".encode())
    ask("explain", "-", "--json", stdin=b"  eine \n")
    ask("explain", "--file", "t.txt", "--json")
    assert [text for _, text, _ in stand.asked] == ["  eine ", "zwei\nZeilen ü"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "No text was given. Give one of TEXT, - for standard input, and --file FILE."),
        (["x", "--file", "y"], "A text and --file were both given."),
        ([""], "TEXT is empty."),
        ([" \n\t"], "TEXT is blank."),
        (["-"], "standard input is empty."),
        (["x", "--text-pair", " "], "--text-pair is blank."),
        (["--file", "none.txt"], "none.txt: cannot be read (No such file or directory)."),
        (["--file", "."], ".: cannot be read (Is a directory)."),
        (["bad \udce9"], "TEXT is not UTF-8: invalid byte at character 4."),
        (["x", "--baseline", "pad", "--baseline-text", "y"], "--baseline and --baseline-text exclude each other."),
        (["x", "--units", "word", "--spans", "y"], "--units and --spans exclude each other."),
        (["x", "--json", "--dry-run"], "--json and --dry-run exclude each other."),
        (["x", "--tolerance", "2"], "--tolerance: attribution.tolerance is 2.0; it must be a number greater than 0"),
        (["x", "--smoothing", "soft"], "--smoothing: model.smoothing is 'soft'; it must be one of off, auto or a"),
        (["x", "--formats", "json,gif"], "--formats: output.formats holds 'gif'"),
        (["x", "--device", "gpu"], "--device: runtime.device is 'gpu'"),
        (["x", "-c", "none.yaml"], "none.yaml: cannot be read"),
        (["x", "-c", "/dev/zero"], "/dev/zero: cannot be read (Is a device or a socket, not a file)."),
        (
            ["x", "--threads", "9" * 30],
            "--threads: runtime.threads is a number of some 30 digits; it must be a whole number at",
        ),
        (["x", "--threads", "2000"], "--threads: runtime.threads is 2000; it must be a whole number at least 1 and at"),
        (
            ["x", "--memory", "9" * 30 + "GB"],
            f"--memory: runtime.memory is '{'9' * 30}GB': '{'9' * 30}GB' is not a size",
        ),
        (
            ["x", "--memory", "9999999GB"],
            "--memory: runtime.memory is '9999999GB': '9999999GB' is more than any machine",
        ),
        (
            ["x", "--memory", "4"],
            "--memory: runtime.memory is '4': '4' is 4 bytes, and at least 1MB is needed; for giga",
        ),
        (
            ["x", "--memory", "500KB"],
            "--memory: runtime.memory is '500KB': '500KB' is 500,000 bytes, and at least 1MB is",
        ),
        (
            ["x", "--seed", "9" * 30],
            "--seed: attribution.seed is a number of some 30 digits; it must be a whole number at",
        ),
    ],
)
def test_bad_input_is_one_message(ask: Ask, stand: Stand, arguments: list[str], words: str) -> None:
    message = refused(ask("explain", *arguments))
    assert message.startswith(f"error: {words}")
    assert message.count("\n") == 1
    assert stand.asked == []


@pytest.mark.parametrize(
    "arguments", [["x", "y"], ["x", "--no-such"], ["x", "--output", "loss"], ["x", "--tolerance", "small"]]
)
def test_bad_usage_is_shown_with_the_usage(ask: Ask, arguments: list[str]) -> None:
    assert refused(ask("explain", *arguments)).startswith("Usage: ")


def test_text_that_is_not_utf_8_is_told_with_its_place(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"tr\xe8s")
    assert "latin.txt: is not UTF-8: byte 2 is 0xe8" in refused(ask("explain", "--file", "latin.txt"))
    assert "standard input: is not UTF-8: byte 2 is 0xe8" in refused(ask("explain", "-", stdin=b"tr\xe8s"))


def test_a_text_that_names_a_file_is_explained_with_a_hint(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "review.txt").write_text("fine", encoding="utf-8")
    result = ask("explain", "review.txt", "--json")
    assert result.exit_code == 0
    assert "use --file" in result.stderr
    assert stand.asked[0][1] == "review.txt"


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    assert "taken is a file" in refused(ask("explain", "x", "-o", "taken/here"))
    assert "taken is a file" in refused(ask("explain", "x", "-o", "taken"))
    assert stand.asked == []


@pytest.mark.parametrize("place", ["/proc/x", "/proc/self/here", "x" * 300, "a/" * 3000])
def test_what_the_system_lets_nobody_write_is_refused_before_the_work(ask: Ask, stand: Stand, place: str) -> None:
    assert " cannot be written (" in refused(ask("explain", "x", "-o", place))
    assert stand.asked == []


def test_trying_to_write_leaves_no_trace(ask: Ask, stand: Stand, tmp_path: Path) -> None:
    stand.failure = errors.ModelError("No weights.")
    (tmp_path / "there").mkdir()
    for place in ("there", "new/folder/here", "."):
        assert ask("explain", "x", "-o", place).exit_code == 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["there"]


# --- flags reach the configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["-m", "a/b"], "model.name", "a/b"),
        (["--revision", "1e5"], "model.revision", "1e5"),
        (["--dtype", "float64"], "model.dtype", "float64"),
        (["--smoothing", "off"], "model.smoothing", "off"),
        (["--smoothing", "1e2"], "model.smoothing", 100.0),
        (["--target", "POSITIVE"], "target.label", "POSITIVE"),
        (["--target", "0"], "target.label", "0"),
        (["--against", "1"], "target.against", "1"),
        (["--output", "log-odds"], "target.output", "log-odds"),
        (["--baseline", "mask"], "baseline.kind", "mask"),
        (["--baseline-text", "so"], "baseline.kind", "text"),
        (["--baseline-text", "so"], "baseline.text", "so"),
        (["--baseline-file", "f"], "baseline.kind", "texts"),
        (["--baseline-file", "f"], "baseline.file", "f"),
        (["--units", "token"], "units.kind", "token"),
        (["--spans", "f"], "units.kind", "spans"),
        (["--spans", "f"], "units.spans", "f"),
        (["--tolerance", "1e-3"], "attribution.tolerance", 1e-3),
        (["--tolerance", "1"], "attribution.tolerance", 1.0),
        (["--formulation", "article-code"], "attribution.formulation", "article-code"),
        (["--top", "5"], "attribution.top", 5),
        (["--max-nodes", "9"], "attribution.max_nodes", 9),
        (["--max-seconds", "9"], "attribution.max_seconds", 9.0),
        (["--engine", "reverse"], "attribution.engine", "reverse"),
        (["--seed", "3"], "attribution.seed", 3),
        (["--truncate"], "text.truncation", True),
        (["--windows", "auto"], "text.windows", "auto"),
        (["--windows", "50"], "text.windows", 50),
        (["--windows", "50", "--overlap", "9"], "text.overlap", 9),
        (["--device", "cuda:1"], "runtime.device", "cuda:1"),
        (["--memory", "2GiB"], "runtime.memory", "2GiB"),
        (["--threads", "1"], "runtime.threads", 1),
        (["-o", "d"], "output.directory", "d"),
        (["--formats", "json, csv"], "output.formats", ("json", "csv")),
        (["--no-diagonal"], "output.diagonal", False),
    ],
)
def test_a_flag_sets_its_key(
    ask: Ask, stand: Stand, monkeypatch: pytest.MonkeyPatch, arguments: list[str], key: str, value: object
) -> None:
    monkeypatch.setattr("ihcli.output.write_files", lambda *_, **__: [])
    result = ask("explain", "x", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    section, name = key.split(".")
    assert getattr(getattr(stand.asked[0][0], section), name) == value


def test_flags_beat_variables_and_these_the_file(
    ask: Ask, stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("attribution: {seed: 1, max_nodes: 1, top: 1}", encoding="utf-8")
    monkeypatch.setenv("IHCLI_ATTRIBUTION_SEED", "2")
    monkeypatch.setenv("IHCLI_ATTRIBUTION_MAX_NODES", "2")
    ask("explain", "x", "--json", "-c", "c.yaml", "--seed", "3")
    section = stand.asked[0][0].attribution
    assert (section.seed, section.max_nodes, section.top) == (3, 2, 1)


def test_a_terminal_without_unicode_shows_what_it_can(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert stand.converged
    monkeypatch.chdir(tmp_path)
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit) as left:
        app(["explain", "not bad", "-q", "--formats", "json"])
    assert left.value.code == 0
    out.seek(0)
    assert "POSITIVE" in out.read()
