"""The clock of the cold start's stages, and its figures where they are told."""

import json
import sys
from pathlib import Path

import pytest

from tests.studies import cold_start
from tests.studies.cold_start import REST, StageClock, run, watch_imports


def test_time_belongs_to_the_innermost_stage() -> None:
    ticks = iter([1.0, 3.0, 6.0, 10.0, 15.0, 21.0])
    clock = StageClock(lambda: next(ticks))  # 1 s until here
    digest = clock.timed("digest", lambda: "made")  # begins at 6, ends at 10

    assert clock.timed("load", digest)() == "made"  # begins at 3, ends at 15
    seconds = clock.stop()
    assert (seconds["interpreter"], seconds[REST]) == (1.0, 2.0 + 6.0)
    assert (seconds["load"], seconds["digest"]) == (3.0 + 5.0, 4.0)
    assert sum(seconds.values()) == 21.0


def test_a_stage_that_fails_is_over() -> None:
    ticks = iter([0.0, 1.0, 3.0, 6.0])
    clock = StageClock(lambda: next(ticks))
    with pytest.raises(ZeroDivisionError):
        clock.timed("trace", lambda: 1 / 0)()
    assert clock.stop()["trace"] == 2.0


def test_functions_are_timed_as_soon_as_their_module_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_a_stage.py").write_text("class Kept:\n    def digest(self):\n        return 5\n")
    (tmp_path / "user_of_a_stage.py").write_text("from module_of_a_stage import Kept\nfound = Kept().digest()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(cold_start.import_system, "_find_and_load", cold_start.import_system._find_and_load)
    now = iter(range(100))
    clock = StageClock(lambda: float(next(now)))
    watch_imports(clock, {"module_of_a_stage": {"Kept.digest": "digest"}})
    import user_of_a_stage

    assert user_of_a_stage.found == 5
    seconds = clock.stop()
    assert seconds["digest"] == 1.0
    assert seconds["imports"] > 0
    for name in ("module_of_a_stage", "user_of_a_stage"):
        del sys.modules[name]


def test_a_process_is_measured_as_a_whole(tmp_path: Path) -> None:
    used = run([sys.executable, "-I", "-c", "sum(range(3_000_000))"], {}, tmp_path)
    assert used["cpu"] > 0
    assert used["wall"] > 0
    with pytest.raises(RuntimeError, match="no such luck"):
        run([sys.executable, "-I", "-c", "raise SystemExit('no such luck')"], {}, tmp_path)


def test_every_function_of_a_stage_exists() -> None:
    from importlib import import_module
    from operator import attrgetter

    for module, functions in cold_start.STAGES.items():
        for path, stage in functions.items():
            assert callable(attrgetter(path)(import_module(module)))
            assert stage in cold_start.ORDER


def test_the_figures_of_the_start_are_those_of_their_data() -> None:
    root = Path(__file__).parents[2]
    data = json.loads((root / "outputs/benchmarks/cold_start.json").read_text(encoding="utf-8"))
    text = " ".join((root / "ihcli/runtime/README.md").read_text(encoding="utf-8").split())
    for kind, row in data["processes"].items():
        ratio = row.get("of_bare", 1)
        assert f"| `{kind}` | {row['cpu']:.1f} | {ratio:.2f} |" in text
    assert data["processes"]["first"]["of_bare"] <= 1.25
    for stage in cold_start.ORDER:
        first, again = (data["stages"][kind][stage] for kind in ("first", "again"))
        assert f"| {stage} | {first:.2f} | {again:.2f} |" in text
