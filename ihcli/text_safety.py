"""Untrusted text made safe to show: texts, labels and file names of others never act on what shows them.

Every way out of the package that people read (terminal, log, Markdown, HTML, XML, annotations) uses `clean_text` or
`one_line`. JSON keeps every character, and `escape_json` writes those that act on a terminal as JSON's own escapes.
"""

import re

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_REORDERING = re.compile(f"[{_BIDIRECTIONAL}]")
# Tag characters show nothing and can hide a text, but in the flag of a region: a black flag, its code, and a last tag.
_TAGS = "\U000e0000-\U000e007f"
_FLAG = "(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
_HIDDEN = re.compile(f"{_FLAG}|[{_TAGS}]+")
# C0 controls but for the tab and the line feed, C1 controls, lone surrogates, and the non-characters that XML refuses.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TO_ESCAPE = re.compile(f"{_FLAG}|[\x7f-\x9f\u2028\u2029{_BIDIRECTIONAL}\ud800-\udfff\ufffe\uffff{_TAGS}]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean_text(text: str) -> str:
    """`text` without bidirectional controls, with other controls and lone surrogates as U+FFFD, and with line feeds.

    A run of invisible tag characters becomes one U+FFFD, except in the flag of a region, such as that of Scotland.
    """
    lines = _LINE_BREAK.sub("\n", text)
    seen = _HIDDEN.sub(lambda match: match["flag"] or _REPLACEMENT, _REORDERING.sub("", lines))
    return _ACTING.sub(_REPLACEMENT, seen)


def one_line(text: str, width: int | None = None) -> str:
    """`text` cleaned, on one line, of at most `width` characters."""
    line = clean_text(text).replace("\n", " ").replace("\t", " ")
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def without_log_commands(text: str) -> str:
    """`text` in which no CI system finds a command (`::error::`, `##[error]`), however its lines are folded."""
    return text.replace("::", "∷").replace("##", "# #")


def escape_json(document: str) -> str:
    """A JSON document in which the characters that `clean_text` takes out are escapes: the same values, in UTF-8."""
    return _TO_ESCAPE.sub(lambda match: match["flag"] or _escaped(match[0]), document)


def _escaped(character: str) -> str:
    """A character as the escapes of JSON, which count in UTF-16."""
    digits = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[k : k + 4]}" for k in range(0, len(digits), 4))
