"""`ih inspect`: what a model is, and whether it can be explained faithfully."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ihcli.cli.settings import FLAGS, Settings, configured
from ihcli.cli.texts import checked, strip_control_characters
from ihcli.errors import PreflightError, UsageError

if TYPE_CHECKING:
    from ihcli.models import LoadedClassifier, Report


@configured("model", "revision", "dtype", "smoothing", "device", "threads")
def inspect(
    name: Annotated[
        str | None, typer.Argument(help="hub id, local directory, or `bundled` (the default)", metavar="[MODEL]")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="the text it is tried on (default: an English sentence)", metavar="TEXT"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")] = False,
    *,
    settings: Settings,
) -> None:
    """Load a model, say what it is, and check whether it can be explained faithfully; exit 3 if not."""
    del verbose  # the boundary reads it
    if name is not None:
        if settings.given("model"):
            message = f"MODEL and {FLAGS['model'].names[0]} were both given. Give one of them."
            raise UsageError(message)
        settings = Settings(settings.file, {**settings.values, "model": name})
    config = settings.load().config

    from ihcli.models import load_classifier

    classifier = load_classifier(config)
    sample = None if text is None else classifier.encode(checked(text, "--text"), units=config.units)
    report = classifier.preflight(sample, thorough=True)
    facts = _facts(classifier)
    engine, cost = classifier.cost(sample) if report.ok else (None, None)
    if as_json:
        findings = {
            "engine": None if engine is None else {"name": engine.name, "reason": engine.reason},
            "cost": None if cost is None else dataclasses.asdict(cost),
            "checks": [dataclasses.asdict(check) for check in report.checks],
            "ok": report.ok,
        }
        document = {"schema": "ihcli.inspection/1", **facts, **findings}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _show(facts, report)
        if engine is not None:
            typer.echo(f"Engine of second derivatives: {engine.name} ({engine.reason}).")
            typer.echo(f"Explaining the {'sample' if text is None else 'text'} would cost: {cost}.")
        typer.echo("This model can be explained." if report.ok else "This model cannot be explained faithfully.")
    if not report.ok:
        raise typer.Exit(PreflightError.exit_code)


def _facts(classifier: "LoadedClassifier") -> dict[str, Any]:
    return {
        "model": dataclasses.asdict(classifier.info),
        "problem": classifier.problem,
        "labels": list(classifier.labels),
        "max_tokens": classifier.max_tokens,
        "device": str(classifier.device),
        "kinks": list(classifier.kinks),
    }


def _show(facts: dict[str, Any], report: "Report") -> None:
    model = facts["model"]
    revision = f" at {model['revision']}" if model["revision"] else ""
    typer.echo(f"{model['name']}{revision}: {model['architecture']}, {model['dtype']} on {facts['device']}")
    typer.echo(f"weights SHA-256 {model['weights_sha256']}")
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        typer.echo(strip_control_characters(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{width}}  {check.detail}"))
