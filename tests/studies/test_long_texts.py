"""A case that is measured again takes the place of its own record only."""

from tests.studies.long_texts import review, with_row


def test_a_case_that_is_measured_again_replaces_its_own_row() -> None:
    rows = [{"words": 60, "mode": "words", "seconds": 9}, {"words": 440, "mode": "words", "seconds": 99}]
    rows = with_row(rows, {"words": 60, "mode": "top 10", "seconds": 5})
    rows = with_row(rows, {"words": 60, "mode": "words", "seconds": 8})
    assert [(row["words"], row["mode"], row["seconds"]) for row in rows] == [
        (60, "words", 8), (60, "top 10", 5), (440, "words", 99),
    ]  # fmt: skip


def test_the_review_is_long_enough_and_is_cut_from_its_beginning() -> None:
    assert len(review(440).split()) == 440
    assert review(440).startswith(review(5))
