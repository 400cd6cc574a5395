"""Commands on damaged and hostile results: one message, and nothing worse."""

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from explanations import make_explanation
from hostile_results import GOOD, hostile_documents, odd_results
from hypothesis import event, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ihcli.cli.app import app
from ihcli.config import CheckSection
from ihcli.errors import ResultError
from ihcli.output.report import render
from ihcli.output.tables import attributions_csv, interactions_csv, pairs_csv
from ihcli.regression.ci import annotations, markdown
from ihcli.regression.findings import ComparisonReport
from ihcli.regression.gate import judge
from ihcli.regression.junit import junit_xml
from ihcli.regression.page import page
from ihcli.regression.recorded import Recorded
from ihcli.results import Explanation

HOSTILE = hostile_documents()
SOME = [*list(HOSTILE)[:30], *list(HOSTILE)[30::12]]
ODD = odd_results()


def ih(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def save(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "result.json").write_bytes(HOSTILE[name])
    return folder


@pytest.mark.parametrize("name", SOME)
def test_every_command_refuses_it_with_one_message(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "hostile", name)
    for command in ("report", "plot"):
        out = tmp_path / ("page.html" if command == "report" else "figure.png")
        refused = ih(command, folder, "-o", out)
        assert refused.exit_code == 2, refused.output
        assert refused.stderr.startswith(f"error: {folder}/result.json: ")
        assert len(refused.stderr.splitlines()) == 1
        assert not out.exists()
    assert ih("diff", folder, folder).exit_code == 2


@pytest.mark.parametrize("name", ["a\n::error::boo", "\u202e##[error]boo", "a\r\n  ::stop-commands::x", "\x1b[31m"])
def test_the_name_of_a_file_is_no_command_of_a_log(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / name, "half of it")
    for command in ("report", "plot", "diff"):
        refused = ih(command, folder, *([folder] if command == "diff" else []))
        assert refused.exit_code == 2
        assert not {"\u202e", "\x1b", "\r"} & set(refused.output)
        assert not any(line.strip().startswith(("::", "##[")) for line in refused.output.splitlines())


def test_the_gate_reports_all_of_them_and_goes_on(tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE):
        save(tmp_path / f"hostile{number}", name)
    GOOD.save(tmp_path / "good")
    checked = ih("check", tmp_path, tmp_path, "--json")
    assert checked.exit_code == 1
    entries = {entry["name"]: entry for entry in json.loads(checked.stdout)["entries"]}
    assert entries.pop("good")["findings"] == []
    assert len(entries) == len(HOSTILE)
    for entry in entries.values():
        assert {finding["kind"] for finding in entry["findings"]} == {"damaged file"}


def everything(explanation: Explanation) -> ComparisonReport:
    """Use a result in every way that needs no model and no figure."""
    other = make_explanation(text=explanation.text or "a", seed=3)
    report = judge(
        [(Recorded("a", None, explanation), Recorded("a", None, one)) for one in (explanation, other)], CheckSection()
    )
    for content in (
        markdown(report),
        page(report),
        junit_xml(report),
        json.dumps(report.to_dict()),
        render([explanation]),
    ):
        assert content
    assert all(line.startswith("::error ") for line in annotations(report))
    for table in (attributions_csv, interactions_csv, pairs_csv):
        table(explanation).encode("utf-8")
    assert Explanation.from_dict(json.loads(explanation.to_json())).to_json() == explanation.to_json()
    return report


@pytest.mark.parametrize("name", ODD)
def test_what_is_only_strange_is_shown_and_compared(name: str) -> None:
    assert everything(ODD[name]).comparisons[0].name == "a"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "\x00", "\u202e", "text_pair", "paper", "::error::", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "text", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


PLACES = [path for path in places(GOOD.to_dict()) if path and path != ("schema",)]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_document_is_refused_or_a_result_that_everything_takes(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(GOOD.to_dict())
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(PLACES))
        parent = document
        try:
            for key in way:
                parent = parent[key]
            if data.draw(st.booleans()):
                parent[last] = data.draw(JSON)
            else:
                del parent[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    with suppress(ResultError):
        explanation = Explanation.from_dict(document)
        event("a result")
        everything(explanation)
