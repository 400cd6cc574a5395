"""One self-contained HTML page for one explanation or a whole run.

The page opens from disk, loads nothing, and holds its numbers as JSON. README.md beside this file gives the reasons
for how it is made.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ihcli.errors import ResultError
from ihcli.file_writing import write_atomically
from ihcli.output.report.colours import colours_css
from ihcli.output.report.contents import headline, payload
from ihcli.results import Explanation

__all__ = ["render", "write_report"]

_FOLDER = Path(__file__).parent
_SCRIPT = ("data", "explanation", "sentence", "selection", "matrix", "tables", "list", "events")
"""The parts of the page's script, in order; they share one scope."""


def write_report(explanations: Iterable[Explanation], path: Path, *, title: str | None = None) -> Path:
    """Write the page, whole or not at all.

    Args:
        explanations: Results in the order in which they are listed; those that differ only in their units are one text.
        path: The page.
        title: Its title; None takes the text, or the number of texts.

    Returns:
        `path`.

    Raises:
        ResultError: There is no explanation.
        OutputError: The page cannot be written.
    """
    path = Path(path)
    write_atomically(path, render(explanations, title=title).encode("utf-8"))
    return path


def render(explanations: Iterable[Explanation], *, title: str | None = None) -> str:
    """The page as text; raises `ResultError` when there is nothing to show."""
    data = payload(explanations)
    if not data["texts"]:
        message = (
            "There is no explanation to report. Give at least one result of `ih explain` or a run that holds some."
        )
        raise ResultError(message)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    style = colours_css() + (_FOLDER / "report.css").read_text(encoding="utf-8")
    script = page_script()
    page = environment.get_template("report.html").render(
        title=title or headline(data["texts"]),
        texts=data["texts"],
        made_by=_made_by(),
        style=Markup(style),  # noqa: S704  (a file of this package)
        script=Markup(script),  # noqa: S704  (files of this package)
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        data=Markup(script_json(data)),  # noqa: S704  (escaped by script_json)
    )
    # A lone surrogate cannot be encoded; in the data its escape means the same character.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def page_script() -> str:
    """The page's script."""
    parts = [(_FOLDER / "script" / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPT]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def script_json(data: Any) -> str:
    """JSON that is safe within a script: `<`, `>`, `&` and the two Unicode line separators are escaped."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _csp_hash(content: str) -> str:
    """The Content-Security-Policy source that allows exactly this inline block."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")


def _made_by() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"ih {version('ihcli')}"
    except PackageNotFoundError:
        return "ih"
