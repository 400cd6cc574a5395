"""Every test is deterministic and offline."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers that share the cores slow each other down with more threads than one
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of tests that need a GPU known."""
    config.addinivalue_line("markers", "cuda: needs an NVIDIA GPU; skipped without one")
