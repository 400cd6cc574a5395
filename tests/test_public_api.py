"""The public API: it is what the README shows, everything in it is described, and its examples run."""

import ast
import dataclasses
import doctest
import inspect
import re
import subprocess
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from pydantic import BaseModel

import ihcli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

RAISES = {
    "Explanation.from_dict": {"ResultError"},
    "Explanation.load": {"ResultError"},
    "Explanation.save": {"OutputError"},
    "Explainer": {"ConfigError", "ModelError", "DeviceError"},
    "Explainer.from_model": {"UsageError", "ModelError", "ConfigError"},
    "Explainer.explain_labels": {"TargetError", "InputError"},
    "Explainer.explain": {"InputError", "TargetError", "BaselineError"},
    "explain": {"ConfigError", "ModelError", "InputError"},
    "integrated_gradients": {"UsageError", "NonFiniteError"},
    "integrated_hessians": {"UsageError", "NonFiniteError"},
    "RunConfig.of": {"ConfigError"},
}
"""Errors that a caller must expect, at least."""


# --- what is public ---


def test_what_the_readme_uses_is_public() -> None:
    used = set(re.findall(r"\bihcli\.([A-Za-z_]\w*)", "".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))))
    named = set(re.findall(r"`ihcli\.([A-Za-z_]\w*)", README))
    assert {"explain", "Explanation", "integrated_hessians"} <= used
    assert used | named <= set(ihcli.__all__)


def test_what_is_public_can_be_imported_and_listed() -> None:
    program = (
        "import ihcli\nbefore = set(dir(ihcli))\nfrom ihcli import *\n"
        "print(sorted(set(ihcli.__all__) - before - set(globals())), sorted(set(ihcli.__all__) - set(globals())))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[] []\n"
    assert not [name for name in ihcli.__all__ if name.startswith("_") and name != "__version__"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ihcli.nothing


def test_every_error_of_the_package_is_one_that_a_caller_can_catch() -> None:
    from ihcli import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    assert all(issubclass(kind, ihcli.IhError) for kind in kinds)


# --- what is described ---

SECTION = re.compile(r"^(Args|Returns|Raises|Attributes|Example):$", re.MULTILINE)


def sections(described: Any) -> dict[str, str]:
    """The sections of a docstring, the text before them under an empty name."""
    pieces = SECTION.split(inspect.getdoc(described) or "")
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


def names_in(section: str) -> set[str]:
    """The names that a section describes: `name: what it is`."""
    return set(re.findall(r"^ {4}(\w+): \S", section, re.MULTILINE))


def lacks_of_function(name: str, function: Callable[..., Any], described: Any = None) -> Iterator[str]:
    """What the docstring of a function or method says too little about."""
    found = sections(described or function)
    signature = inspect.signature(function)
    parameters = {parameter for parameter in signature.parameters if parameter not in {"self", "cls"}}
    if not found[""].strip():
        yield "a sentence"
    yield from (f"the parameter {one}" for one in sorted(parameters - names_in(found.get("Args", ""))))
    yield from (f"no parameter {one}" for one in sorted(names_in(found.get("Args", "")) - parameters))
    if signature.return_annotation not in {None, inspect.Signature.empty, "None"} and "Returns" not in found:
        yield "what it returns"
    yield from (f"the error {one}" for one in sorted(RAISES.get(name, set()) - names_in(found.get("Raises", ""))))
    if ">>>" not in found.get("Example", ""):
        yield "an example"


def lacks_of_record(record: type) -> Iterator[str]:
    """Fields of a dataclass or a pydantic model that are described neither in its docstring nor below them."""
    if not sections(record)[""].strip():
        yield "a sentence"
    if issubclass(record, BaseModel):
        for name, field in record.model_fields.items():
            model = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
            if not field.description and not (model and field.annotation.__doc__):
                yield f"the field {name}"
        return
    fields = {field.name for field in dataclasses.fields(record)}
    described = names_in(sections(record).get("Attributes", ""))
    yield from (f"no field {name}" for name in sorted(described - fields))
    yield from (f"the field {name}" for name in sorted(fields - described - documented_below(record)))


def documented_below(record: type) -> set[str]:
    """The attributes of a class that a string follows."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        statement.target.id
        for statement, following in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(following.value.value, str)
    }


def methods_of(kind: type) -> dict[str, Callable[..., Any]]:
    """The public methods that a class defines itself."""
    functions = {name: getattr(kind, name) for name in vars(kind) if not name.startswith("_")}
    return {name: one for name, one in functions.items() if inspect.isfunction(one) or inspect.ismethod(one)}


def records_in(annotation: Any) -> Iterator[type]:
    """The records that a type names, and those that their fields name."""
    for argument in typing.get_args(annotation):
        yield from records_in(argument)
    ours = isinstance(annotation, type) and annotation.__module__.startswith("ihcli.")
    if ours and (dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel)):
        yield annotation
        for hint in typing.get_type_hints(annotation).values():
            yield from records_in(hint)


def everything_public() -> dict[str, list[str]]:
    """By name what the public functions, classes, methods and records lack."""
    lacks: dict[str, list[str]] = {}
    named: set[type] = set()
    for name in ihcli.__all__:
        thing = getattr(ihcli, name)
        functions: dict[str, Callable[..., Any]] = {}
        if isinstance(thing, FunctionType):
            functions = {name: thing}
        elif isinstance(thing, type) and not issubclass(thing, Exception):
            functions = {f"{name}.{method}": one for method, one in methods_of(thing).items()}
            if dataclasses.is_dataclass(thing) or issubclass(thing, BaseModel):
                named.add(thing)
            else:
                lacks[name] = list(lacks_of_function(name, thing))
        for place, function in functions.items():
            lacks[place] = list(lacks_of_function(place, function))
            named |= set(records_in(typing.get_type_hints(function).get("return")))
    for record in {record for one in named for record in records_in(one)}:
        lacks[record.__name__] = list(lacks_of_record(record))
    return lacks


LACKS = everything_public()


@pytest.mark.parametrize("name", sorted(LACKS))
def test_every_parameter_and_field_is_described(name: str) -> None:
    assert LACKS[name] == []


def test_the_records_of_an_explanation_are_among_them() -> None:
    assert {"Explanation", "Unit", "Certificate", "PathProfile", "Environment", "RunConfig", "TargetSection"} <= set(
        LACKS
    )


# --- the examples ---


def examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder()
    for name in ihcli.__all__:
        thing = getattr(ihcli, name)
        if isinstance(thing, (type, FunctionType)):
            yield from finder.find(thing, name, sys.modules[thing.__module__])


@pytest.mark.parametrize("example", [pytest.param(one, id=one.name) for one in examples() if one.examples])
def test_an_example_runs_as_shown(example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the examples read what lies in outputs/
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=report.append).failed == 0, "".join(report)
