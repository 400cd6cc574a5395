"""The examples in the docstrings of this room run as shown."""

import doctest
from pathlib import Path
from types import ModuleType

import pytest

from ihcli.output import figures, notebook

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", [figures, notebook], ids=lambda module: module.__name__)
def test_examples_run_as_shown(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    outcome = doctest.testmod(module)
    assert outcome.failed == 0
    assert outcome.attempted > 0
