"""One self-contained HTML page for one explanation or a whole run.

The page opens from disk, fetches nothing, and holds its numbers as JSON; see README.md beside this file for why it is
made as it is.
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

_ROOM = Path(__file__).parent


def write_report(explanations: Iterable[Explanation], path: Path, *, title: str | None = None) -> Path:
    """Write the page to `path`, whole or not at all; raises `ResultError` (nothing to show) and `OutputError`."""
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
        loader=jinja2.FileSystemLoader(_ROOM), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    style = colours_css() + (_ROOM / "report.css").read_text(encoding="utf-8")
    script = (_ROOM / "report.js").read_text(encoding="utf-8")
    page = environment.get_template("report.html").render(
        title=title or headline(data["texts"]),
        texts=data["texts"],
        made_by=_made_by(),
        style=Markup(style),  # noqa: S704  (our own)
        script=Markup(script),  # noqa: S704  (our own)
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        data=Markup(script_json(data)),  # noqa: S704  (escaped by script_json)
    )
    # A lone surrogate cannot be encoded; in the data its escape means the same character.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def script_json(data: Any) -> str:
    """JSON that no text in it can break out of: no `<`, `>`, `&`, nor the two separators that end a JavaScript line."""
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
