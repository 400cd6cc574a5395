"""`ih check`: compare recorded explanations with new ones; exit 1 when one moved beyond its tolerance."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ihcli.cli.settings import FLAGS, Settings, configured
from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.runtime.threads import core_use, take_free_cores

if TYPE_CHECKING:
    from rich.console import Console

    from ihcli.config import CheckSection, Loaded
    from ihcli.regression.findings import ComparisonReport
    from ihcli.regression.gate import Update
    from ihcli.results import Explanation

QUANTITIES = ("probability", "f_input", "f_baseline", "ig", "ih")

TopK = Annotated[int | None, typer.Option("--top-k", metavar="K", help="how many strongest pairs are ranked (10)")]
Atol = Annotated[
    list[str] | None,
    typer.Option("--atol", metavar="WHAT=X", help=f"allowed change of {', '.join(QUANTITIES)}; repeatable"),
]
Rtol = Annotated[
    list[str] | None,
    typer.Option("--rtol", metavar="WHAT=X", help="the same, as a share of the baseline's largest; repeatable"),
]
AsJson = Annotated[bool, typer.Option("--json", help="the report as one JSON document")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="write JUnit XML, one test case per text")]
Markdown = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="write a Markdown summary")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="write old, new and difference side by side")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="the summary only")]
OtherWeights = Annotated[bool, typer.Option("--other-weights", help="other weights may pass where the numbers agree")]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Where the report goes, and in which forms.

    Attributes:
        as_json: Whether standard output gets the document instead of the table.
        junit: File of the JUnit XML.
        markdown: File of the Markdown summary.
        html: File of the page.
        quiet: Whether standard output gets the summary only.
    """

    as_json: bool = False
    junit: Path | None = None
    markdown: Path | None = None
    html: Path | None = None
    quiet: bool = False

    def require_possible(self) -> None:
        """Raise `OutputError`, before anything is compared, where one of the files cannot be written."""
        from ihcli.file_writing import require_file_possible

        for file in (self.junit, self.markdown, self.html):
            if file is not None:
                require_file_possible(file)


@configured("model", "revision", "dtype", "device", "memory", "threads")
def check(
    baseline: Annotated[Path, typer.Argument(help="folder of recorded results, a result.json, or a batch's store")],
    run: Annotated[
        Path | None, typer.Argument(help="what to compare; without it the texts are explained again")
    ] = None,
    *,
    top_k: TopK = None,
    atol: Atol = None,
    rtol: Rtol = None,
    other_weights: OtherWeights = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="warnings fail too: other versions, settings that change no number")
    ] = False,
    trust_baseline: Annotated[
        bool, typer.Option("--trust-baseline", help="load the model and read the files that the baselines name")
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="accept: rewrite what changed, add what is new")] = False,
    update_new: Annotated[bool, typer.Option("--update-new", help="add what is missing, change nothing")] = False,
    as_json: AsJson = False,
    junit: Junit = None,
    markdown: Markdown = None,
    html: Html = None,
    quiet: Quiet = False,
    settings: Settings,
) -> None:
    """Compare recorded explanations with new ones; exit 1 when one moved beyond its tolerance.

    Without RUN the texts are explained again as they were recorded (or as -c says): one command is the whole gate. A
    model other than the bundled one, and files, that a baseline names are used only where you name them too (-m, -c) or
    with --trust-baseline. A difference that the certificates of both results explain never fails. Exit 4 means that
    results which did not converge are all that is wrong.
    """
    from ihcli.regression import gate

    if update and update_new:
        message = "--update and --update-new exclude each other. Give --update to accept all, --update-new to add only."
        raise UsageError(message)
    if update or update_new:
        gate.require_updatable(baseline)
    if run is not None and (settings.values or trust_baseline):
        given = FLAGS[next(iter(settings.values))].names[0] if settings.values else "--trust-baseline"
        message = f"{given} is for explaining the texts again; RUN is compared as it is. Leave one of them out."
        raise UsageError(message)
    options = ReportOptions(as_json, junit, markdown, html, quiet)
    options.require_possible()
    flags = check_flags(top_k, atol, rtol, other_weights=other_weights, strict=strict)
    flags |= {FLAGS[name].key: (FLAGS[name].names[0], value) for name, value in settings.values.items()}
    loaded = load(settings.file, flags)
    report = (
        _explained_again(baseline, loaded, as_given=settings.file is not None, trusted=trust_baseline, quiet=quiet)
        if run is None
        else compared(baseline, run, loaded.config.check)
    )
    from ihcli.console import consoles, warnings_shown

    with warnings_shown(consoles()):
        done = gate.update(report, baseline, only_new=update_new) if update or update_new else None
    write_reports(report, options, done)
    remaining = report if done is None else done.remaining
    _write_to_github(remaining)
    raise typer.Exit(remaining.exit_code)


def load(file: Path | None, flags: dict[str, tuple[str, Any]]) -> "Loaded":
    """The effective configuration; raises `ConfigError`."""
    from ihcli import config

    return config.load(file, flags)


def check_flags(
    top_k: int | None,
    atol: list[str] | None,
    rtol: list[str] | None,
    *,
    other_weights: bool = False,
    strict: bool = False,
) -> dict[str, tuple[str, Any]]:
    """Flags as the configuration takes them: dotted key to (flag, value); raises `UsageError`."""
    flags: dict[str, tuple[str, Any]] = {}
    if top_k is not None:
        flags["check.top_k"] = ("--top-k", top_k)
    for key, wanted in (("other_weights", other_weights), ("strict", strict)):
        if wanted:
            flags[f"check.{key}"] = (f"--{key.replace('_', '-')}", True)
    for flag, given in (("atol", atol), ("rtol", rtol)):
        for item in given or ():
            what, _, text = item.partition("=")
            if what not in QUANTITIES:
                message = f"--{flag} {item}: {what!r} is not compared. Write WHAT=X, WHAT of {', '.join(QUANTITIES)}."
                raise UsageError(message)
            try:
                value = float(text)
            except ValueError as error:
                message = f"--{flag} {item}: {text!r} is not a number. Write for example --{flag} {what}=0.05."
                raise UsageError(message) from error
            flags[f"check.{what}_{flag}"] = (f"--{flag}", value)
    return flags


def compared(baseline: Path, run: Path, section: "CheckSection") -> "ComparisonReport":
    """The report on two recorded sides; two single files belong together whatever their texts."""
    from ihcli.regression.gate import judge, match
    from ihcli.regression.recorded import read_recorded

    old, new = read_recorded(baseline, "baseline", store_rows), read_recorded(run, "run", store_rows)
    if baseline.is_file() and run.is_file():
        return judge([(old[0], dataclasses.replace(new[0], name=old[0].name))], section)
    return judge(match(old, new), section)


def _explained_again(
    baseline: Path, loaded: "Loaded", *, as_given: bool, trusted: bool, quiet: bool
) -> "ComparisonReport":
    """The report on the baseline and its texts explained again, with progress on standard error."""
    from ihcli.console import consoles, progress
    from ihcli.regression.gate import judge, match
    from ihcli.regression.recorded import read_recorded
    from ihcli.regression.reexplain import as_recorded, explain_again

    started = core_use()
    old = read_recorded(baseline, "baseline", store_rows)
    from ihcli.pipeline import Explainer  # takes seconds to load: not before there is something to explain
    from ihcli.runtime.onednn import fast_products

    take_free_cores(started, loaded.config.runtime.threads)
    total = sum(record.explanation is not None for record in old)
    names: list[str] = []
    with progress(consoles(quiet=quiet)) as step, fast_products():

        def done(name: str) -> None:
            names.append(name)
            step("explaining again", len(names), total)

        configure = (lambda _: loaded.config) if as_given else as_recorded(loaded, trusted=trusted)
        new = explain_again(old, configure, Explainer, done)
    return judge(match(old, new), loaded.config.check)


def store_rows(path: Path) -> Iterable[tuple[str, "Explanation | str"]]:
    """Rows of a batch's store."""
    from ihcli.corpus import iter_explanations

    return iter_explanations(path)


def write_reports(report: "ComparisonReport", options: ReportOptions, done: "Update | None" = None) -> None:
    """Every report that was asked for; the table, or with --json the document, on standard output."""
    from ihcli.console import consoles, write_json
    from ihcli.file_writing import write_atomically
    from ihcli.regression.terminal import show, show_summary
    from ihcli.text_safety import escape_json

    for file, content in ((options.junit, _junit), (options.markdown, _markdown), (options.html, _html)):
        if file is not None:
            write_atomically(file, content(report))
    streams = consoles()
    if options.as_json:
        document = report.to_dict()
        if done is not None:
            document["accepted"] = [{"name": name, "what": what} for name, what in done.accepted]
            document["refused"] = [{"name": name, "why": why} for name, why in done.refused]
        write_json(escape_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n")
    elif options.quiet:
        show_summary(report, streams.out)
    else:
        show(report, streams.out)
    if done is not None:
        _show_update(done, streams.err)


def _junit(report: "ComparisonReport") -> bytes:
    from ihcli.regression.junit import junit_xml

    return junit_xml(report)


def _markdown(report: "ComparisonReport") -> bytes:
    from ihcli.regression.ci import markdown

    return markdown(report).encode("utf-8")


def _html(report: "ComparisonReport") -> bytes:
    from ihcli.regression.page import page

    return page(report).encode("utf-8")


def _write_to_github(report: "ComparisonReport") -> None:
    from ihcli.regression.ci import write_to_github

    write_to_github(report, sys.stderr)


def _show_update(done: "Update", console: "Console") -> None:
    """What an update accepted, refused and listed."""
    from ihcli.regression.recorded import INDEX
    from ihcli.regression.terminal import show_line

    for name, what in done.accepted:
        show_line(f"accepted {name}: {what}", console, "green")
    for name, why in done.refused:
        show_line(f"refused {name}: {why}", console, "red")
    if done.listed is not None:
        console.print(f"{INDEX} lists {counted(done.listed, 'name')}", style="dim")
    elif not done.accepted and not done.refused:
        console.print("nothing to update")
