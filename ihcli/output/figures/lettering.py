"""Letters that can be drawn: fonts that hold the text's script, measured widths, wrapped lines.

A character that no installed font holds is written as its code point, `⟨U+6F22⟩`, and a `MissingGlyphWarning` names its
script: never an empty box without a word.
"""

import difflib
import logging
import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from ihcli.errors import UsageError
from ihcli.output.figures.style import Style

_DPI = 72 * 4
UNHINTED: Final[dict[Any, Any]] = {"text.hinting": "no_hinting"}
"""Letters as wide at any resolution as they were measured: hinting rounds each to whole dots, up to 6 % of a line."""
_BOXES = "Last Resort"  # a font that draws a labelled box for every character there is
_OWN = "DejaVu Sans"  # ships with Matplotlib, and holds every letter of our own words
_SHAPED = ("ARABIC", "HEBREW", "SYRIAC", "DEVANAGARI", "BENGALI", "TAMIL", "THAI", "KHMER", "MYANMAR")
_HAN_KANA_HANGUL = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")

# A family without a bold face is no news to the user, whose text is drawn all the same.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


class MissingGlyphWarning(UserWarning):
    """No installed font holds some of the text's characters, or this Matplotlib cannot shape them."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """The font families of one figure, first choice first, and the characters that none of them holds."""

    families: tuple[str, ...]
    missing: frozenset[str]

    @classmethod
    def holding(cls, texts: Iterable[str], preferred: Sequence[str]) -> "Lettering":
        """Families that together hold every character of `texts`, as far as installed fonts do; warns of the rest."""
        wanted = {character for text in texts for character in clean(text) if character != " "}
        families = [name for name in dict.fromkeys((*preferred, _OWN)) if _file(name) is not None]
        missing = wanted - set().union(*(_characters(_file(name) or "") for name in families))
        while missing:
            name, held = _best(frozenset(missing))
            if not held:
                _add_new_fonts()
                name, held = _best(frozenset(missing))
            if not held:
                break
            families.append(name)
            missing -= held
        _warn(missing, wanted)
        return cls(tuple(families), frozenset(missing))

    def legible(self, text: str) -> str:
        """`text` on one line, each run of characters that no font holds as its code points."""
        text = clean(text)
        if not self.missing:
            return text
        run = re.compile("[" + "".join(re.escape(c) for c in sorted(self.missing)) + "]+")
        return run.sub(lambda found: "⟨U+" + " ".join(f"{ord(c):04X}" for c in found[0]) + "⟩", text)

    def font(self, size: float, weight: str = "normal") -> FontProperties:
        """The font at `size` points."""
        return FontProperties(family=list(self.families), size=size, weight=weight)

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """Width of `text` in inches."""
        return _extent(text, size, weight, self.families)[0]

    def height(self, size: float) -> float:
        """Height of a line at `size` points, in inches."""
        return 1.32 * size / 72

    def fit(self, text: str, size: float, width: float, weight: str = "normal") -> str:
        """`text`, cut with an ellipsis where it is wider than `width` inches."""
        if self.width(text, size, weight) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.width(text[:middle].rstrip() + "…", size, weight) <= width
            low, high = (middle, high) if fits else (low, middle - 1)
        return text[:low].rstrip(" .,;:") + "…"

    def wrap(self, text: str, size: float, width: float, weight: str = "normal", lines: int = 99) -> list[str]:
        """Lines of at most `width` inches; a word too wide for one is broken, the last one allowed is cut."""
        found: list[str] = []
        rest = " ".join(text.split())
        while rest and len(found) < lines - 1 and self.width(rest, size, weight) > width:
            cut = self._break(rest, size, width, weight)
            found.append(rest[:cut].rstrip())
            rest = rest[cut:].lstrip()
        return [*found, self.fit(rest, size, width, weight)] if rest else found

    def _break(self, text: str, size: float, width: float, weight: str) -> int:
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.width(text[:middle], size, weight) <= width
            low, high = (middle, high) if fits else (low, middle - 1)
        space = text.rfind(" ", 0, low + 1)
        return space if space > 0 else low


def with_font(style: Style, font: str) -> Style:
    """`style` with an installed family, or the font of a file, tried first; raises `UsageError`."""
    if Path(font).is_file():
        try:
            font_manager.fontManager.addfont(font)
            family = font_manager.get_font(font).family_name
        except (OSError, RuntimeError, ValueError) as error:
            message = f"--font {font}: is not a font that can be read ({error}). Give a .ttf or .otf file."
            raise UsageError(message) from error
    elif _file(font) is not None:
        family = font
    else:
        close = difflib.get_close_matches(font, font_manager.get_font_names(), n=3, cutoff=0.5)
        hint = f" Installed are, for example, {', '.join(close)}." if close else ""
        message = f"--font {font!r} is neither an installed family nor a file.{hint} `fc-list` lists families."
        raise UsageError(message)
    return replace(style, families=(family, *style.families))


def clean(text: str) -> str:
    """One line, composed (NFC), without characters that print nothing."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c for c in text if not _silent(c))


def _silent(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} or "︀" <= character <= "️"


@cache
def _file(family: str) -> str | None:
    try:
        return font_manager.findfont(FontProperties(family=family), fallback_to_default=False)
    except ValueError:
        return None


@cache
def _add_new_fonts() -> None:
    """Tell Matplotlib, once, of the fonts that were installed since it made its list."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for file in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(file)
        except (OSError, RuntimeError, ValueError):  # no font that it can draw with
            continue
    _file.cache_clear()


@cache
def _characters(file: str) -> frozenset[str]:
    if not file:
        return frozenset()
    try:
        font = FT2Font(file)
        if not font.scalable:
            return frozenset()
        return frozenset(chr(code) for code in font.get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _best(missing: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The installed upright family that holds most of `missing`; regular sans-serif faces first among equals."""
    best: tuple[tuple[int, bool, bool, bool, str], str, frozenset[str]] = (
        (0, False, False, False, ""),
        "",
        frozenset(),
    )
    scripts = {_script(character) for character in missing}
    # One pan-CJK font comes in regional cuts: the same Han character is written a little differently in each.
    region = "jp" if scripts & {"HIRAGANA", "KATAKANA"} else "kr" if "HANGUL" in scripts else "sc"
    for entry in font_manager.fontManager.ttflist:
        if (
            entry.name.startswith(_BOXES)
            or entry.style != "normal"
            or entry.weight not in {400, "normal", "regular", "book"}
        ):
            continue
        held = missing & _characters(entry.fname)
        name = entry.name.lower()
        rank = (len(held), "sans" in name, "mono" not in name, name.endswith(region), entry.name)
        if held and rank > best[0]:
            best = (rank, entry.name, held)
    return best[1], best[2]


def _warn(missing: set[str], wanted: set[str]) -> None:
    if missing:
        shown = " ".join(sorted(missing)[:8]) + (" …" if len(missing) > 8 else "")  # noqa: PLR2004  (a line's worth)
        message = (
            f"No installed font holds {len(missing)} of the text's characters ({_scripts(missing)}): {shown}. They are "
            "drawn as code points. Install a font for that script (for example Noto) or name one with --font."
        )
        warnings.warn(message, MissingGlyphWarning, stacklevel=4)
    shaped = sorted({script for c in wanted if (script := _script(c)) in _SHAPED})
    if shaped and tuple(int(part) for part in mpl.__version__.split(".")[:2]) < (3, 11):
        message = (
            f"Matplotlib {mpl.__version__} does not shape {', '.join(s.capitalize() for s in shaped)}: letters stand "
            "apart, left to right. Install matplotlib>=3.11."
        )
        warnings.warn(message, MissingGlyphWarning, stacklevel=4)


def _script(character: str) -> str:
    return unicodedata.name(character, "UNNAMED").split()[0]


def _scripts(characters: Iterable[str]) -> str:
    found = set()
    for character in characters:
        script = _script(character)
        if unicodedata.category(character) == "So" or script == "EMOJI":
            found.add("emoji and symbols")
        elif script.startswith(_HAN_KANA_HANGUL):
            found.add("Chinese, Japanese or Korean")
        else:
            found.add(script.capitalize())
    return ", ".join(sorted(found))


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(16, 16, _DPI)  # type: ignore[no-untyped-call]


@cache
def _extent(text: str, size: float, weight: str, families: tuple[str, ...]) -> tuple[float, float]:
    font = FontProperties(family=list(families), size=size, weight=weight)
    with mpl.rc_context(UNHINTED):
        width, height, _ = _renderer().get_text_width_height_descent(text, font, ismath=False)  # type: ignore[no-untyped-call]
    return width / _DPI, height / _DPI
