"""The report as JUnit XML: one test case a text."""

from junitparser import Error, Failure, JUnitXml, SystemOut, TestCase, TestSuite

from ihcli.regression.findings import Comparison, ComparisonReport, Kind
from ihcli.text_safety import one_line


def junit_xml(report: ComparisonReport) -> bytes:
    """A regression is a failure, a result that did not converge an error; what passed is in the case's output."""
    suite = TestSuite("ih check")
    for comparison in report.comparisons:
        suite.add_testcase(_case(report, comparison))
    xml = JUnitXml("ih check")
    xml.add_testsuite(suite)
    xml.update_statistics()
    content: bytes = xml.tostring()
    return content


def _case(report: ComparisonReport, comparison: Comparison) -> TestCase:
    case = TestCase(one_line(comparison.label, 120), classname=f"ih.check.{one_line(comparison.name)}")
    failing = report.failing(comparison)
    results = []
    for result_type, findings in (
        (Failure, [f for f in failing if f.kind is not Kind.NOT_CONVERGED]),
        (Error, [f for f in failing if f.kind is Kind.NOT_CONVERGED]),
    ):
        if findings:
            result = result_type(findings[0].line(), findings[0].kind.value)
            result.text = "\n".join(finding.line() for finding in findings)
            results.append(result)
    case.result = results
    passing = [finding.line() for finding in comparison.worst_first() if finding not in failing]
    if passing:
        output = SystemOut()
        output.text = "\n".join(passing)
        case._elem.append(output._elem)  # noqa: SLF001  (junitparser's own setter accepts strings only since 4)
    return case
