"""Ray: the same rows and numbers as in one process, also when a worker is killed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cluster_run import CONFIG
from corpora import StandIn

from ihcli.cli.batch import engine_named
from ihcli.corpus import iter_explanations
from ihcli.corpus.batch_run import BatchJob, run
from ihcli.corpus.cluster import ROUND_ROWS, Ledger, RayEngine, _rounds
from ihcli.corpus.local_engine import LocalEngine
from ihcli.corpus.readers import Row
from ihcli.corpus.row_keys import KeyedRow
from ihcli.errors import DeviceError, UsageError
from ihcli.results import Explanation
from ihcli.runtime.onednn import fast_products

SUPPORT = Path(__file__).parents[1] / "support"
TEXTS = ["not bad", "a fine film", "never dull", "good", "", "no plot at all", "it is good", "a bad film", "so dull"]
HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'ihcli[ray]'")
def test_two_workers_of_which_one_is_killed_give_what_one_process_gives(tmp_path: Path) -> None:
    import torch

    from ihcli.pipeline import Explainer

    source = tmp_path / "in.txt"
    source.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, SUPPORT / "cluster_run.py", source, tmp_path / "cluster", tmp_path / "mark"],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        cwd=SUPPORT.parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[-2:] == ["9", "1"]
    assert (tmp_path / "mark").exists()  # a worker did die
    explainer, threads = Explainer(CONFIG), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with fast_products():
            # begun on the cluster, finished here: nothing is left to do
            assert run(BatchJob(str(source), tmp_path / "cluster"), explainer).already_done == len(TEXTS)
            run(BatchJob(str(source), tmp_path / "here"), explainer, LocalEngine(explainer))
    finally:
        torch.set_num_threads(threads)
    there, here = (dict(iter_explanations(tmp_path / name)) for name in ("cluster", "here"))
    assert there.keys() == here.keys()
    for name, expected in here.items():
        found = there[name]
        if isinstance(expected, str):
            assert found == expected
            continue
        assert isinstance(found, Explanation)
        scale = np.abs(expected.ih).max()
        np.testing.assert_allclose(found.ih, expected.ih, rtol=0, atol=1e-6 * scale)
        np.testing.assert_allclose(found.ig, expected.ig, rtol=0, atol=1e-6 * scale)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'ihcli\[ray\]'"):
        engine_named("ray", StandIn(), None)  # type: ignore[arg-type]


def test_the_ledger_counts_starts_without_an_end() -> None:
    ledger = Ledger()
    assert [ledger.start("a"), ledger.start("a"), ledger.start("b")] == [1, 2, 1]
    ledger.finish("a")
    assert [ledger.start("a"), ledger.start("b")] == [1, 2]


def test_rounds_hold_whole_groups_and_every_row() -> None:
    keyed = [KeyedRow(Row(k, k, None, "x"), "00", "x") for k in range(ROUND_ROWS + 9)]
    groups = [keyed[k : k + 8] for k in range(0, len(keyed), 8)]
    windows = list(_rounds(iter(groups)))
    assert [sum(map(len, window)) for window in windows] == [ROUND_ROWS, 9]
    assert [row for window in windows for group in window for row in group] == keyed


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'ihcli[ray]'")
def test_there_are_as_many_workers_as_the_cluster_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def engine(workers: int | None = None, **runtime: object) -> RayEngine:
        return RayEngine(StandIn({"runtime": runtime}), workers)  # type: ignore[arg-type]

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 10.0, "GPU": 3.0, "memory": 9.1e10})
    assert engine()._actor_resources() == {"num_cpus": 1, "num_gpus": 1}
    assert engine()._actor_count(engine()._actor_resources()) == 3
    on_cpu = engine(device="cpu", threads=4)
    assert on_cpu._actor_resources() == {"num_cpus": 4}
    assert on_cpu._actor_count(on_cpu._actor_resources()) == 2
    assert engine(2)._actor_count(engine()._actor_resources()) == 2
    with pytest.raises(DeviceError, match=r"10 CPUs and 3 GPUs, enough for 3 workers .* 9 are wanted"):
        engine(9)._actor_count(engine()._actor_resources())
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 10.0, "memory": 7e9})
    assert engine()._actor_count(engine()._actor_resources()) == 2
    assert engine(8)._actor_count(engine()._actor_resources()) == 8
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    assert engine()._actor_resources() == {"num_cpus": 1}
    with pytest.raises(DeviceError, match="enough for 0 workers"):
        engine(device="cuda")._actor_count(engine(device="cuda")._actor_resources())


@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'ihcli[ray]'")
@pytest.mark.parametrize("error", [ConnectionError("no cluster"), RuntimeError("timed out"), ValueError("bad address")])
def test_a_cluster_that_cannot_be_reached_is_an_error_with_the_address(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import ray

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", fail)
    for address, where in (
        ("10.0.0.1:6379", r"at RAY_ADDRESS=10.0.0.1:6379 cannot be"),
        ("", "cannot be started here"),
    ):
        monkeypatch.setenv("RAY_ADDRESS", address)
        engine = RayEngine(StandIn())  # type: ignore[arg-type]
        with pytest.raises(DeviceError, match=rf"{where}.*{error}"):
            list(engine.explain_groups(iter([]), None))
