"""The study of the check by removal: its tables, and that what it recorded is what the README shows."""

import json
from pathlib import Path

import pytest

from tests.studies.removal_check import SENTENCES, TIMED, summary, tables

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "outputs" / "benchmarks" / "removal_check.json").read_text(encoding="utf-8"))


def test_the_summary_is_that_of_its_errors():
    rows = [
        {"exact": [0.5, 0.1], "check": [0.6, 0.1], "error": [0.04, 0.1], "plain": [0.2, 0.1]},
        {"exact": [0.5, 0.1], "check": [0.5, 0.3], "error": [0.04, 0.1], "plain": [0.9, 0.1]},
    ]
    found = summary(rows)
    assert found["matrix"]["check_rms"] == pytest.approx(0.1 / 2**0.5, abs=1e-3)
    assert found["matrix"]["plain_rms"] == pytest.approx(0.25**0.5 / 2**0.5, abs=1e-3)
    assert found["matrix"]["check_median"] == pytest.approx(0.05)
    assert found["matrix"]["covered"] == 0.5
    assert found["attributions"]["covered"] == 0.5


def test_the_readme_shows_what_was_recorded():
    readme = (ROOT / "ihcli" / "removal" / "README.md").read_text(encoding="utf-8")
    for table in tables(DOCUMENT):
        assert table in readme


def test_the_recorded_check_takes_a_fifth_of_the_integral_at_most_and_comes_nearer_than_a_plain_sample():
    assert [row["text"] for row in DOCUMENT["texts"]] == list(SENTENCES)
    assert len(DOCUMENT["seconds"]) == len(TIMED)
    assert all(row["check"] <= 0.2 * row["integral"] for row in DOCUMENT["seconds"])
    assert DOCUMENT["summary"] == summary(DOCUMENT["texts"])
    for own in DOCUMENT["summary"].values():
        assert own["check_rms"] < own["plain_rms"]
        assert own["covered"] >= 0.9
