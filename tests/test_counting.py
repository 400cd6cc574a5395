"""Numbers with what they count."""

import pytest

from ihcli.counting import counted


@pytest.mark.parametrize(
    ("number", "forms", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2, ("row",), "2 rows"),
        (1, ("entry", "entries"), "1 entry"),
        (3, ("entry", "entries"), "3 entries"),
        (1, ("row is", "rows are"), "1 row is"),
        (7, ("row is", "rows are"), "7 rows are"),
    ],
)
def test_a_number_is_followed_by_its_noun_in_the_right_number(number: int, forms: tuple[str, ...], said: str) -> None:
    assert counted(number, *forms) == said
