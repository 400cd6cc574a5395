"""Records: what is written is read back as it was, to the last bit."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from explanations import make_explanation

from ihcli.corpus.readers import Row
from ihcli.corpus.records import SCHEMA, RowOutcome, to_outcome, to_record, to_table
from ihcli.corpus.row_keys import KeyedRow
from ihcli.results import Explanation, Prediction, Surrogate, Target


def through_parquet(outcomes: list[RowOutcome]) -> list[RowOutcome]:
    stream = pa.BufferOutputStream()
    pq.write_table(to_table([to_record(outcome) for outcome in outcomes]), stream)
    table = pq.read_table(pa.BufferReader(stream.getvalue()))
    assert table.schema.equals(SCHEMA)
    return [to_outcome(record, "part") for record in table.to_pylist()]


def outcome_of(explanation: Explanation, number: int = 1) -> RowOutcome:
    row = Row(number, None, "an id", explanation.text, explanation.text_pair)
    return RowOutcome(KeyedRow(row, f"{number:032x}", f"row-{number}", "in.parquet"), explanation)


def with_gaps() -> Explanation:
    """A result of `--top`: entries and the completeness gap are not known."""
    made = make_explanation(units=4)
    ih = np.array(made.ih)
    ih[0, 1] = ih[1, 0] = np.nan
    certificate = dataclasses.replace(made.certificate, completeness_gap=float("nan"))
    return dataclasses.replace(made, ih=ih, certificate=certificate)


def smoothed() -> Explanation:
    made = make_explanation(units=2)
    surrogate = Surrogate(50.0, ("relu", "abs"), 0.1, -0.2, label_changed=True)
    certificate = dataclasses.replace(made.certificate, surrogate=surrogate, surrogate_gap=0.2, converged=False)
    return dataclasses.replace(made, certificate=certificate)


EXPLANATIONS = {
    "plain": make_explanation(units=5),
    "one unit": make_explanation(units=1),
    "unknown entries": with_gaps(),
    "smoothed": smoothed(),
    "spread": make_explanation(units=3, ih_spread=np.arange(9.0).reshape(3, 3)),
    "no path": make_explanation(units=3, path=None),
    "configuration": make_explanation(units=3, config={"text": {"truncation": True}, "model": {"name": "größer"}}),
    "warnings": make_explanation(units=3, warnings=("one", "two\nlines")),
    "baseline": make_explanation(units=2, baseline={"kind": "texts", "count": 3, "texts": ["a", "b"]}),
    "several labels": make_explanation(
        units=2, prediction=Prediction("b", 1, {"a": 0.2, "b": 0.5, "c": 0.3}), target=Target("b", 1, "logit", "a")
    ),
    "small numbers": make_explanation(units=2, ih=np.array([[5e-324, 0.1 + 0.2], [0.1 + 0.2, 1e100]]), f_input=-0.0),
}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_an_explanation_is_read_back_bit_for_bit(name: str) -> None:
    outcome = outcome_of(EXPLANATIONS[name])
    [read] = through_parquet([outcome])
    assert read.keyed == outcome.keyed
    assert (read.status, read.error, read.message) == (outcome.status, None, None)
    assert read.explanation is not None
    assert read.explanation.to_json() == EXPLANATIONS[name].to_json()
    assert read.explanation.ih.tobytes() == EXPLANATIONS[name].ih.tobytes()


def test_a_failed_row_is_read_back() -> None:
    row = Row(7, 9, None, "a text", "its pair", "line 9: what is wrong")
    failed = RowOutcome(KeyedRow(row, "0" * 32, "row-7"), None, "InputError", "line 9: what is wrong")
    [read] = through_parquet([failed])
    assert (read.status, read.error, read.message) == ("error", "InputError", "line 9: what is wrong")
    assert (read.keyed.row.text, read.keyed.row.text_pair, read.keyed.row.line) == ("a text", "its pair", 9)


def test_the_status_is_that_of_the_certificate() -> None:
    assert outcome_of(EXPLANATIONS["plain"]).status == "ok"
    assert outcome_of(EXPLANATIONS["smoothed"]).status == "not_converged"
