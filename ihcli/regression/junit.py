"""The report as JUnit XML: one test case a text."""

from pathlib import Path

from junitparser import Error, Failure, JUnitXml, SystemOut, TestCase, TestSuite

from ihcli.file_writing import write_atomically
from ihcli.regression.findings import Entry, Finding, Kind, Report, one_line, shown


def junit_xml(report: Report) -> bytes:
    """A regression is a failure, a result that did not converge an error; what passed is in the case's output."""
    suite = TestSuite("ih check")
    for entry in report.entries:
        suite.add_testcase(_case(report, entry))
    xml = JUnitXml("ih check")
    xml.add_testsuite(suite)
    xml.update_statistics()
    content: bytes = xml.tostring()
    return content


def write_junit(report: Report, file: Path) -> None:
    """Write the XML, whole or not at all; raises `OutputError`."""
    write_atomically(file, junit_xml(report))


def _case(report: Report, entry: Entry) -> TestCase:
    case = TestCase(one_line(entry.label, 120), classname=f"ih.check.{one_line(entry.name)}")
    failing = report.failing(entry)
    results = []
    for kind, of_kind in (
        (Failure, [f for f in failing if f.kind is not Kind.NOT_CONVERGED]),
        (Error, [f for f in failing if f.kind is Kind.NOT_CONVERGED]),
    ):
        if of_kind:
            result = kind(line(of_kind[0]), of_kind[0].kind.value)
            result.text = "\n".join(line(finding) for finding in of_kind)
            results.append(result)
    case.result = results
    rest = [line(finding) for finding in entry.worst_first() if finding not in failing]
    if rest:
        output = SystemOut()
        output.text = "\n".join(rest)
        case._elem.append(output._elem)  # noqa: SLF001  (junitparser's own setter accepts strings only since 4)
    return case


def line(finding: Finding) -> str:
    """One finding on one line of plain text."""
    values = ""
    if finding.old is not None or finding.new is not None:
        values = f": {shown(finding.old)} → {shown(finding.new)}"
    tolerance = "" if finding.tolerance is None else f" (allowed {shown(finding.tolerance)})"
    return one_line(f"{finding.kind.value} at {finding.where}{values}{tolerance}. {finding.message}")
