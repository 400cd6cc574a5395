"""Which recorded result belongs to which new one, the report on all of them, and accepting what changed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ihcli.config import CheckSection
from ihcli.errors import OutputError, UsageError
from ihcli.output import write_files
from ihcli.output.naming import folder_of_text, is_inside, path_inside
from ihcli.regression.compare import compare
from ihcli.regression.consistency import audit
from ihcli.regression.findings import Comparison, ComparisonReport, Finding, Kind, Severity
from ihcli.regression.recorded import SIBLINGS, Recorded, is_store, read_index, write_index
from ihcli.results import RESULT, Explanation

Pair = tuple[Recorded | None, Recorded | None]


def judge(pairs: Iterable[Pair], section: CheckSection) -> ComparisonReport:
    """Compare every pair of a baseline and a run; a side that is absent or unreadable is a finding."""
    return ComparisonReport(tuple(_comparison(old, new, section) for old, new in pairs), section.strict)


def match(baseline: Sequence[Recorded], run: Sequence[Recorded]) -> list[Pair]:
    """Pair by name where the texts agree or one cannot be read, then by text, in order; the others stand alone."""
    left = {record.name: record for record in baseline}
    right = {record.name: record for record in run}
    shared = [name for name in left if name in right and _may_belong(left[name], right[name])]
    pairs: list[Pair] = [(left.pop(name), right.pop(name)) for name in shared]
    waiting: dict[tuple[str, str | None], list[Recorded]] = defaultdict(list)
    for record in right.values():
        if record.explanation is not None:
            waiting[_text(record.explanation)].append(record)
    for record in left.values():
        partners = waiting[_text(record.explanation)] if record.explanation is not None else []
        partner = partners.pop(0) if partners else None
        if partner is not None:
            del right[partner.name]
        pairs.append((record, partner))
    pairs += [(None, record) for record in right.values()]
    return sorted(pairs, key=lambda pair: (pair[0] or pair[1]).name)  # type: ignore[union-attr]


def _text(explanation: Explanation) -> tuple[str, str | None]:
    return explanation.text, explanation.text_pair


def _may_belong(old: Recorded, new: Recorded) -> bool:
    if old.explanation is None or new.explanation is None:
        return True
    return _text(old.explanation) == _text(new.explanation)


def _comparison(old: Recorded | None, new: Recorded | None, section: CheckSection) -> Comparison:
    name = (old or new).name  # type: ignore[union-attr]  # one side is always there
    path = old.path if old is not None else None
    before = old.explanation if old is not None else None
    after = new.explanation if new is not None else None
    if before is not None and after is not None:
        return compare(before, after, section, name, path)
    findings = [record.problem for record in (old, new) if record is not None and record.problem is not None]
    if new is None and before is not None:
        message = "The run holds no explanation of this text: it was not compared."
        findings.append(Finding(Kind.NO_COUNTERPART, Severity.REGRESSION, "run", message))
    if old is None:
        message = "No baseline holds this text; an update adds it."
        findings.append(Finding(Kind.NEW, Severity.REGRESSION, "baseline", message))
    for side, explanation in (("baseline", before), ("run", after)):
        if explanation is not None:
            findings += audit(explanation, side)
    return Comparison(name, tuple(findings), before, after, None, path)


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

    Attributes:
        accepted: Names, with what was accepted.
        refused: Names, with why not.
        remaining: The report on what was not accepted.
        listed: How many names the index now holds; None where it was left as it was.
    """

    accepted: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    remaining: ComparisonReport
    listed: int | None = None


def require_updatable(baseline: Path) -> None:
    """Refuse to update a store; raises `UsageError`."""
    if is_store(baseline):
        message = f"{baseline}: is the store of a batch, which only `ih batch` writes. Use `ih export` and check that."
        raise UsageError(message)


def update(report: ComparisonReport, baseline: Path, *, only_new: bool = False, index: bool = True) -> Update:
    """Write what changed (or, `only_new`, only what is missing) into the folder `baseline`.

    Results that did not converge or contradict themselves are refused, and so is a place that a link puts outside the
    folder. Other files of the explanation that stand beside the old result are rewritten with it, and `index` lists
    every name. Raises `UsageError` for a store, `OutputError` where writing fails.
    """
    require_updatable(baseline)
    accepted: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    remaining = []
    names = set(read_index(baseline)) if baseline.is_dir() else set()
    names |= {_listed_as(one, baseline) for one in report.comparisons if one.old is not None}
    for comparison in report.comparisons:
        if not _is_asked_for(comparison, only_new=only_new):
            remaining.append(comparison)
            continue
        obstacle = _obstacle(comparison, baseline)
        if comparison.new is not None and obstacle is None:
            names.add(_write(comparison, comparison.new, baseline))
            accepted.append((comparison.name, _what(comparison)))
        elif not only_new and _was_removed(comparison):
            names.discard(comparison.name)
            accepted.append((comparison.name, "removed from the baselines"))
        else:
            refused.append((comparison.name, obstacle or "there is no new result to accept"))
            remaining.append(comparison)
    listed = None
    if index and baseline.is_dir() and names != set(read_index(baseline)):
        write_index(baseline, names)
        listed = len(names)
    return Update(tuple(accepted), tuple(refused), replace(report, comparisons=tuple(remaining)), listed)


def _is_asked_for(comparison: Comparison, *, only_new: bool) -> bool:
    if only_new:
        return bool(comparison.kinds() & {Kind.NEW, Kind.MISSING})
    return bool(comparison.kinds(Severity.REGRESSION, Severity.WARNING))


def _obstacle(comparison: Comparison, baseline: Path) -> str | None:
    """Why the new result, if there is one, cannot become the baseline."""
    problems = audit(comparison.new, "run") if comparison.new is not None else []
    if problems:
        return problems[0].message
    path = comparison.path
    if path is not None and not is_inside(_root(baseline), path.parent):
        return f"its folder {path.parent} is a link that leads out of {_root(baseline)}"
    return None


def _was_removed(comparison: Comparison) -> bool:
    """Listed in the index, and its whole folder is gone."""
    path = comparison.path
    return Kind.MISSING in comparison.kinds() and path is not None and not path.parent.exists()


def _what(comparison: Comparison) -> str:
    if comparison.old is None:
        return "added" if Kind.NEW in comparison.kinds() else "restored"
    kinds = dict.fromkeys(f.kind.value for f in comparison.worst_first() if f.severity is not Severity.INFO)
    return ", ".join(kinds)


def _write(comparison: Comparison, new: Explanation, baseline: Path) -> str:
    """Write the new result where the old one stood, or in a folder of its own; returns the name for the index."""
    path = comparison.path
    if path is not None and path.name != RESULT:
        new.save(path)
        return comparison.name
    folder = _new_folder(comparison, new, baseline) if path is None else path.parent
    formats = ["json"]
    if any((folder / sibling).exists() for sibling in SIBLINGS):
        formats.append("csv")
    formats += [kind for kind in ("png", "svg", "pdf") if (folder / f"heatmap.{kind}").exists()]
    write_files(new, folder, formats)
    return folder.relative_to(_root(baseline)).as_posix() if path is None else _listed_as(comparison, baseline)


def _listed_as(comparison: Comparison, baseline: Path) -> str:
    """A name in the index: `.` for a result in the folder itself, which may be moved."""
    return "." if comparison.path is not None and comparison.path.parent == baseline else comparison.name


def _root(baseline: Path) -> Path:
    return baseline.parent if baseline.is_file() else baseline


def _new_folder(comparison: Comparison, new: Explanation, baseline: Path) -> Path:
    """The entry's own name if it is free and stays in the folder, else one made of the text."""
    root = _root(baseline)
    with suppress(OutputError):
        own = path_inside(root, comparison.name)
        if not (own / RESULT).exists():
            return own
    return path_inside(root, folder_of_text(root, new.text, new.text_pair).name)
