"""No command ends in a traceback, hangs, or changes what it was not asked to, whatever its files hold.

A short run of `tests/studies/fuzz.py`, the same cases every time.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import KINDS, fuzz, good_files, stand_in
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_files(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(autouse=True)
def _stand_in() -> Iterator[None]:
    with stand_in():
        yield


@pytest.mark.parametrize("kind", list(KINDS))
@settings(
    max_examples=25, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(seed=st.integers(0, 2**32))
def test_every_command_ends_with_an_answer(kind: str, seed: int, good: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fuzz(kind, random.Random(seed), good, Path(folder) / "case")  # noqa: S311
