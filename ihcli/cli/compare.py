"""`ih compare`: several methods side by side on one text."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ihcli.cli.settings import Settings, configured
from ihcli.cli.texts import checked, read_text
from ihcli.counting import counted
from ihcli.runtime.lean_imports import import_transformers
from ihcli.runtime.threads import core_use, take_free_cores
from ihcli.text_safety import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ihcli.sources import Compared

PAIRS = 5
"""Strongest pairs of the first source that the table shows."""


@configured(
    "model", "revision", "dtype", "smoothing", "target", "against", "output", "units", "spans", "tolerance",
    "evaluations", "seed", "truncate", "device", "memory", "threads",
)  # fmt: skip
def compare(
    text: Annotated[str | None, typer.Argument(help="the text; - reads standard input", metavar="TEXT|-")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="file that holds one text", metavar="FILE")] = None,
    text_pair: Annotated[
        str | None, typer.Option("--text-pair", help="second text, for models that read two", metavar="TEXT")
    ] = None,
    sources: Annotated[
        str | None,
        typer.Option(
            "--methods",
            help="METHOD or METHOD:BASELINE, separated by commas (default: ih with three baselines and all others)",
            metavar="LIST",
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="draw the table as .png, .svg or .pdf", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    *,
    settings: Settings,
) -> None:
    """Explain one text by several methods, and say how far they agree with each other and with removing words."""
    started = core_use()
    words = read_text(text, file)
    pair = None if text_pair is None else checked(text_pair, "--text-pair")
    config = settings.load().config

    if figure is not None:
        from ihcli.output.figures.saving import require_figure_possible

        require_figure_possible(figure)

    from ihcli.console import consoles, warnings_shown

    if not config.model.trust_remote_code:  # whose code may need all of transformers
        import_transformers()
    from ihcli.pipeline import Explainer
    from ihcli.sources import COMPARED, sources_of
    from ihcli.sources import compare as compared

    take_free_cores(started, config.runtime.threads)
    chosen = sources_of(COMPARED if sources is None else sources.split(","))
    to = consoles()
    with warnings_shown(to):
        results = compared(Explainer(config), words, pair, chosen)
    if figure is not None:
        from ihcli.output.figures import methods, save

        with warnings_shown(to):
            save(methods.figure(results), figure, methods.DPI, methods.alternative_text(results))
    if as_json:
        typer.echo(json.dumps(document(results), indent=2, ensure_ascii=False))
    else:
        show(results)


def document(results: "Sequence[Compared]") -> dict[str, Any]:
    """The comparison in plain JSON types."""
    first = results[0].explanation
    return {
        "schema": "ihcli.comparison/1",
        "text": first.text,
        "units": [unit.text for unit in first.units],
        "methods": [
            {
                "method": one.source.method,
                "baseline": one.explanation.baseline["kind"],
                "attributions": one.explanation.ig.tolist(),
                "pairs": [[i, j, value] for i, j, value in one.explanation.pairs()],
                "pair_total": one.explanation.pair_total,
                "evaluations": one.explanation.quadrature.evaluations,
                "seconds": one.seconds,
                "r_squared": one.r_squared,
                "r_squared_attributions": one.r_squared_attributions,
                "attribution_correlation": one.agreement.attribution_correlation,
                "pair_correlation": one.agreement.pair_correlation,
                "pair_signs": one.agreement.pair_signs,
                "same_strongest_pair": one.agreement.same_strongest_pair,
            }
            for one in results
        ],
    }


def show(results: "Sequence[Compared]") -> None:
    """Print the table: attributions, the strongest pairs of the first source, agreement and cost."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    first = results[0].explanation
    console = Console(highlight=False)
    label = clean_text(first.target.label)
    console.print(Text(f"{clean_text(first.text)}\n{label} explained by {counted(len(results), 'method')}"))
    words = Table(title="Attributions", title_justify="left", box=None, pad_edge=False)
    pairs = Table(title="What a pair adds in total", title_justify="left", box=None, pad_edge=False)
    facts = Table(title="Agreement with the first, and with removing words", title_justify="left", box=None,
                  pad_edge=False)  # fmt: skip
    shown = first.pairs()[:PAIRS]
    widest = max(len(str(one.source)) for one in results)
    for table in (words, pairs, facts):
        table.add_column("", no_wrap=True, min_width=widest)
    for unit in first.units:
        words.add_column(Text(clean_text(unit.text)), justify="right")
    for i, j, _ in shown:
        pairs.add_column(Text(clean_text(f"{first.units[i].text} · {first.units[j].text}")), justify="right")
    for name in ("ρ words", "ρ pairs", "signs", "top pair", "R² words", "R² pairs", "texts", "time, s"):
        facts.add_column(name, justify="right", min_width=max(map(len, name.split())))
    for one in results:
        explanation = one.explanation
        words.add_row(str(one.source), *(f"{value:+.2f}" for value in explanation.ig))
        total = explanation.pair_total
        pairs.add_row(str(one.source), *(_number(explanation.ih[i, j] * total, "+.2f") for i, j, _ in shown))
        same = one.agreement.same_strongest_pair
        facts.add_row(
            str(one.source),
            *(_number(value, ".2f") for value in (one.agreement.attribution_correlation,
                                                  one.agreement.pair_correlation, one.agreement.pair_signs)),
            "" if same is None else ("same" if same else "other"),
            *(_number(value, ".2f") for value in (one.r_squared_attributions, one.r_squared)),
            str(explanation.quadrature.evaluations or ""),
            f"{one.seconds:.1f}",
        )  # fmt: skip
    for table in (words, pairs, facts) if shown else (words, facts):
        console.print()
        console.print(table)
    turning = [
        f"{first.units[i].text} · {first.units[j].text}"
        for i, j, _ in shown
        if len({math.copysign(1, v) for one in results if not math.isnan(v := one.explanation.ih[i, j]) and v}) > 1
    ]
    if turning:
        console.print(Text(clean_text(f"\nThe sign depends on the method for {', '.join(turning)}.")))
    console.print(
        "\nρ: Spearman's correlation with the first method, of words and of pairs. Signs: share of the strongest pairs "
        "with the same sign. Top pair: whether the strongest pair is the same. R²: how well attributions, and pairs "
        "with them, predict the score of texts with words removed (1 is exact, below 0 worse than the mean score). "
        "Texts: how many the method evaluated."
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None or value != value else format(value, form)  # noqa: PLR0124 - NaN
