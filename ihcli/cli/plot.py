"""`ih plot`: figures of recorded results; no model is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ihcli.errors import UsageError

if TYPE_CHECKING:
    from ihcli.output.figures import View


def plot(
    results: Annotated[list[Path], typer.Argument(help="result.json files or their folders", metavar="RESULT...")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind", "-k", help="heatmap, arcs, text, bars, network, baseline-to-text, compare (two results)"
        ),
    ] = "heatmap",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="file .png, .svg or .pdf, or a folder; beside the result by default"),
    ] = None,
    dpi: Annotated[int, typer.Option("--dpi", min=30, max=2400, help="dots per inch of a PNG")] = 200,
    theme: Annotated[str, typer.Option("--theme", help="light, dark or print (legible in grey)")] = "light",
    size: Annotated[
        str | None, typer.Option("--size", help="width x height, as 6x4 (inches) or 16cmx9cm", metavar="WxH")
    ] = None,
    font: Annotated[
        str | None, typer.Option("--font", help="font family or file to try first", metavar="NAME|FILE")
    ] = None,
    heading: Annotated[str | None, typer.Option("--heading", help="text above the figure")] = None,
    caption: Annotated[
        str, typer.Option("--caption", help="below the figure: short (two lines), full (with the certificate) or none")
    ] = "short",
    top: Annotated[int | None, typer.Option("--top", min=1, help="only the K strongest pairs", metavar="K")] = None,
    hide_punctuation: Annotated[bool, typer.Option("--hide-punctuation", help="leave punctuation out")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="order units by interaction (heatmap, network, compare)")
    ] = False,
    no_diagonal: Annotated[bool, typer.Option("--no-diagonal", help="hide what units add by themselves")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
) -> None:
    """Draw recorded results; print the path of each figure.

    baseline-to-text shows how the score moves between the baseline and the text, and where on the way the units
    interact. Each file holds an alternative text in its metadata.
    """
    from ihcli.output import figures

    style = figures.Style(theme=figures.theme(theme), size=None if size is None else figures.parse_size(size))
    if font is not None:
        style = figures.with_font(style, font)
    view = figures.View(hide_punctuation, top, cluster, not no_diagonal, heading, figures.caption(caption))
    groups = [results] if kind == "compare" else [[path] for path in results]
    kind = figures.kind_named(kind, len(groups[0]))
    targets = [_target(group, kind, out, several=len(groups) > 1) for group in groups]
    _require_distinct(targets)

    from ihcli.console import consoles, warnings_shown
    from ihcli.file_writing import require_file_possible
    from ihcli.results import Explanation

    for target in targets:
        require_file_possible(target)
    named = out is not None and targets == [out]  # else the program chose the names
    explained = [[Explanation.load(path) for path in group] for group in groups]
    streams = consoles(quiet=quiet)
    for explanations, target in zip(explained, targets, strict=True):
        with warnings_shown(streams):
            figure = figures.draw(kind, explanations, style, view)
            written = figures.save(figure, target, dpi, figures.alternative_text(kind, explanations, view),
                                   follow_links=named)  # fmt: skip
        for note in _options_without_effect(kind, view):
            streams.note(note)
        typer.echo(str(written))


def _target(group: Sequence[Path], kind: str, out: Path | None, *, several: bool) -> Path:
    """Where one figure goes: the file asked for, or KIND.png in the folder asked for or of its (last) result."""
    source = group[-1]
    folder = source if source.is_dir() else source.parent
    if out is None:
        return folder / f"{kind}.png"
    if out.suffix and not out.is_dir():
        if several:
            message = f"-o {out} is one file, and several results were given. Give a folder."
            raise UsageError(message)
        return out
    name = folder.resolve().name
    return out / (f"{name}-{kind}.png" if several else f"{kind}.png")


def _require_distinct(targets: Sequence[Path]) -> None:
    """Raise `UsageError` where one figure would replace another of the same call."""
    for target in targets:
        if targets.count(target) > 1:
            message = f"Two of the results would both be drawn to {target}. Draw them one by one, each with its own -o."
            raise UsageError(message)


def _options_without_effect(kind: str, view: "View") -> list[str]:
    """A note for each option that does nothing for this kind."""
    notes = []
    if view.cluster and kind not in {"heatmap", "network", "compare"}:
        notes.append(f"note: --cluster has no effect on {kind}, which keeps the order of the text.")
    if not view.diagonal and kind not in {"heatmap", "compare"}:
        notes.append(f"note: --no-diagonal has no effect on {kind}.")
    if kind == "baseline-to-text" and (view.top is not None or view.hide_punctuation):
        notes.append(f"note: --top and --hide-punctuation have no effect on {kind}.")
    return notes
