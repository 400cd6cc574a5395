"""Installed fonts: which one holds a character, and the font that the user names."""

import difflib
import logging
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from ihcli.errors import UsageError
from ihcli.output.figures.style import Style

_LAST_RESORT = "Last Resort"  # a font that draws a labelled box for every character
_BUNDLED = "DejaVu Sans"  # comes with Matplotlib and holds every letter of this package's own words
_REGULAR: Final = frozenset({400, "normal", "regular", "book"})
_JAPANESE: Final = frozenset({"HIRAGANA", "KATAKANA"})

# A family without a bold face is not worth a message: the text is drawn all the same.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def families_for(characters: set[str], preferred: Sequence[str]) -> tuple[tuple[str, ...], set[str]]:
    """Installed families, first choice first, that together hold most of `characters`; and those that none holds."""
    families = [name for name in dict.fromkeys((*preferred, _BUNDLED)) if file_of(name) is not None]
    missing = characters - set().union(*(characters_of(file_of(name) or "") for name in families))
    while missing:
        name, held = _best(frozenset(missing))
        if not held:
            add_new_fonts()
            name, held = _best(frozenset(missing))
        if not held:
            break
        families.append(name)
        missing -= held
    return tuple(families), missing


def with_font(style: Style, font: str) -> Style:
    """`style` with an installed family, or the font of a file, tried first; raises `UsageError`."""
    if Path(font).is_file():
        try:
            font_manager.fontManager.addfont(font)
            family = font_manager.get_font(font).family_name
        except (OSError, RuntimeError, ValueError) as error:
            message = f"--font {font}: is not a font that can be read ({error}). Give a .ttf or .otf file."
            raise UsageError(message) from error
    elif file_of(font) is not None:
        family = font
    else:
        close = difflib.get_close_matches(font, font_manager.get_font_names(), n=3, cutoff=0.5)
        hint = f" Similar families that are installed: {', '.join(close)}." if close else ""
        message = f"--font {font!r} is neither an installed family nor a file.{hint} `fc-list` lists families."
        raise UsageError(message)
    return replace(style, families=(family, *style.families))


def script(character: str) -> str:
    """The script of a character: the first word of its Unicode name."""
    return unicodedata.name(character, "UNNAMED").split()[0]


@cache
def file_of(family: str) -> str | None:
    """The font file of a family, None when it is not installed."""
    try:
        return font_manager.findfont(FontProperties(family=family), fallback_to_default=False)
    except ValueError:
        return None


@cache
def add_new_fonts() -> None:
    """Make the fonts known that were installed after Matplotlib made its list; done once."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for file in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(file)
        except (OSError, RuntimeError, ValueError):  # not a font that Matplotlib reads
            continue
    file_of.cache_clear()


@cache
def characters_of(file: str) -> frozenset[str]:
    """The characters that a font file holds."""
    if not file:
        return frozenset()
    try:
        font = FT2Font(file)
        return frozenset(chr(code) for code in font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _best(missing: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The installed upright family that holds most of `missing`, and what it holds; regular sans-serif faces first."""
    region = _region({script(character) for character in missing})
    best: tuple[tuple[int, bool, bool, bool, str], str, frozenset[str]] = (
        (0, False, False, False, ""),
        "",
        frozenset(),
    )
    for entry in font_manager.fontManager.ttflist:
        if entry.name.startswith(_LAST_RESORT) or entry.style != "normal" or entry.weight not in _REGULAR:
            continue
        held = missing & characters_of(entry.fname)
        name = entry.name.lower()
        rank = (len(held), "sans" in name, "mono" not in name, name.endswith(region), entry.name)
        if held and rank > best[0]:
            best = (rank, entry.name, held)
    return best[1], best[2]


def _region(scripts: Iterable[str]) -> str:
    """The regional cut of a pan-CJK font: the same Han character is drawn differently in each."""
    present = set(scripts)
    return "jp" if present & _JAPANESE else "kr" if "HANGUL" in present else "sc"
