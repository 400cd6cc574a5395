"""`ih config`: the effective configuration, a commented starting file, and the schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ihcli.cli.error_handling import IhCommand, with_verbose
from ihcli.cli.settings import Settings, configured
from ihcli.errors import OutputError

app = typer.Typer(
    help="Show, start or describe the configuration.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("show", cls=IhCommand)
@with_verbose
@configured()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document: values and sources")] = False,
    *,
    settings: Settings,
) -> None:
    """Print the effective configuration and where each value comes from."""
    from ihcli.config import yaml_scalar

    loaded = settings.load()
    values = loaded.config.to_dict()
    if as_json:
        document = {"config": values, "sources": dict(loaded.sources)}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for section, keys in values.items():
        typer.echo(f"{section}:")
        lines = {key: f"  {key}: {yaml_scalar(value)}" for key, value in keys.items()}
        width = max(map(len, lines.values()))
        for key, line in lines.items():
            typer.echo(f"{line:<{width}}  # {loaded.sources[f'{section}.{key}']}")


@app.command("init", cls=IhCommand)
@with_verbose
def init(
    file: Annotated[Path, typer.Argument(help="the file to write; - for standard output", metavar="[FILE]")] = Path(
        "ih.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
) -> None:
    """Write the defaults as a commented YAML file."""
    from ihcli.config import commented_yaml

    if str(file) == "-":
        typer.echo(commented_yaml(), nl=False)
        return
    if file.exists() and not force:
        message = f"{file} exists already. Choose another name, or replace it with --force."
        raise OutputError(message)
    from ihcli.file_writing import write_atomically

    write_atomically(file, commented_yaml().encode("utf-8"))
    typer.echo(f"wrote {file}; use it with --config {file}", err=True)


@app.command("schema", cls=IhCommand)
@with_verbose
def schema() -> None:
    """Print the JSON schema of the configuration.

    Editors and validators read it.
    """
    from ihcli.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
