"""The time to the end of a phase, by a clock of our own."""

import pytest

from ihcli.console.outlook import Outlook


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_moves_between_reports_and_counts_down() -> None:
    clock = Clock()
    outlook = Outlook(20.0, clock)
    seen = []
    for clock.now in (0.0, 2.0, 4.0, 10.0):
        seen.append((outlook.share, outlook.left))
    assert seen == [(0.0, 20.0), (0.1, 18.0), (0.2, 16.0), (0.5, 10.0)]


def test_steps_that_take_longer_correct_the_end_and_the_bar_does_not_go_back() -> None:
    clock = Clock()
    outlook = Outlook(10.0, clock)
    clock.now = 8.0
    assert outlook.share == pytest.approx(0.8)
    outlook.report(2, 10)  # so all ten take 40 s
    assert outlook.left == pytest.approx(32.0)
    assert outlook.share == pytest.approx(0.8)
    clock.now = 36.0
    assert outlook.share == pytest.approx(0.9)


def test_it_is_never_over_before_its_end() -> None:
    clock = Clock()
    outlook = Outlook(1.0, clock)
    clock.now = 100.0
    assert outlook.left == 0.0
    assert outlook.share == 0.99


def test_without_a_report_or_an_expectation_nothing_is_known() -> None:
    outlook = Outlook(None, Clock())
    assert outlook.left is None
    assert outlook.share is None
    outlook.report(0, 5)
    outlook.report(3, None)
    assert outlook.left is None
