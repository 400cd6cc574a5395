"""The identity of a run: which settings a store can be continued with."""

import os
from pathlib import Path

import pytest
from corpora import StandIn, go, texts, written

from ihcli.corpus.run_identity import identify
from ihcli.errors import ConfigError, StoreError


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"attribution": {"tolerance": 0.05}}, r"attribution.tolerance is 0.01 in the store and 0.05 now"),
        ({"units": {"kind": "token"}}, r"units.kind is 'word' in the store and 'token' now"),
        ({"target": {"label": "POSITIVE"}}, r"target.label"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, object], named: str) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    go(source, tmp_path / "run")
    with pytest.raises(StoreError, match=named):
        go(source, tmp_path / "run", StandIn(change))


def test_other_weights_are_refused_and_another_device_is_not(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    go(source, tmp_path / "run")
    with pytest.raises(StoreError, match=r"model.weights_sha256"):
        go(source, tmp_path / "run", StandIn(weights="1" * 64))
    other = StandIn({"runtime": {"threads": 1}, "output": {"diagonal": False}, "model": {"name": "moved/elsewhere"}})
    assert go(source, tmp_path / "run", other).already_done == 3


def test_the_content_of_a_file_of_baselines_counts(tmp_path: Path) -> None:
    source, baselines = written(tmp_path / "in.txt", texts(3)), written(tmp_path / "base.txt", ["nothing"])
    config = {"baseline": {"kind": "texts", "file": str(baselines)}}
    go(source, tmp_path / "run", StandIn(config))
    written(baselines, ["something"])
    with pytest.raises(StoreError, match=r"baseline.file_sha256"):
        go(source, tmp_path / "run", StandIn(config))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, Path.exists, lambda path: path.symlink_to("/dev/zero")])
def test_a_file_of_baselines_that_is_no_file_is_an_error_and_not_waited_for(tmp_path: Path, make: object) -> None:
    make(tmp_path / "base.txt")  # type: ignore[operator]
    stand_in = StandIn({"baseline": {"kind": "texts", "file": str(tmp_path / "base.txt")}})
    with pytest.raises(ConfigError, match=r"baseline.file is .* which cannot be read \("):
        identify(stand_in.config, stand_in.classifier)  # type: ignore[arg-type]
