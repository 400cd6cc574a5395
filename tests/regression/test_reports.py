import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from explanations import make_explanation
from rich.console import Console

from ihcli.config import CheckSection, RunConfig
from ihcli.regression import ci
from ihcli.regression.findings import DIFF, ComparisonReport
from ihcli.regression.gate import judge
from ihcli.regression.junit import junit_xml
from ihcli.regression.page import MOST_UNITS, page
from ihcli.regression.recorded import Recorded
from ihcli.regression.terminal import show
from ihcli.results import Explanation
from ihcli.text_safety import one_line

EVIL = "<script>alert(1)</script> [bold]x[/bold] a|b `c` *d* @me \x1b[31m\n::error::boo ##[error]no \ud800 \x00 100%"


def explanation(text: str, seed: int = 0, **changes: object) -> Explanation:
    return make_explanation(text=text, seed=seed, **{"config": RunConfig().to_dict(), **changes})


def report_on(*pairs: tuple[Explanation | None, Explanation | None]) -> ComparisonReport:
    sides = [
        tuple(None if e is None else Recorded(f"entry{i}", Path(f"base,line/entry{i}/result.json"), e) for e in pair)
        for i, pair in enumerate(pairs)
    ]
    return judge([(a, b) for a, b in sides], CheckSection())


def moved(text: str) -> tuple[Explanation, Explanation]:
    return explanation(text), explanation(text, 1)


@pytest.fixture
def report() -> ComparisonReport:
    rough = explanation("did not converge")
    rough = replace(rough, certificate=replace(rough.certificate, converged=False))
    warned = replace(explanation("other torch"), environment=replace(rough.environment, torch="9"))
    return report_on(
        (explanation("stays as it is"), explanation("stays as it is")),
        moved("moves a lot here"),
        (explanation(EVIL), None),
        (explanation("did not converge"), rough),
        (explanation("other torch"), warned),
    )


def shown(report: ComparisonReport, width: int = 120) -> str:
    stream = io.StringIO()
    show(report, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_the_table_shows_the_worst_first_and_the_verdict_last(report: ComparisonReport) -> None:
    lines = shown(report).splitlines()
    verdict = "REGRESSION: 5 texts compared: 3 failed, 2 within tolerance (1 with warnings)."
    assert lines[-1] == verdict
    heads = [line for line in lines if line.startswith(("FAIL", "pass"))]
    assert [head.split()[0] for head in heads] == ["FAIL"] * 3 + ["pass"]
    numbers = [line for line in lines if "ih" in line.split()[:2]]
    assert re.search(r"FAIL +ih +\w+( × \w+| \(diagonal\)) +-?\d\S* +-?\d\S* +±\d", numbers[0])
    assert any("Kendall's tau" in line for line in lines)


def test_nothing_in_a_text_has_an_effect_on_a_terminal_or_a_log(report: ComparisonReport) -> None:
    for width in range(40, 130, 7):
        text = shown(report, width)
        assert "\x1b" not in text
        assert "[bold]x" in text.replace("\n", "") or width < 80
        assert not any(line.strip().startswith("::") for line in text.splitlines())
        assert "##[" not in text


def test_json_holds_every_finding_and_no_nan(report: ComparisonReport) -> None:
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["verdict"] == "regression"
    assert document["counts"] == {"texts": 5, "failed": 3, "warned": 1, "passed": 2}
    entry = document["entries"][1]
    assert entry["failed"]
    finding = next(f for f in entry["findings"] if f["kind"] == "ih")
    assert set(finding) == {"kind", "severity", "where", "old", "new", "tolerance", "message"}
    assert abs(finding["old"] - finding["new"]) > finding["tolerance"]
    assert document["entries"][0] == {
        "name": "entry0",
        "text": "stays as it is",
        "text_pair": None,
        "failed": False,
        "rank": {"k": 6, "overlap": 1.0, "kendall_tau": 1.0},
        "findings": [],
    }


def test_junit_has_a_case_a_text(report: ComparisonReport) -> None:
    suite = ET.fromstring(junit_xml(report)).find("testsuite")  # noqa: S314  (our own)
    assert suite is not None
    counts = [suite.get(key) for key in ("tests", "failures", "errors")]
    assert counts == ["5", "2", "1"]
    cases = {case.get("classname"): case for case in suite}
    assert list(cases["ih.check.entry0"]) == []
    assert "Moved by" in cases["ih.check.entry1"].find("failure").text
    assert cases["ih.check.entry3"].find("error").get("type") == "not converged"
    assert "versions changed" in cases["ih.check.entry4"].find("system-out").text
    assert one_line(EVIL)[:50] in cases["ih.check.entry2"].get("name")


def test_markdown_shows_texts_as_they_are(report: ComparisonReport) -> None:
    text = ci.markdown(report)
    assert text.startswith("### ❌ ih check: regression\n")
    rows = [line for line in text.splitlines() if line.startswith(("| ❌", "| ⚠️"))]
    assert len({row.count("|") for row in rows}) == 1
    assert "<script>" not in text
    assert "`c`" not in text
    assert "@me" not in text
    assert len(rows) <= ci.MOST_LINES
    assert ci.markdown(report_on((explanation("a b"), explanation("a b")))).startswith("### ✅ ih check: pass")


def test_annotations_are_escaped_and_capped() -> None:
    few = ci.annotations(report_on((explanation(EVIL), None), moved("it moves a lot")))
    assert len(few) == 2
    command = few[1] if "entry0" in few[1] else few[0]
    assert "\n" not in command
    assert command.startswith("::error file=base%2Cline/entry0/result.json,title=no counterpart%3A ")
    properties, _, message = command.removeprefix("::error ").partition("::")
    assert properties.count(",") == 1
    assert message.startswith("no counterpart at run")
    percent = ci.annotations(report_on((explanation("100% sure: yes"), None)))[0]
    assert "title=no counterpart%3A 100%25 sure%3A yes::" in percent
    many = ci.annotations(report_on(*[moved(f"text number {k}") for k in range(25)]))
    assert len(many) == ci.MOST_ANNOTATIONS
    assert many[-1] == "::error title=ih check::and 16 more texts failed"


def test_github_is_told_where_it_asks(tmp_path: Path, report: ComparisonReport) -> None:
    stream = io.StringIO()
    ci.write_to_github(report, stream, {})
    assert stream.getvalue() == ""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    ci.write_to_github(report, stream, {"GITHUB_STEP_SUMMARY": str(summary)})
    assert summary.read_text() == "before\n" + ci.markdown(report)
    assert stream.getvalue().count("::error ") == 3


class Tags(HTMLParser):
    """The tags and the text of a page, and the titles (full values) of its cells by table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.tables: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "table":
            self.tables.append([])
        if tag == "td" and "title" in values:
            self.tables[-1].append(values["title"] or "")


def test_the_page_holds_old_new_and_difference(report: ComparisonReport) -> None:
    text = page(report)
    old, new = moved("moves a lot here")
    maps = [table for table in Tags(text).tables if len(table) == 4 * 5]
    values = [[[float(v) for v in m[row * 5 : row * 5 + 5]] for row in range(4)] for m in maps]
    at = next(i for i, v in enumerate(values) if v[0][0] == old.ig[0] and values[i + 1][0][0] == new.ig[0])
    for row in range(4):
        assert values[at][row] == [old.ig[row], *old.ih[row]]
        assert values[at + 1][row] == [new.ig[row], *new.ih[row]]
        assert values[at + 2][row] == [new.ig[row] - old.ig[row], *(new.ih[row] - old.ih[row])]


def test_the_page_runs_nothing_and_fetches_nothing(report: ComparisonReport) -> None:
    text = page(report)
    assert "script" not in Tags(text).tags
    assert "&lt;script&gt;" in text
    assert not re.search(r"https?://|src=|@import|url\(", text)
    text.encode("utf-8")


def test_a_long_text_shows_the_units_that_moved() -> None:
    old = explanation(" ".join(f"word{k}" for k in range(80)))
    ih = old.ih.copy()
    ih[70, 75] = ih[75, 70] = 5.0
    text = page(report_on((old, explanation(old.text, ih=ih))))
    assert f"{MOST_UNITS} of 80 units are shown" in text
    assert '<th scope="row">word70</th>' in text
    assert max(len(table) for table in Tags(text).tables) == MOST_UNITS * (MOST_UNITS + 1)


BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    "text", [f"a{BIDIRECTIONAL} user\u202egnp.exe", "\u2066x\u2069 y", "\x9b31m z", "a\u2028::error::b"]
)
def test_no_way_out_keeps_a_character_that_acts(text: str, tmp_path: Path) -> None:
    old = explanation(text)
    label = replace(old.prediction, label=text, probabilities={text: 0.9, "other": 0.1})
    new = explanation(text, 1, prediction=label, target=replace(old.target, label=text), baseline={"kind": text})
    path = tmp_path / text / "result.json"
    both = judge([(Recorded(text, path, old), Recorded(text, None, new))], CheckSection())
    lost = judge([(Recorded(text, path, old), None)], CheckSection())
    for report in (both, lost, replace(both, terms=DIFF)):
        stream = io.StringIO()
        ci.write_to_github(report, stream, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")})
        ways_out = [shown(report), ci.markdown(report), page(report), junit_xml(report).decode("utf-8")]
        for content in (*ways_out, stream.getvalue(), (tmp_path / "summary.md").read_text("utf-8")):
            assert not set(BIDIRECTIONAL + "\x9b\u2028") & set(content)
        assert not any(line.lstrip().startswith("::error::b") for line in stream.getvalue().splitlines())


def test_a_comparison_without_a_verdict_uses_no_word_of_one(report: ComparisonReport) -> None:
    plain = replace(report, terms=DIFF)
    lines = shown(plain).splitlines()
    assert lines[-1] == "5 texts compared: 3 differ, 2 within tolerance (1 with warnings)."
    assert sum(line.startswith("DIFF") for line in lines) == 3
    assert sum(line.startswith("same") for line in lines) == 1
    document = plain.to_dict()
    assert document["schema"] == "ihcli.diff/1"
    assert document["counts"] == {"texts": 5, "differ": 3, "warned": 1, "agree": 2}
    assert "<title>ih diff</title>" in page(plain)
    assert ci.markdown(plain).startswith("### ih diff\n")
    for content in (shown(plain), json.dumps(document), page(plain).partition("</style>")[2], ci.markdown(plain)):
        assert not re.search(r"FAIL|REGRESSION|verdict|failed|>regression|\"regression|❌|ih check", content)
