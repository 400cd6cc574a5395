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


EXAMPLES = {"compare": 8, "evaluate": 8, "bench": 8, "inspect": 8}
"""Cases of a kind, where they are fewer than 25."""


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_command_ends_with_an_answer(kind: str, good: Path) -> None:
    @settings(
        max_examples=EXAMPLES.get(kind, 25), derandomize=True, database=None, deadline=None,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(seed=st.integers(0, 2**32))
    def holds(seed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            fuzz(kind, random.Random(seed), good, Path(folder) / "case")  # noqa: S311

    holds()
