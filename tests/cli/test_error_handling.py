"""Every failure is one message and the exit code of its kind; usage errors say what to write instead."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from ihcli import errors
from ihcli.cli.app import app
from ihcli.cli.error_handling import IhCommand, translate, with_verbose
from ihcli.errors import ExitCode

RECORDED = str(Path(__file__).parents[2] / "outputs/this-movie-was-not-bad")

# --- the streams ----------------------------------------------------------------------------------------------------


def ih(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ih` in a shell that redirects its streams."""
    command = [sys.executable, "-m", "ihcli", *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *command], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments", [("explain", "not bad"), ("explain", "not bad", "--json"), ("config", "show"), ("inspect", "bundled")]
)
def test_standard_output_that_is_closed_is_said_before_the_work(arguments: tuple[str, ...]) -> None:
    done = ih(">&-", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == (
        "error: Standard output is closed, so nothing can be shown. Redirect it to a file or to /dev/null.\n"
    )


def test_standard_error_that_is_closed_costs_nothing() -> None:
    done = ih("2>&-", "config", "show")
    assert done.returncode == 0
    assert done.stdout.startswith("model:")


def test_both_closed_is_only_an_exit_code() -> None:
    done = ih(">&- 2>&-", "config", "show")
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.USAGE, "", "")


def test_standard_input_that_is_closed() -> None:
    done = ih("<&-", "explain", "-")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.startswith("error: Standard input is closed. Give the text as an argument")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_device_is_one_message() -> None:
    done = ih("> /dev/full", "config", "schema")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == (
        "error: Standard output or a file: No space left on device. Free some space, or write to another place.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [("--help",), ("plot", "--help"), ("--version",)])
def test_help_on_a_full_device_is_one_message(arguments: tuple[str, ...]) -> None:
    done = ih("> /dev/full", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("error: Standard output or a file: No space left on device.")


@pytest.mark.parametrize("arguments", [("--help",), ("config", "show"), ("check", RECORDED, RECORDED)])
def test_a_pipe_that_nobody_reads_ends_with_the_code_of_a_closed_pipe(arguments: tuple[str, ...]) -> None:
    """Rich and Typer leave with 1 then, which is the code of a regression."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ihcli", *arguments], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (ExitCode.CLOSED_PIPE, "")


@pytest.mark.parametrize(
    ("arguments", "code"), [(("plot", "--such"), ExitCode.USAGE), (("report", RECORDED, "-o", "page.html"), 0)]
)
def test_a_standard_error_that_cannot_be_written_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ih("2</dev/null", *arguments).returncode == code


# --- errors of other libraries --------------------------------------------------------------------------------------

OutOfMemory = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})


@pytest.mark.parametrize(
    ("foreign", "kind", "words"),
    [
        (MemoryError(), errors.DeviceError, "Out of memory. Set --memory"),
        (OutOfMemory("CUDA out of memory. Tried to\nmore"), errors.DeviceError, "(CUDA out of memory. Tried to)"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), errors.OutputError, "a/b: No space left on device."),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), errors.OutputError, "Disk quota exceeded. Free some space"),
        (FileNotFoundError(errno.ENOENT, "No such file", "spans.txt"), errors.InputError, "spans.txt: No such file."),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), errors.OutputError, "ascii cannot write 'é'"),
        (
            UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "no"),
            errors.OutputError,
            "half of a surrogate pair ('\\ud800')",
        ),
    ],
)
def test_an_exception_of_another_library_becomes_an_error(
    foreign: Exception, kind: type[errors.IhError], words: str
) -> None:
    known = translate(foreign)
    assert type(known) is kind
    assert words in str(known)


@pytest.mark.parametrize("fault", [ValueError("x"), RuntimeError("x"), OSError("no number"), KeyError("x")])
def test_a_fault_of_ih_is_not_translated(fault: Exception) -> None:
    assert translate(fault) is None


def test_a_message_cannot_act_on_the_terminal() -> None:
    result = CliRunner().invoke(app, ["explain", "x", "-c", "\x1b[2J\u202eevil\r.yaml"])
    assert result.exit_code == ExitCode.USAGE
    assert not set(result.stderr) & set("\x1b\u202e\r")


# --- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "-1 stars"], "To give a text that begins with a hyphen, write -- before it: -- '-1 stars'"),
        (["explain", "-5"], "write -- before it: -- '-5'"),
        (["bench", "-10 of 10"], "write -- before it: -- '-10 of 10'"),
        (["explain", "this", "movie", "was", "bad"], "(movie was bad). Put the text in quotes, so that it is one argu"),
        (
            ["explain", "a film", "a dull film"],
            "(a dull film). This command explains one text; for several, write ",
        ),
        (["explain", "x", "--units", "words"], "one of 'token', 'word', 'sentence', 'auto'. Did you mean word?"),
        (["explain", "x", "--units", "Tokens"], "Did you mean token?"),
        (["explain", "x", "--output", "logits"], "Did you mean logit?"),
        (["explain", "x", "--dtype", "float"], "Did you mean float"),
        (["inspect", "x", "--dtype", "flot32"], "Did you mean float32?"),
    ],
)
def test_a_usage_error_says_what_to_write_instead(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.startswith("Usage: ")
    assert words in result.stderr
    assert "Value error" not in result.stderr


@pytest.mark.parametrize("arguments", [["explain", "x", "-z"], ["explain", "x", "--such"], ["config", "show", "-1 x"]])
def test_a_wrong_option_is_not_taken_for_a_text(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "write -- before it" not in result.stderr


# --- the option --verbose -------------------------------------------------------------------------------------------


def test_every_command_has_verbose_and_the_command_does_not_see_it() -> None:
    seen: list[str] = []

    def command(name: Annotated[str, typer.Argument()]) -> None:
        """Do it."""
        seen.append(name)
        raise errors.ModelError("No weights.")

    small = typer.Typer()
    small.command(cls=IhCommand)(with_verbose(command))
    quiet, loud = (CliRunner().invoke(small, arguments) for arguments in (["a"], ["a", "-v"]))
    assert seen == ["a", "a"]
    assert quiet.stderr == "error: No weights.\n"
    assert "Traceback" in loud.stderr
    assert loud.stderr.endswith("error: No weights.\n")


COMMANDS = [
    "explain", "batch", "export", "merge", "summarize", "inspect", "bench", "check", "diff", "plot", "report",
    "config show", "config init", "config schema",
]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_verbose_is_in_the_help_of_every_command_once(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert result.stdout.count("--verbose") == 1


def test_the_exit_codes_are_distinct_and_in_the_help() -> None:
    assert len({int(code) for code in ExitCode}) == len(ExitCode)
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f"{int(code)} " in text for code in ExitCode if code != ExitCode.CLOSED_PIPE)
