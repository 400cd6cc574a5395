"""Which recorded result belongs to which new one, the report on all of them, and accepting what changed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ihcli.config import CheckSection
from ihcli.errors import UsageError
from ihcli.output import slug, write_files
from ihcli.regression.compare import compare
from ihcli.regression.consistency import audit
from ihcli.regression.findings import Entry, Finding, Kind, Report, Severity
from ihcli.regression.recorded import RESULT, SIBLINGS, Recorded, is_store, read_index, write_index
from ihcli.results import Explanation

Pair = tuple[Recorded | None, Recorded | None]


def judge(pairs: Iterable[Pair], section: CheckSection) -> Report:
    """Compare every pair of a baseline and a run; a side that is absent or unreadable is a finding."""
    return Report(tuple(_entry(old, new, section) for old, new in pairs), section.strict)


def match(baseline: Sequence[Recorded], run: Sequence[Recorded]) -> list[Pair]:
    """Pair by name where the texts agree or one cannot be read, then by text, in order; the rest stand alone."""
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


def _entry(old: Recorded | None, new: Recorded | None, section: CheckSection) -> Entry:
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
    return Entry(name, tuple(findings), before, after, None, path)


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did: names with what was accepted, names with why not, and what still stands."""

    accepted: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    remaining: Report
    listed: int | None = None
    """How many names the index now holds; None where it was left as it was."""


def require_updatable(baseline: Path) -> None:
    """Refuse to update a store; raises `UsageError`."""
    if is_store(baseline):
        message = f"{baseline}: is the store of a batch, which only `ih batch` writes. Use `ih export` and check that."
        raise UsageError(message)


def update(report: Report, baseline: Path, *, only_new: bool = False, index: bool = True) -> Update:
    """Write what changed (or, `only_new`, only what is missing) into the folder `baseline`.

    Results that did not converge or contradict themselves are refused.  Other files of the explanation that stand
    beside the old result are rewritten with it, and `index` lists every name.  Raises
    `UsageError` for a store, `OutputError` where writing fails.
    """
    require_updatable(baseline)
    accepted: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    remaining = []
    names = set(read_index(baseline)) if baseline.is_dir() else set()
    names |= {_listed_as(entry, baseline) for entry in report.entries if entry.old is not None}
    for entry in report.entries:
        if not _asked_for(entry, only_new=only_new):
            remaining.append(entry)
            continue
        obstacle = _obstacle(entry)
        if entry.new is not None and obstacle is None:
            names.add(_write(entry, entry.new, baseline))
            accepted.append((entry.name, _what(entry)))
        elif not only_new and _removed_on_purpose(entry):
            names.discard(entry.name)
            accepted.append((entry.name, "removed from the baselines"))
        else:
            refused.append((entry.name, obstacle or "there is no new result to accept"))
            remaining.append(entry)
    listed = None
    if index and baseline.is_dir() and names != set(read_index(baseline)):
        write_index(baseline, names)
        listed = len(names)
    return Update(tuple(accepted), tuple(refused), Report(tuple(remaining), report.strict), listed)


def _asked_for(entry: Entry, *, only_new: bool) -> bool:
    kinds = {finding.kind for finding in entry.findings}
    if only_new:
        return bool(kinds & {Kind.NEW, Kind.MISSING})
    return entry.severity in {Severity.REGRESSION, Severity.WARNING}


def _obstacle(entry: Entry) -> str | None:
    """Why the new result, if there is one, cannot become the baseline."""
    problems = audit(entry.new, "run") if entry.new is not None else []
    return problems[0].message if problems else None


def _removed_on_purpose(entry: Entry) -> bool:
    """Listed in the index, and its whole folder is gone."""
    missing = any(finding.kind is Kind.MISSING for finding in entry.findings)
    return missing and entry.path is not None and not entry.path.parent.exists()


def _what(entry: Entry) -> str:
    if entry.old is None:
        return "added" if any(f.kind is Kind.NEW for f in entry.findings) else "restored"
    kinds = dict.fromkeys(f.kind.value for f in entry.worst_first() if f.severity is not Severity.INFO)
    return ", ".join(kinds)


def _write(entry: Entry, new: Explanation, baseline: Path) -> str:
    """Write the new result where the old one stood, or in a folder of its own; returns the name for the index."""
    if entry.path is not None and entry.path.name != RESULT:
        new.save(entry.path)
        return entry.name
    folder = _new_folder(entry, new, baseline) if entry.path is None else entry.path.parent
    formats = ["json"]
    if any((folder / sibling).exists() for sibling in SIBLINGS):
        formats.append("csv")
    formats += [kind for kind in ("png", "svg", "pdf") if (folder / f"heatmap.{kind}").exists()]
    write_files(new, folder, formats)
    return _listed_as(entry, baseline) if entry.path is not None else folder.relative_to(_root(baseline)).as_posix()


def _listed_as(entry: Entry, baseline: Path) -> str:
    """An entry's name in the index: `.` for a result in the folder itself, which may be moved."""
    return "." if entry.path is not None and entry.path.parent == baseline else entry.name


def _root(baseline: Path) -> Path:
    return baseline.parent if baseline.is_file() else baseline


def _new_folder(entry: Entry, new: Explanation, baseline: Path) -> Path:
    """The entry's own name if it is a plain relative path that is free, else one made of the text."""
    root = _root(baseline)
    name = PurePosixPath(entry.name)
    safe = bool(name.parts) and not name.is_absolute() and "\\" not in entry.name and ".." not in name.parts
    candidates = [entry.name] if safe else []
    stem = slug(new.text, new.text_pair)
    candidates += [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
    return next(root / candidate for candidate in candidates if not (root / candidate / RESULT).exists())
