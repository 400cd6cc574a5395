"""Free memory and the share of it that may be used."""

from pathlib import Path

import pytest
import torch

from ihcli.runtime import memory

CPU = torch.device("cpu")


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in the place of the files that the system answers with."""
    monkeypatch.setattr(memory, "FilePath", lambda path: tmp_path / path.rpartition("/")[2])
    return tmp_path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="ascii")


def test_free_memory_is_what_the_kernel_says_is_available(system: Path) -> None:
    write(system, meminfo="MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n")
    assert memory.free_memory(CPU) == 8_000_000 * 1024


def test_a_container_s_limit_counts_where_it_leaves_less(system: Path) -> None:
    write(system, meminfo="MemAvailable: 8000000 kB\n", memory_max="3000000000\n", memory_current="1000000000\n")
    assert memory.free_memory(CPU) == 2_000_000_000
    write(system, memory_max="max\n")
    assert memory.free_memory(CPU) == 8_000_000 * 1024


def test_a_system_that_cannot_be_asked_has_a_usual_size(system: Path) -> None:
    assert memory.free_memory(CPU) == 4 << 30
    write(system, meminfo="nothing of that kind\n")
    assert memory.free_memory(CPU) == 4 << 30


@pytest.mark.parametrize(("free", "limit"), [(2_000_000, 1_024_000_000), (100_000_000, 2_500_000_000)])
def test_half_of_it_may_be_used_up_to_a_most(system: Path, free: int, limit: int) -> None:
    write(system, meminfo=f"MemAvailable: {free} kB\n")
    assert memory.memory_limit(CPU) == limit


def test_a_number_that_was_given_is_kept(system: Path) -> None:
    write(system, meminfo="MemAvailable: 1 kB\n")
    assert memory.memory_limit(CPU, 123) == 123


def test_a_machine_with_linux_is_asked() -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no Linux")
    assert 1 << 20 < memory.free_memory(CPU) < 1 << 50
