"""Words of a text: by Unicode's boundaries, and by a dictionary in scripts that write no spaces between words.

Thai, Lao, Khmer and Burmese need a dictionary: that of ICU (the package PyICU), or for Thai that of pythainlp.  Without
one a word there is a single character with its marks.  Chinese and Japanese stay one character each.
"""

import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import accumulate, pairwise

import uniseg.wordbreak

_SCRIPTS = {
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Burmese": "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f",
    "Khmer": "\u1780-\u17ff\u19e0-\u19ff",
}
_RUN = re.compile("|".join(f"(?P<{name}>[{characters}]+)" for name, characters in _SCRIPTS.items()))


def word_pieces(text: str) -> list[str]:
    """The text cut at the boundaries of words; white space and punctuation are pieces too."""
    borders = {0, *accumulate(len(piece) for piece in uniseg.wordbreak.words(text))}
    for run in _RUN.finditer(text):
        segment = _segmenter(str(run.lastgroup))
        if segment is not None:
            inside = {border for border in borders if run.start() < border < run.end()}
            cuts = {run.start() + length for length in accumulate(len(word) for word in segment(run[0]))}
            borders -= inside - cuts  # a dictionary never cuts within a character and its marks
    return [text[start:end] for start, end in pairwise(sorted(borders))]


def missing_dictionary(text: str) -> str | None:
    """What to say of a text whose words no dictionary on this machine knows; None where there is nothing to say."""
    scripts = dict.fromkeys(str(run.lastgroup) for run in _RUN.finditer(text))
    unknown = [script for script in scripts if _segmenter(script) is None]
    if not unknown:
        return None
    packages = "PyICU or pythainlp" if unknown == ["Thai"] else "PyICU"
    return (
        f"{' and '.join(unknown)} words are not separated by spaces, and no dictionary is installed: a unit is a "
        f"single character or what the tokenizer joins. Install {packages} for words."
    )


def _segmenter(script: str) -> Callable[[str], Iterable[str]] | None:
    """What cuts a run of one script into words; None where nothing is installed."""
    if find_spec("icu") is not None:
        return _by_icu
    if script == "Thai" and find_spec("pythainlp") is not None:
        return _by_pythainlp
    return None


def _by_icu(run: str) -> list[str]:
    import icu

    breaks = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())
    breaks.setText(run)
    return [run[start:end] for start, end in pairwise([0, *breaks])]


def _by_pythainlp(run: str) -> list[str]:
    from pythainlp.tokenize import word_tokenize

    return [str(word) for word in word_tokenize(run, engine="newmm", keep_whitespace=True)]
