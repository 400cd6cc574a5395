"""What a comparison found: findings, the texts that were compared, and the report on all of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ihcli.counting import counted
from ihcli.errors import ExitCode
from ihcli.regression.ranking import Ranking
from ihcli.results import Explanation
from ihcli.text_safety import one_line

Value = float | str | None


class Severity(StrEnum):
    """A regression fails the gate; a warning fails it with `strict` only; an info never does."""

    REGRESSION = "regression"
    WARNING = "warning"
    INFO = "info"


class Kind(StrEnum):
    """What a finding is about."""

    PREDICTION = "prediction"
    PROBABILITY = "probability"
    VALUE = "value"
    F_INPUT = "f_input"
    F_BASELINE = "f_baseline"
    IG = "ig"
    IH = "ih"
    NOT_COMPUTED = "not computed"
    SIGN = "sign flip"
    STRONGEST = "strongest pair"
    OVERLAP = "top pairs"
    ORDER = "rank order"
    TEXT = "text changed"
    TOKENIZER = "tokenizer changed"
    MODEL = "model changed"
    TARGET = "target changed"
    CONFIGURATION = "configuration changed"
    VERSIONS = "versions changed"
    NO_COUNTERPART = "no counterpart"
    NEW = "new entry"
    MISSING = "baseline missing"
    DAMAGED = "damaged file"
    INCONSISTENT = "inconsistent record"
    NOT_CONVERGED = "not converged"
    NOT_EXPLAINED = "not explained"


_ORDER = {Severity.REGRESSION: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference or fault.

    Attributes:
        kind: What it is about.
        severity: Whether it fails the gate.
        where: The number, pair or setting that it is about.
        message: The sentence for it.
        old: The recorded value, None where there is none to show.
        new: The new value.
        tolerance: The largest difference that is allowed.
    """

    kind: Kind
    severity: Severity
    where: str
    message: str
    old: Value = None
    new: Value = None
    tolerance: float | None = None

    @property
    def excess(self) -> float:
        """|new − old| over the tolerance; infinite where there is nothing to divide."""
        if not isinstance(self.old, float) or not isinstance(self.new, float) or not self.tolerance:
            return math.inf
        return abs(self.new - self.old) / self.tolerance

    @property
    def has_values(self) -> bool:
        """Whether there is an old or a new value to show."""
        return self.old is not None or self.new is not None

    def line(self) -> str:
        """The finding on one line of plain text."""
        values = f": {shown(self.old)} → {shown(self.new)}" if self.has_values else ""
        tolerance = "" if self.tolerance is None else f" (allowed {shown(self.tolerance)})"
        return one_line(f"{self.kind.value} at {self.where}{values}{tolerance}. {self.message}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recorded text and what was found.

    Attributes:
        name: The folder of the result, relative to the folder of the baselines.
        findings: What was found.
        old: The recorded result, None where there is none that can be read.
        new: The new result, None likewise.
        ranking: How the strongest pairs compare, None where the units differ.
        path: The baseline's file, for annotations and updates.
    """

    name: str
    findings: tuple[Finding, ...]
    old: Explanation | None = None
    new: Explanation | None = None
    ranking: Ranking | None = None
    path: Path | None = None

    @property
    def label(self) -> str:
        """The text on one line, or the name where the text is unknown."""
        known = self.old or self.new
        return one_line(self.name) if known is None else label_of(known)

    def worst_first(self) -> list[Finding]:
        """The findings, regressions first, the farthest outside its tolerance first."""
        return sorted(self.findings, key=lambda finding: (_ORDER[finding.severity], -finding.excess))

    def kinds(self, *severities: Severity) -> set[Kind]:
        """The kinds of the findings, of these severities where some are given."""
        return {finding.kind for finding in self.findings if not severities or finding.severity in severities}


@dataclass(frozen=True, slots=True)
class Terms:
    """The words of a report: `ih check` gives a verdict, `ih diff` only says what differs.

    Attributes:
        command: The command.
        schema: Schema of the JSON document.
        one: Verb for one text that moved beyond its limits.
        several: The same for several texts.
        moved: Word beside a text or finding that moved.
        unmoved: Word beside a text that did not.
        severity: Name of the worst severity.
    """

    command: str
    schema: str
    one: str
    several: str
    moved: str
    unmoved: str
    severity: str

    def of(self, severity: Severity) -> str:
        """The name of a severity."""
        return self.severity if severity is Severity.REGRESSION else severity.value


CHECK = Terms("ih check", "ihcli.check/1", "failed", "failed", "FAIL", "pass", "regression")
DIFF = Terms("ih diff", "ihcli.diff/1", "differs", "differ", "DIFF", "same", "difference")


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """All comparisons, and the verdict on them.

    Attributes:
        comparisons: One for each text.
        strict: Whether warnings fail too.
        terms: The words of the command.
    """

    comparisons: tuple[Comparison, ...]
    strict: bool = False
    terms: Terms = CHECK

    def failing(self, comparison: Comparison) -> list[Finding]:
        """The findings that fail the gate, worst first."""
        bad = {Severity.REGRESSION, Severity.WARNING} if self.strict else {Severity.REGRESSION}
        return [finding for finding in comparison.worst_first() if finding.severity in bad]

    def failed(self) -> list[Comparison]:
        """The texts that fail, worst first."""
        failed = [one for one in self.comparisons if self.failing(one)]
        return sorted(failed, key=lambda one: (-self.failing(one)[0].excess, one.name))

    def warned(self) -> list[Comparison]:
        """The texts that pass with a warning."""
        return [one for one in self.comparisons if one.kinds(Severity.WARNING) and not self.failing(one)]

    @property
    def exit_code(self) -> ExitCode:
        """0 all within tolerance; 4 if results that did not converge are all that is wrong; else 1."""
        kinds = {finding.kind for one in self.comparisons for finding in self.failing(one)}
        if not kinds:
            return ExitCode.DONE
        return ExitCode.NOT_CONVERGED if kinds == {Kind.NOT_CONVERGED} else ExitCode.REGRESSION

    @property
    def verdict(self) -> str | None:
        """`pass`, `regression` or `not converged`; None of a plain comparison, which gives none."""
        if self.terms is not CHECK:
            return None
        return {ExitCode.DONE: "pass", ExitCode.REGRESSION: "regression"}.get(self.exit_code, "not converged")

    @property
    def title(self) -> str:
        """The command, and its verdict where it gives one."""
        return self.terms.command if self.verdict is None else f"{self.terms.command}: {self.verdict}"

    def summary(self) -> str:
        """The counts in one sentence."""
        failed, warned, total = len(self.failed()), len(self.warned()), len(self.comparisons)
        verb = self.terms.one if failed == 1 else self.terms.several
        sentence = f"{counted(total, 'text')} compared: {failed} {verb}, {total - failed} within tolerance"
        return sentence + (f" ({warned} with warnings)." if warned else ".")

    def to_dict(self) -> dict[str, Any]:
        """The report in plain JSON types; a number that is not finite becomes null."""
        failed = len(self.failed())
        moved, unmoved = ("failed", "passed") if self.terms is CHECK else ("differ", "agree")
        counts = {"texts": len(self.comparisons), moved: failed, "warned": len(self.warned())}
        verdict = {} if self.verdict is None else {"verdict": self.verdict}
        return {
            "schema": self.terms.schema,
            **verdict,
            "counts": {**counts, unmoved: len(self.comparisons) - failed},
            "entries": [self._comparison(one) for one in self.comparisons],
        }

    def _comparison(self, comparison: Comparison) -> dict[str, Any]:
        ranking, known = comparison.ranking, comparison.old or comparison.new
        return {
            "name": comparison.name,
            "text": None if known is None else known.text,
            "text_pair": None if known is None else known.text_pair,
            "failed" if self.terms is CHECK else "differs": bool(self.failing(comparison)),
            "rank": None
            if ranking is None
            else {"k": ranking.k, "overlap": ranking.overlap, "kendall_tau": _finite(ranking.tau)},
            "findings": [
                {
                    "kind": finding.kind.value,
                    "severity": self.terms.of(finding.severity),
                    "where": finding.where,
                    "old": _finite(finding.old),
                    "new": _finite(finding.new),
                    "tolerance": _finite(finding.tolerance),
                    "message": finding.message,
                }
                for finding in comparison.worst_first()
            ],
        }


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def label_of(explanation: Explanation, width: int | None = None) -> str:
    """The text of a result, and its pair, on one line."""
    pair = "" if explanation.text_pair is None else f" ‖ {explanation.text_pair}"
    return one_line(f"{explanation.text}{pair}", width)


def shown(value: Value) -> str:
    """A value for people: six significant digits, a dash for nothing."""
    if value is None:
        return "–"
    return one_line(value) if isinstance(value, str) else f"{value:.6g}"


def quoted(items: Sequence[str], most: int = 4) -> str:
    """The first few of `items` in quotation marks, and how many more there are."""
    listed = ", ".join(f"“{one_line(item, 40)}”" for item in items[:most])
    return listed + (f" and {len(items) - most} more" if len(items) > most else "")
