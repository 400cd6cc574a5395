"""Letters that can be drawn: fonts for every character, measured widths, wrapped lines.

A character that no installed font holds is drawn as its code point, `⟨U+6F22⟩`, and a `MissingGlyphWarning` names the
scripts of all such characters of a figure.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from ihcli.output.figures.fonts import families_for, script
from ihcli.output.word_layout import Font, cut_to_fit

_DPI = 72 * 4
UNHINTED: Final[dict[Any, Any]] = {"text.hinting": "no_hinting"}
"""Hinting rounds each letter to whole dots, up to 6 % of a line; without it, widths are those that were measured."""
_SHAPED = ("ARABIC", "HEBREW", "SYRIAC", "DEVANAGARI", "BENGALI", "TAMIL", "THAI", "KHMER", "MYANMAR")
_HAN_KANA_HANGUL = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")
_SHOWN_CHARACTERS = 8
_SHAPES_SINCE = (3, 11)
"""The version of Matplotlib that shapes scripts whose letters join or change their order."""


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
        families, missing = families_for(wanted, preferred)
        _warn(missing, wanted)
        return cls(families, frozenset(missing))

    def legible(self, text: str) -> str:
        """`text` on one line, each run of characters that no font holds as its code points."""
        text = clean(text)
        if not self.missing:
            return text
        run = re.compile("[" + "".join(re.escape(c) for c in sorted(self.missing)) + "]+")
        return run.sub(lambda match: "⟨U+" + " ".join(f"{ord(c):04X}" for c in match[0]) + "⟩", text)

    def font(self, size: float, weight: str = "normal") -> FontProperties:
        """The font at `size` points."""
        return FontProperties(family=list(self.families), size=size, weight=weight)

    def at_size(self, size: float) -> Font:
        """How words are written at `size` points."""
        return Font(lambda text: self.width(text, size), self.legible)

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """Width of `text` in inches."""
        return _width(text, size, weight, self.families)

    def height(self, size: float) -> float:
        """Height of a line at `size` points, in inches."""
        return 1.32 * size / 72

    def fit(self, text: str, size: float, width: float, weight: str = "normal") -> str:
        """`text`, cut with an ellipsis where it is wider than `width` inches."""
        return cut_to_fit(text, width, lambda part: self.width(part, size, weight))

    def wrap(self, text: str, size: float, width: float, weight: str = "normal", lines: int = 99) -> list[str]:
        """Lines of at most `width` inches; a word too wide for one is broken, the last one allowed is cut."""
        wrapped: list[str] = []
        rest = " ".join(text.split())
        while rest and len(wrapped) < lines - 1 and self.width(rest, size, weight) > width:
            cut = self._break(rest, size, width, weight)
            wrapped.append(rest[:cut].rstrip())
            rest = rest[cut:].lstrip()
        return [*wrapped, self.fit(rest, size, width, weight)] if rest else wrapped

    def _break(self, text: str, size: float, width: float, weight: str) -> int:
        """Where a line of `width` inches ends: at a space if there is one."""
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.width(text[:middle], size, weight) <= width
            low, high = (middle, high) if fits else (low, middle - 1)
        space = text.rfind(" ", 0, low + 1)
        return space if space > 0 else low


def clean(text: str) -> str:
    """One line, composed (NFC), without characters that print nothing."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c for c in text if not _prints_nothing(c))


def _prints_nothing(character: str) -> bool:
    """Whether it is a control, format or unassigned character, a surrogate, or a variation selector."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} or "\ufe00" <= character <= "\ufe0f"


def _warn(missing: set[str], wanted: set[str]) -> None:
    """Warn of characters that no font holds and of scripts that this Matplotlib does not shape."""
    if missing:
        more = " …" if len(missing) > _SHOWN_CHARACTERS else ""
        message = (
            f"No installed font holds {len(missing)} of the figure's characters ({_scripts(missing)}): "
            f"{' '.join(sorted(missing)[:_SHOWN_CHARACTERS])}{more}. They are drawn as code points. Install a font for "
            "that script (for example Noto), or name one: `ih plot --font`."
        )
        warnings.warn(message, MissingGlyphWarning, stacklevel=4)
    shaped = sorted({name for c in wanted if (name := script(c)) in _SHAPED})
    if shaped and tuple(int(part) for part in mpl.__version__.split(".")[:2]) < _SHAPES_SINCE:
        message = (
            f"Matplotlib {mpl.__version__} does not shape {', '.join(name.capitalize() for name in shaped)}: letters "
            "stand apart, left to right. Install matplotlib>=3.11."
        )
        warnings.warn(message, MissingGlyphWarning, stacklevel=4)


def _scripts(characters: Iterable[str]) -> str:
    """The scripts of some characters, by their usual names."""
    called = set()
    for character in characters:
        name = script(character)
        if unicodedata.category(character) == "So" or name == "EMOJI":
            called.add("emoji and symbols")
        elif name.startswith(_HAN_KANA_HANGUL):
            called.add("Chinese, Japanese or Korean")
        else:
            called.add(name.capitalize())
    return ", ".join(sorted(called))


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(16, 16, _DPI)  # type: ignore[no-untyped-call]


@cache
def _width(text: str, size: float, weight: str, families: tuple[str, ...]) -> float:
    font = FontProperties(family=list(families), size=size, weight=weight)
    with mpl.rc_context(UNHINTED):
        width, *_ = _renderer().get_text_width_height_descent(text, font, ismath=False)  # type: ignore[no-untyped-call]
    return float(width) / _DPI
