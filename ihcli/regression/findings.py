"""What a comparison says: findings, one entry a text, and the report with its verdict."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ihcli.results import Explanation

SCHEMA = "ihcli.check/1"
NOT_CONVERGED_EXIT = 4
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
    """One thing that was seen: what, how bad, where, the two values, what was allowed, and the sentence for it."""

    kind: Kind
    severity: Severity
    where: str
    message: str
    old: Value = None
    new: Value = None
    tolerance: float | None = None

    @property
    def excess(self) -> float:
        """|new - old| over the tolerance; infinite where there is nothing to divide."""
        if not isinstance(self.old, float) or not isinstance(self.new, float) or not self.tolerance:
            return math.inf
        return abs(self.new - self.old) / self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """The finding in plain JSON types; a number that is not finite becomes null."""
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "where": self.where,
            "old": _finite(self.old),
            "new": _finite(self.new),
            "tolerance": _finite(self.tolerance),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Rank:
    """How the strongest pairs compare: how many (k), the share that stayed, Kendall's tau (NaN: all are tied)."""

    k: int
    overlap: float
    tau: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded text and what was found; `old` or `new` is None where there is none that can be read."""

    name: str
    findings: tuple[Finding, ...]
    old: Explanation | None = None
    new: Explanation | None = None
    rank: Rank | None = None
    path: Path | None = None
    """The baseline's file, for annotations and updates."""

    @property
    def text(self) -> str | None:
        """The text, from whichever side has it."""
        side = self.old or self.new
        return None if side is None else side.text

    @property
    def text_pair(self) -> str | None:
        """The second text of a pair."""
        side = self.old or self.new
        return None if side is None else side.text_pair

    @property
    def label(self) -> str:
        """The text on one line, or the entry's name where the text is unknown."""
        if self.text is None:
            return one_line(self.name)
        return one_line(self.text if self.text_pair is None else f"{self.text} ‖ {self.text_pair}")

    def worst_first(self) -> list[Finding]:
        """The findings, regressions first, the farthest outside its tolerance first."""
        return sorted(self.findings, key=lambda finding: (_ORDER[finding.severity], -finding.excess))

    @property
    def severity(self) -> Severity | None:
        """The worst severity, None without a finding."""
        return min((finding.severity for finding in self.findings), key=_ORDER.__getitem__, default=None)


@dataclass(frozen=True, slots=True)
class Report:
    """All entries and the verdict."""

    entries: tuple[Entry, ...]
    strict: bool = False

    def failing(self, entry: Entry) -> list[Finding]:
        """The findings of `entry` that fail the gate, worst first."""
        bad = {Severity.REGRESSION, Severity.WARNING} if self.strict else {Severity.REGRESSION}
        return [finding for finding in entry.worst_first() if finding.severity in bad]

    def failed(self) -> list[Entry]:
        """The entries that fail, worst first."""
        entries = [entry for entry in self.entries if self.failing(entry)]
        return sorted(entries, key=lambda entry: (-self.failing(entry)[0].excess, entry.name))

    def warned(self) -> list[Entry]:
        """The entries that pass with a warning."""
        return [e for e in self.entries if e.severity is Severity.WARNING and not self.failing(e)]

    def unreadable(self) -> list[Finding]:
        """What is damaged or gone."""
        kinds = {Kind.DAMAGED, Kind.MISSING}
        return [finding for entry in self.entries for finding in entry.findings if finding.kind in kinds]

    @property
    def exit_code(self) -> int:
        """0 all within tolerance; 4 if results that did not converge are all that is wrong; else 1."""
        kinds = {finding.kind for entry in self.entries for finding in self.failing(entry)}
        if not kinds:
            return 0
        return NOT_CONVERGED_EXIT if kinds == {Kind.NOT_CONVERGED} else 1

    @property
    def verdict(self) -> str:
        """`pass`, `regression` or `not converged`."""
        return {0: "pass", 1: "regression"}.get(self.exit_code, "not converged")

    def summary(self) -> str:
        """The verdict in one sentence."""
        failed, warned, total = len(self.failed()), len(self.warned()), len(self.entries)
        texts = "1 text" if total == 1 else f"{total} texts"
        sentence = f"{texts} compared: {failed} failed, {total - failed} within tolerance"
        return sentence + (f" ({warned} with warnings)." if warned else ".")

    def to_dict(self) -> dict[str, Any]:
        """The report as one JSON document."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "counts": {
                "texts": len(self.entries),
                "failed": len(self.failed()),
                "warned": len(self.warned()),
                "passed": len(self.entries) - len(self.failed()),
            },
            "entries": [self._entry(entry) for entry in self.entries],
        }

    def _entry(self, entry: Entry) -> dict[str, Any]:
        rank = entry.rank
        return {
            "name": entry.name,
            "text": entry.text,
            "text_pair": entry.text_pair,
            "failed": bool(self.failing(entry)),
            "rank": None
            if rank is None
            else {"k": rank.k, "overlap": _finite(rank.overlap), "kendall_tau": _finite(rank.tau)},
            "findings": [finding.to_dict() for finding in entry.worst_first()],
        }


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: Value) -> str:
    """A value for people: six significant digits, a dash for nothing."""
    if value is None:
        return "–"
    return one_line(value) if isinstance(value, str) else f"{value:.6g}"


def one_line(text: str, width: int | None = None) -> str:
    """`text` on one line without control characters or unpaired surrogates, at most `width` characters.

    Recorded texts are anybody's: a line break could start a CI command, an escape sequence recolour a terminal.
    """
    clean = "".join(" " if c in "\t\n\r\x0b\x0c\x85\u2028\u2029" else _visible(c) for c in text)
    if width is not None and len(clean) > width:
        clean = clean[: width - 1] + "…"
    return clean


def _visible(character: str) -> str:
    # Controls, unpaired surrogates, and the non-characters that XML refuses.
    if unicodedata.category(character) in {"Cc", "Cs"} or character in "\ufffe\uffff":
        return "\N{REPLACEMENT CHARACTER}"
    return character


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 entry`, `3 entries`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def names(items: Sequence[str], most: int = 4) -> str:
    """The first few of `items`, quoted, and how many more there are."""
    listed = ", ".join(f"“{one_line(item, 40)}”" for item in items[:most])
    return listed + (f" and {len(items) - most} more" if len(items) > most else "")
