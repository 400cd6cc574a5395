"""The command `ih` and the registration of its commands."""

from typing import Annotated

import typer

from ihcli.cli import (
    batch,
    bench,
    check,
    compare,
    config,
    diff,
    evaluate,
    explain,
    export,
    inspection,
    merge,
    plot,
    report,
    summarize,
)  # fmt: skip
from ihcli.cli.error_handling import IhCommand, with_verbose

EPILOG = (
    "Exit codes: 0 done; 1 a regression was found; 2 usage, configuration, input or output; 3 the model cannot be "
    "loaded or fails its checks; 4 the tolerance was not met; 5 a batch ended with failed rows; 70 a fault of ih; "
    "130 interrupted."
)

app = typer.Typer(
    name="ih",
    help="Which words act together: Integrated Hessians of text classifiers, certified to a tolerance.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it answers in half the time, and reads well in a file
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ihcli import __version__

        typer.echo(f"ih {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # its callback has answered


for _name, _command, _summary in (
    ("explain", explain.explain, "Explain one text: words, pairs of words, certificate."),
    ("batch", batch.batch, "Explain every row of a file into a store; continues where it stopped."),
    ("export", export.export, "Write a store as JSON lines, folders, or one CSV of pairs."),
    ("merge", merge.merge, "Join the stores of shards into one."),
    ("summarize", summarize.summarize, "Aggregate a store: strongest pairs, words, effects of negation."),
    ("compare", compare.compare, "Explain one text by several methods side by side."),
    ("evaluate", evaluate.evaluate, "Judge methods and baselines by removal, over a corpus."),
    ("inspect", inspection.inspect, "Describe a model, and check whether it can be explained."),
    ("bench", bench.bench, "Time published procedures beside ih, with true errors."),
    ("check", check.check, "Compare recorded explanations with new ones; exit 1 if one changed."),
    ("diff", diff.diff, "Show what differs between two results."),
    ("plot", plot.plot, "Draw a recorded result: heatmap, arcs, text and more."),
    ("report", report.report, "Make one HTML page of a result or a whole run."),
):
    app.command(_name, cls=IhCommand, short_help=_summary)(with_verbose(_command))
app.add_typer(config.app, name="config", short_help="Show, start or describe the configuration.")
