"""Units in short: names that tell repeated words apart, shortened texts, punctuation."""

import unicodedata
from collections import Counter

from ihcli.results import Unit


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line: a single word loses its middle, several words lose their end."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    if " " in text[:length]:
        return text[: length - 1].rstrip() + "…"
    head = (2 * length) // 3
    return text[:head] + "…" + text[len(text) - (length - 1 - head) :]


def is_punctuation(unit: Unit) -> bool:
    """Whether a unit consists of punctuation alone, without letters, digits or symbols."""
    return bool(unit.text.strip()) and all(unicodedata.category(c)[0] in "PZC" for c in unit.text)


def names(units: tuple[Unit, ...], length: int = 24) -> list[str]:
    """One short name for each unit; a word that occurs several times is numbered, as in `the (2)`."""
    plain = [shorten(unit.text, length) or "␣" for unit in units]
    total, seen = Counter(plain), Counter[str]()
    numbered = []
    for name in plain:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return numbered
