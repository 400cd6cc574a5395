"""Importing transformers for the command line without what explaining does not need."""

import json
import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import transformers.models
from torch.fx.experimental import symbolic_shapes

import ihcli
from ihcli.runtime import lean_imports

LEFT_OUT = ("torch._dynamo.utils", "sympy", "scipy", "accelerate", "torch.distributed.tensor")
TEXT = "not bad"
of_tested_versions = pytest.mark.skipif(
    not (torch.__version__.startswith("2.13.") and transformers.__version__.startswith("5.23.")),
    reason="other versions need other parts; the results are the same",
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package in whose place a deferred module stands; each of its modules counts how often it runs."""
    name = "deferred_for_a_test"
    folder = tmp_path / name
    folder.mkdir()
    count = "import builtins; builtins.{0} = getattr(builtins, '{0}', 0) + 1\n"
    (folder / "__init__.py").write_text(count.format("runs_of_package") + f"from {name} import within\nown = 7\n")
    (folder / "within.py").write_text(count.format("runs_within") + "there = 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for counter in ("runs_of_package", "runs_within"):
        monkeypatch.setattr(f"builtins.{counter}", 0, raising=False)
    monkeypatch.setattr(lean_imports, "_COMPILER", name)
    deferred = lean_imports._Deferred(name, {"disable": lean_imports._unchanged})
    monkeypatch.setitem(sys.modules, name, deferred)
    yield name
    for own in [own for own in sys.modules if own.startswith(name)]:
        del sys.modules[own]


def runs() -> tuple[int, int]:
    import builtins

    return builtins.runs_of_package, builtins.runs_within  # type: ignore[attr-defined]


def test_what_is_given_needs_no_import(package: str) -> None:
    module = __import__(package)
    assert module.disable(runs) is runs
    assert module.disable(recursive=False)(runs) is runs
    assert not hasattr(module, "__file__")  # as of those who look through all modules
    assert runs() == (0, 0)


def test_another_name_imports_the_module(package: str) -> None:
    assert __import__(package).own == 7
    assert runs() == (1, 1)
    assert not isinstance(sys.modules[package], lean_imports._Deferred)


def test_a_module_within_is_imported_once(package: str) -> None:
    within = __import__(f"{package}.within", fromlist=["there"])
    assert within.there == 8
    assert within is sys.modules[package].within
    assert within.__spec__.origin == within.__file__
    assert not any(isinstance(finder, lean_imports._Imported) for finder in sys.meta_path)
    assert runs() == (1, 1)


@pytest.mark.filterwarnings("ignore:guard_size_oblivious:FutureWarning")
@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("function", sorted(lean_imports._TRUTHS))
def test_plain_truth_values_are_answered_as_by_the_module(function: str, value: bool) -> None:
    assert lean_imports._asked(function, value) is getattr(symbolic_shapes, function)(value)


@of_tested_versions
@pytest.mark.parametrize("value", [0, 1, 7])
@pytest.mark.parametrize("function", sorted(lean_imports._SIZES))
def test_plain_numbers_are_answered_as_by_the_module(function: str, value: int) -> None:
    assert lean_imports._asked(function, value) == getattr(symbolic_shapes, function)(value)


def test_what_is_not_plain_is_for_the_module() -> None:
    with pytest.raises(AssertionError):
        symbolic_shapes.guard_or_false(3)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        lean_imports._asked("guard_or_false", 3)


@pytest.mark.parametrize(
    ("one", "other"), [((2, 3), (2, 3)), ((2, 3), (2, 4)), ((2,), (2, 1)), ((), ()), ([2], (2,)), (2, 2)]
)
def test_shapes_are_compared_as_by_the_module(one: object, other: object) -> None:
    assert lean_imports._equal(one, other) == symbolic_shapes.sym_eq(one, other)


def test_a_process_of_others_imports_all_of_it() -> None:
    assert not lean_imports._own_process
    assert not lean_imports.import_transformers()


def test_a_variable_has_all_of_it_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_imports, "_own_process", True)
    monkeypatch.delitem(sys.modules, "transformers")
    monkeypatch.setattr(lean_imports, "_defer_modules_of_torch", lambda: pytest.fail("something is left out"))
    monkeypatch.setenv("IH_FULL_IMPORTS", "1")
    assert not lean_imports.import_transformers()


def test_where_it_fails_transformers_is_as_if_nothing_had_been_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    before = {name: sys.modules.get(name) for name in (lean_imports._COMPILER, lean_imports._SHAPES)}

    def half() -> nullcontext[None]:
        sys.modules["transformers.half"] = types.ModuleType("transformers.half")
        return nullcontext()

    monkeypatch.setattr(lean_imports, "_own_process", True)
    monkeypatch.setattr(lean_imports, "_parts_absent", half)
    monkeypatch.setattr(lean_imports, "_NEEDED", ("no_such_module_of_any_version",))
    assert not lean_imports.import_transformers()
    assert "transformers.half" not in sys.modules
    assert lean_imports._TRACING not in sys.modules or sys.modules[lean_imports._TRACING].__spec__ is not None
    assert {name: sys.modules.get(name) for name in before} == before


@of_tested_versions
def test_the_command_line_explains_the_same_without_these_parts(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['ih', 'explain', {TEXT!r}, '--json', '--threads', '1']\n"
        "from ihcli.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    from transformers import models\n"
        "    print(sorted(models._class_to_module.items()), file=sys.stderr)\n"
        f"    print([name for name in {LEFT_OUT!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "[]"
    names = sorted(transformers.models._class_to_module.items())
    assert done.stderr.splitlines()[-2] == str(names)  # which are read from the code of the models once, not twice
    found, expected = json.loads(done.stdout), ihcli.explain(TEXT)
    assert found["prediction"]["label"] == expected.prediction.label
    assert found["model"]["weights_sha256"] == expected.model.weights_sha256
    assert found["ih"] == pytest.approx(expected.ih, rel=1e-3, abs=1e-4)
    assert torch.get_num_threads() >= 1
