"""`ih explain`: one text to one certified explanation."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ihcli.cli.interruption import stopping
from ihcli.cli.settings import Settings, configured
from ihcli.cli.texts import checked, names_a_file, read_text
from ihcli.errors import ExitCode, UsageError
from ihcli.file_writing import require_folder_possible
from ihcli.runtime.lean_imports import import_transformers
from ihcli.runtime.threads import core_use, take_free_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ihcli.config import RunConfig
    from ihcli.console import Consoles, ProgressBar
    from ihcli.results import Explanation

_LONG = 10.0
"""Seconds from which a user is told what to expect."""
_LOOSE = 0.05


@configured()
def explain(  # noqa: C901, PLR0912, PLR0915  (a branch for each way to be asked and to answer)
    text: Annotated[str | None, typer.Argument(help="the text; - reads standard input", metavar="TEXT|-")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="file that holds one text", metavar="FILE")] = None,
    text_pair: Annotated[
        str | None, typer.Option("--text-pair", help="second text, for models that read two", metavar="TEXT")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document; files only with -o")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what it would cost, and stop")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress and no notes")] = False,
    *,
    settings: Settings,
) -> None:
    """Explain one text: which words drive the prediction, and which act together.

    Shows the prediction, the attributions, the interaction matrix and its certificate, and writes the files of the
    result to a folder named after the text.
    """
    started = core_use()
    if as_json and dry_run:
        message = "--json and --dry-run exclude each other. Give one of them."
        raise UsageError(message)
    if names_a_file(text) and not quiet:
        _note(f"note: {text!r} is also a file; it is explained as a text. To explain what it holds, use --file.")
    words = read_text(text, file, quiet=quiet)
    pair = None if text_pair is None else checked(text_pair, "--text-pair")
    config = settings.load().config
    writes = settings.given("out") or not as_json
    if writes and not dry_run:
        require_folder_possible(Path(config.output.directory))

    if not config.model.trust_remote_code:  # whose code may need all of transformers
        import_transformers()
    from ihcli import console
    from ihcli.cli.explain_windows import WindowRun, require_one_label
    from ihcli.models.targets import several
    from ihcli.pipeline import Explainer
    from ihcli.runtime.onednn import fast_products

    to = console.consoles(quiet=quiet)
    take_free_cores(started, config.runtime.threads)
    with console.warnings_shown(to), console.progress(to) as progress, fast_products():
        explainer = Explainer(config)
        labels = several(config.target.label, explainer.classifier.labels)
        require_one_label(config, labels)
        parts = [] if config.text.windows is None else explainer.windows(words, pair)
        run = WindowRun(words, parts, config, writes)
        explanations = None
        if len(parts) > 1 and dry_run:
            estimate: object = f"{len(parts)} windows: {run.estimate(explainer)}"
        elif len(parts) > 1:
            with stopping(explainer.time_limit(), to) as limit:
                limit.expect = _Announcement(config, to, progress, f" of one of {len(parts)} windows")
                run.explain(explainer, progress, limit)
        elif dry_run:
            estimate = explainer.estimate(words, text_pair=pair)
        elif labels is not None:
            with stopping(explainer.time_limit(len(labels)), to) as limit:
                explanations = explainer.explain_labels(
                    words, pair, [f"index:{index}" for index in labels], progress=progress, limit=limit
                )
        else:
            with stopping(explainer.time_limit(), to) as limit:
                limit.expect = _Announcement(config, to, progress)
                explanation = explainer.explain(words, text_pair=pair, progress=progress, limit=limit)
    if explanations is not None:
        _show_labels(explanations, config, as_json=as_json, writes=writes, quiet=quiet)
        return
    if dry_run:
        typer.echo(estimate)
        return
    if len(parts) > 1:
        run.finish(to, as_json=as_json)
        return
    if as_json:  # before the files, whose figure takes longer, and which may not be writable
        console.write_json(explanation.to_json())
    else:
        console.render(explanation, to.out, diagonal=config.output.diagonal)
    sys.stdout.flush()
    with console.warnings_shown(to):
        written = _write(explanation, config) if writes else []
    if not quiet:
        for path in written:
            _note(f"wrote {path}")
        _note_earlier(written)
    if not explanation.converged:
        _note(_unconverged(explanation, config))
        raise typer.Exit(ExitCode.NOT_CONVERGED)


def _show_labels(
    explanations: "Sequence[Explanation]", config: "RunConfig", *, as_json: bool, writes: bool, quiet: bool
) -> None:
    """Write a folder for each label and one report, and print a table of the labels, or their documents."""
    from ihcli import console

    to = console.consoles(quiet=quiet)
    try:
        with console.warnings_shown(to):
            written = _write_labels(explanations, config) if writes else []
    finally:
        if as_json:
            console.write_json("[\n" + ",\n".join(one.to_json().rstrip("\n") for one in explanations) + "\n]\n")
        else:
            _label_table(explanations, to.out)
    if not quiet:
        for path in written:
            _note(f"wrote {path}")
    missed = [one for one in explanations if not one.converged]
    for one in missed:
        _note(f"{one.target.label}: {_unconverged(one, config)}")
    if missed:
        raise typer.Exit(ExitCode.NOT_CONVERGED)


def _write_labels(explanations: "Sequence[Explanation]", config: "RunConfig") -> list[Path]:
    """The files of each label in a folder below that of the text, and one report that switches between the labels."""
    from ihcli.output import write_files
    from ihcli.output.naming import folder_of_text, name_of_id
    from ihcli.output.report import write_report

    first = explanations[0]
    folder = folder_of_text(Path(config.output.directory), first.text, first.text_pair)
    written: list[Path] = []
    for one in explanations:
        name = name_of_id(f"{one.target.index}-{one.target.label}")
        written += write_files(one, folder / name, config.output.formats, diagonal=config.output.diagonal)
    return [*written, write_report(explanations, folder / "report.html")]


def _label_table(explanations: "Sequence[Explanation]", out: "Console") -> None:
    """A line a label: its probability, its score at the baseline and the text, and its strongest pair."""
    from rich.table import Table

    from ihcli import console

    first = explanations[0].prediction
    table = Table(box=None, pad_edge=False)
    for heading in ("label", "value" if first.are_values else "p", "f(x′)", "f(x)", "strongest pair", "Γ", "converged"):
        table.add_column(heading, overflow="fold")
    probabilities = list(first.probabilities.values())
    for one in explanations:
        i, j, value = next(iter(one.pairs()), (0, 0, 0.0))
        pair = f"{one.units[i].text} · {one.units[j].text}" if i != j else ""
        cells = (
            one.target.label, f"{probabilities[one.target.index]:.3f}", f"{one.f_baseline:.3g}", f"{one.f_input:.3g}",
            pair, f"{value:+.3g}" if pair else "", "yes" if one.converged else "no",
        )  # fmt: skip
        table.add_row(*(console.plain(cell) for cell in cells))
    out.print(table)


def _write(explanation: "Explanation", config: "RunConfig") -> list[Path]:
    from ihcli.output import write_files
    from ihcli.output.naming import folder_of_text

    folder = folder_of_text(Path(config.output.directory), explanation.text, explanation.text_pair)
    return write_files(explanation, folder, config.output.formats, diagonal=config.output.diagonal)


def _note_earlier(written: "Sequence[Path]") -> None:
    """Say which files beside those written are of an earlier explanation, perhaps with other settings."""
    if not written:
        return
    from ihcli.output import earlier_files

    if earlier := earlier_files(written):
        _note(f"note: files of an earlier explanation of this text remain: {', '.join(earlier)}")


def _unconverged(explanation: "Explanation", config: "RunConfig") -> str:
    certificate = explanation.certificate
    if explanation.quadrature.engine == "game":
        return (
            f"not converged: entries may be off by {certificate.quadrature_error:.3g} (95 %), more than the tolerance "
            f"{certificate.tolerance:g} of the largest entry, after {explanation.quadrature.evaluations} texts. Raise "
            "--evaluations or --tolerance, or explain larger units (--units sentence)."
        )
    return (
        f"not converged: row gap {certificate.row_gap:.3g}, quadrature error {certificate.quadrature_error:.3g} "
        f"and the error of the attributions are not all within the tolerance {certificate.tolerance:g} of the largest "
        f"entry after {explanation.quadrature.nodes} Hessians. Raise {_bound(config)} or --tolerance, or compute with "
        "--dtype float64."
    )


class _Announcement:
    """Tells the progress bar what a phase will take, and once the user, with what would be cheaper."""

    def __init__(self, config: "RunConfig", to: "Consoles", bar: "ProgressBar", whose: str = "") -> None:
        self.config, self.to, self.bar, self.whose, self.told = config, to, bar, whose, False

    def __call__(self, seconds: float) -> None:
        self.bar.expect(seconds)
        if seconds > _LONG and not self.told and self.config.attribution.max_seconds is None:
            self.told = True
            self.to.note(f"about {seconds:.0f} s for the matrix{self.whose}. {_cheaper(self.config)}")


def _cheaper(config: "RunConfig") -> str:
    """What a user may give instead to wait less."""
    options = ["--units sentence"] if config.units.kind in {"word", "token"} else []
    if config.attribution.top is None:
        options.append("--top 10 (over 64 units)")
    if config.attribution.tolerance < _LOOSE:
        options.append(f"--tolerance {_LOOSE:g}")
    return f"Less with {', '.join([*options, '--max-seconds N'])}; --dry-run says how much."


def _bound(config: "RunConfig") -> str:
    """What may have ended the integration."""
    nodes, seconds = config.attribution.max_nodes, config.attribution.max_seconds
    return f"--max-nodes (now {nodes})" + ("" if seconds is None else f", --max-seconds (now {seconds:g})")


def _note(message: str) -> None:
    typer.echo(message, err=True)
