"""The terminal: results on standard output; notes, warnings, errors and progress on standard error."""

from ihcli.console.rendering import matrix, render, show
from ihcli.console.streams import Consoles, ProgressBar, consoles, plain, progress, warnings_shown, write_json

__all__ = [
    "Consoles", "ProgressBar", "consoles", "matrix", "plain", "progress", "render", "show", "warnings_shown",
    "write_json",
]  # fmt: skip
