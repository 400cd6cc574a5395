"""Explaining groups in this process: whose row an error is."""

from pathlib import Path

from corpora import StandIn, go, written

from ihcli.results import Explanation


def test_a_fault_in_a_group_falls_on_its_own_row_only(tmp_path: Path) -> None:
    class Faulty(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            if "3" in text:
                raise ZeroDivisionError("in the model's code")
            return super().one(text, pair)

    lines = [f"of equal length {k}" for k in range(6)]
    tally = go(written(tmp_path / "in.txt", lines), tmp_path / "run", Faulty())
    assert (tally.done, tally.failed) == (6, 1)
    assert tally.first_failure == "line 4: ZeroDivisionError: in the model's code"
