"""A tiny model as a folder, made once and copied for each test that spoils it."""

import shutil
from pathlib import Path

import pytest
from architectures import save


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {0: "NEGATIVE", 1: "NEUTRAL", 2: "POSITIVE"}
    names = {name: index for index, name in labels.items()}
    return save(tmp_path_factory.mktemp("bert"), id2label=labels, label2id=names)


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "model")
