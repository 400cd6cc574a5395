"""Lines of a text: they end at a line feed, a carriage return, or both, and nowhere else.

`str.splitlines` also splits at vertical tabs, form feeds, U+0085, U+2028 and U+2029, which occur inside texts.
"""

import codecs
import re

_LINE_END = re.compile(r"\r\n|\n|\r")
_ENCODING_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # starts with the mark of UTF-16
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def split_lines(text: str) -> list[str]:
    r"""The lines of a text without their ends `\n`, `\r\n` or `\r`; a line end at the end of the text adds no line."""
    lines = _LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


def other_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32 where the content begins with that encoding's byte-order mark, else None."""
    return next((name for mark, name in _ENCODING_MARKS.items() if content.startswith(mark)), None)
