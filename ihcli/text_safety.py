"""Untrusted text made safe to show: texts, labels and file names of others never act on what shows them.

Every way out of the package that people read (terminal, log, Markdown, HTML, XML, annotations) uses `clean_text` or
`one_line`. JSON keeps every character, and `escape_json` writes those that act on a terminal as JSON's own escapes.
"""

import re

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_REORDERING = re.compile(f"[{_BIDIRECTIONAL}]")
# C0 controls but for the tab and the line feed, C1 controls, lone surrogates, and the non-characters that XML refuses.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TO_ESCAPE = re.compile(f"[\x7f-\x9f\u2028\u2029{_BIDIRECTIONAL}\ud800-\udfff\ufffe\uffff]")


def clean_text(text: str) -> str:
    """`text` without bidirectional controls, with other controls and lone surrogates as U+FFFD, and with line feeds."""
    lines = _LINE_BREAK.sub("\n", text)
    return _ACTING.sub("\N{REPLACEMENT CHARACTER}", _REORDERING.sub("", lines))


def one_line(text: str, width: int | None = None) -> str:
    """`text` cleaned, on one line, of at most `width` characters."""
    line = clean_text(text).replace("\n", " ").replace("\t", " ")
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def without_log_commands(text: str) -> str:
    """`text` in which no CI system finds a command (`::error::`, `##[error]`), however its lines are folded."""
    return text.replace("::", "∷").replace("##", "# #")


def escape_json(document: str) -> str:
    """A JSON document in which the characters that `clean_text` takes out are escapes: the same values, in UTF-8."""
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)
