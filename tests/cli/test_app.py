"""The command line as a whole: a module for each command, help for each option, a flag for each setting."""

from typing import get_args

import pytest
from typer.main import get_command

from ihcli.cli.app import app
from ihcli.cli.settings import FLAGS
from ihcli.config import RunConfig, dotted_keys, json_schema

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def test_a_command_has_a_module_of_its_own() -> None:
    modules = [command.callback.__module__ for command in COMMANDS.values() if command.callback is not None]
    assert len(modules) > 10
    assert len(set(modules)) == len(modules)
    assert all(module.startswith("ihcli.cli.") for module in modules)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_every_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_a_flag_sets_a_setting_to_what_is_allowed(name: str) -> None:
    flag = FLAGS[name]
    assert flag.key in dotted_keys()
    section, key = flag.key.split(".")
    for choice in get_args(flag.kind):
        needed = {"text": {"text": "x"}, "texts": {"file": "x"}, "spans": {"spans": "x"}}.get(choice, {})
        config = RunConfig.of({section: {key: choice, **needed}})
        assert getattr(getattr(config, section), key) == choice


def test_every_choice_of_a_setting_can_be_given_by_a_flag() -> None:
    definitions = json_schema()["$defs"]
    sections = json_schema()["properties"]
    for flag in FLAGS.values():
        section, key = flag.key.split(".")
        wanted = definitions[sections[section]["$ref"].rpartition("/")[2]]["properties"][key]
        allowed = {value for one in wanted.get("anyOf", [wanted]) for value in one.get("enum", ())}
        if get_args(flag.kind):
            assert allowed - set(get_args(flag.kind)) <= {"text", "texts", "spans"}, "another flag implies these"


def test_every_setting_has_a_flag() -> None:
    without = set(dotted_keys()) - {flag.key for flag in FLAGS.values()}
    several = {"baseline.others"}  # --baseline takes them all, separated by commas
    assert {key for key in without if not key.startswith("check.")} == {"model.trust_remote_code", *several}
