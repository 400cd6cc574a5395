"""Units in short: names that tell repeated words apart, shortened texts, punctuation, the strongest units."""

import unicodedata
from collections import Counter

from ihcli.results import Explanation, Unit


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


def units_of_strongest_pairs(explanation: Explanation, most: int) -> list[int]:
    """Positions of at most `most` units, those of the strongest pairs, in the order of the text; all where they fit."""
    if len(explanation.units) <= most:
        return list(range(len(explanation.units)))
    chosen: set[int] = set()
    for i, j, _ in explanation.pairs():
        if len(chosen | {i, j}) <= most:
            chosen |= {i, j}
    return sorted(chosen)
