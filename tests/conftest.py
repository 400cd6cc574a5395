"""Every test is deterministic and offline."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of tests that need a GPU known."""
    config.addinivalue_line("markers", "cuda: needs an NVIDIA GPU; skipped without one")
