"""`ih inspect`: what a model is, and whether it can be explained faithfully."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ihcli.cli.settings import FLAGS, Settings, configured
from ihcli.cli.texts import checked
from ihcli.errors import ExitCode, UsageError
from ihcli.runtime.lean_imports import import_transformers
from ihcli.text_safety import clean_text

if TYPE_CHECKING:
    from ihcli.models import LoadedClassifier, Report


@configured("model", "revision", "dtype", "smoothing", "template", "labels", "device", "threads")
def inspect(
    name: Annotated[
        str | None, typer.Argument(help="hub id, local directory, or `bundled` (the default)", metavar="[MODEL]")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="the text it is tried on (default: an English sentence)", metavar="TEXT"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    *,
    settings: Settings,
) -> None:
    """Load a model, say what it is, and check whether it can be explained faithfully; exit 3 if not."""
    if name is not None:
        if settings.given("model"):
            message = f"MODEL and {FLAGS['model'].names[0]} were both given. Give one of them."
            raise UsageError(message)
        settings = Settings(settings.file, {**settings.values, "model": name})
    config = settings.load().config

    if not config.model.trust_remote_code:  # whose code may need all of transformers
        import_transformers()
    from ihcli.pipeline import Explainer

    explainer = Explainer(config)
    report, engine, cost = explainer.inspect(None if text is None else checked(text, "--text"))
    facts = _facts(explainer.classifier)
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
        raise typer.Exit(ExitCode.MODEL)


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
    if model["adapter"]:
        typer.echo(clean_text(f"{model['adapter']}, merged"))
    typer.echo(f"weights SHA-256 {model['weights_sha256']}")
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        typer.echo(clean_text(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{width}}  {check.detail}"))
