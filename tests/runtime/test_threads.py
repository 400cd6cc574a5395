"""Free cores from two readings of the kernel's counters, by hand."""

import os
from pathlib import Path

import pytest
import torch

from ihcli.runtime import threads
from ihcli.runtime.threads import CoreUse, core_use, free_cores, take_free_cores


def two_seconds(machine: float, own: float) -> tuple[CoreUse, CoreUse]:
    return CoreUse(10.0, 500.0, 3.0), CoreUse(12.0, 500.0 + machine, 3.0 + own)


@pytest.mark.parametrize(
    ("machine", "own", "free"),
    [
        (2.0, 2.0, 2),  # only this process was busy
        (4.0, 2.0, 1),  # another one had the second core
        (6.0, 2.0, 1),  # never fewer than one
        (2.6, 2.0, 2),  # a third of a core is noise of a machine at rest
    ],
)
def test_cores_are_free_that_no_other_process_used(machine: float, own: float, free: int) -> None:
    assert free_cores(*two_seconds(machine, own), cores=2, installed=2) == free


def test_of_a_large_machine_no_more_than_this_process_may_use() -> None:
    assert free_cores(*two_seconds(64.0, 0.0), cores=4, installed=64) == 4
    assert free_cores(*two_seconds(124.0, 0.0), cores=4, installed=64) == 2


def test_all_cores_where_nothing_is_known() -> None:
    before, now = two_seconds(4.0, 0.0)
    assert free_cores(None, now, 2, 2) == free_cores(before, None, 2, 2) == 2
    assert free_cores(before, CoreUse(10.1, 500.2, 3.0), 2, 2) == 2  # too short to say


def test_the_kernel_s_line_is_read_without_the_columns_of_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n", encoding="ascii")
    monkeypatch.setattr(threads, "_STAT", stat)
    found = core_use()
    assert found is not None
    assert found.all == pytest.approx((100 + 20 + 30 + 6 + 7 + 8) / os.sysconf("SC_CLK_TCK"))
    stat.write_text("something else\n", encoding="ascii")
    assert core_use() is None
    monkeypatch.setattr(threads, "_STAT", tmp_path / "missing")
    assert core_use() is None


@pytest.mark.parametrize("named", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", None])
def test_a_number_that_the_environment_names_is_kept(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if named is not None:
        monkeypatch.setenv(named, "2")
    taken: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: taken[-1] if taken else 2)
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(threads, "core_use", lambda: two_seconds(4.0, 0.0)[1])
    assert take_free_cores(two_seconds(4.0, 0.0)[0]) == (1 if named is None else 2)
