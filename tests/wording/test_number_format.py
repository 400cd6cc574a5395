import math

import pytest

from ihcli import wording
from ihcli.wording import Digits


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.0027, "0.27 %"), (0.67, "67 %"), (0.9996, "100.0 %"), (0.9896, "99 %"), (2.658, "266 %"),
     (1e-7, "less than 0.001 %"), (-0.37, "−37 %"), (math.inf, "?")],
)  # fmt: skip
def test_percentages(share: float, text: str) -> None:
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (5.9914, "+5.99"), (-0.6156, "−0.616"), (12345.6, "+12346"), (1.5e-6, "+1.50e−6"), (-2e8, "−2.00e8"),
     (math.nan, "?"), (-math.inf, "−∞")],
)  # fmt: skip
def test_a_number_alone_has_three_significant_digits(value: float, text: str) -> None:
    assert wording.number(value, plus=True) == text


@pytest.mark.parametrize(
    ("values", "labels", "power"),
    [
        ([5.99, -0.327, 0.0], ["5.99", "−0.33", "0.00"], ""),
        ([0.42, -0.004], ["0.42", "0.00"], ""),
        ([0.063, 0.001], ["0.063", "0.001"], ""),
        ([19.08, 0.74], ["19.1", "0.7"], ""),
        ([1234.0, -4.0], ["1.23", "0.00"], " ×10³"),
        ([0.0042, 0.001], ["4.20", "1.00"], " ×10⁻³"),
        ([0.0, math.nan], ["0.00", "?"], ""),
    ],
)
def test_the_numbers_of_a_table_have_the_same_decimals(values: list[float], labels: list[str], power: str) -> None:
    digits = Digits.of(values)
    assert [digits.label(value) for value in values] == labels
    assert digits.power == power


def test_a_plus_sign_is_written_where_it_is_asked_for_and_never_before_zero() -> None:
    digits = Digits(1.0)
    assert [digits.label(v, plus=True) for v in (0.5, -0.5, 0.0, 0.001)] == ["+0.50", "−0.50", "0.00", "0.00"]


@pytest.mark.parametrize(
    ("tables", "powers", "labels"),
    [
        (([1.9], [0.0031]), ["", ""], ["1.90", "0.0031"]),
        (([1.9e-6], [3.1e-7]), [" ×10⁻⁶", " ×10⁻⁶"], ["1.90", "0.31"]),
        (([0.0], [3.1e-7]), [" ×10⁻⁹", " ×10⁻⁹"], ["0", "310"]),
        (([0.0], [0.0]), ["", ""], ["0.00", "0.00"]),
    ],
)
def test_tables_read_together_share_one_power_of_ten(
    tables: tuple[list[float], list[float]], powers: list[str], labels: list[str]
) -> None:
    together = wording.digits_together(*tables)
    assert [digits.power for digits in together] == powers
    assert [digits.label(table[0]) for digits, table in zip(together, tables, strict=True)] == labels
