"""Parts and the record of them: which row counts, and which removed or added part is noticed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihcli.corpus.store_parts import Part, PartsSeal, StoreIndex
from ihcli.counting import counted

KEY = "0123456789abcdef" * 2


def part(number: int, content: bytes = b"") -> Part:
    return Part.new(Path("parts"), number, content or b"content of %d" % number)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok"], (0, "ok")),
        (["error", "ok"], (1, "ok")),
        (["ok", "error"], (0, "ok")),  # an error never replaces a result
        (["error", "error"], (1, "error")),
        (["ok", "not_converged"], (1, "not_converged")),
        (["not_converged", "error", "ok", "error"], (2, "ok")),
    ],
)
def test_of_rows_with_one_key_the_latest_counts_but_no_error_after_a_result(
    statuses: list[str], expected: tuple[int, str]
) -> None:
    index = StoreIndex()
    for number, status in enumerate(statuses):
        index.add(KEY, status, number)
    assert index.entries[bytes.fromhex(KEY)] == expected
    assert index.status(KEY) == expected[1]
    assert +index.counts == {expected[1]: 1}
    assert [index.is_current(KEY, number) for number in range(len(statuses))] == [
        number == expected[0] for number in range(len(statuses))
    ]
    assert index.status("f" * 32) is None


@given(st.integers(1, 8), st.data())
def test_whatever_is_removed_added_or_replaced_breaks_the_seal(count: int, data: st.DataObject) -> None:
    parts = [part(number) for number in range(1, count + 1)]
    seal = PartsSeal.of(parts)
    assert seal.broken(parts) is None
    assert seal.broken([*parts, part(count + 1)]) is None  # written, and not recorded before a crash
    where = data.draw(st.integers(0, count - 1))
    removed = [*parts[:where], *parts[where + 1 :]]
    assert seal.broken(removed) == f"1 of its {counted(count, 'part')} is missing"
    for other in (part(where + 1, b"other"), part(where, b"other")):
        changed = sorted([*removed, other], key=lambda one: one.number)
        assert seal.broken(changed) == f"its parts are not the {count} that were written"
    assert seal.broken(sorted([*parts, part(where + 1, b"more")], key=lambda one: one.number)) is not None
    verb = "is" if count == 1 else "are"
    assert seal.broken([]) == f"{count} of its {counted(count, 'part')} {verb} missing"


def test_the_seal_of_an_empty_store_holds_for_any_parts_that_come() -> None:
    assert PartsSeal().broken([]) is None
    assert PartsSeal().broken([part(1), part(2)]) is None
