"""Names of folders: one for each text, and none that leads out of the folder it is meant for."""

import hashlib
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from ihcli.errors import OutputError, ResultError
from ihcli.results import RESULT, Explanation

_LENGTH = 48
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(10))}


def slug(text: str, pair: str | None = None) -> str:
    """A readable, portable folder name that depends on the text alone: `not bad` gives `not-bad`.

    The plain name belongs to the text that consists of its words in lower case with single spaces between them. Every
    other text (capitals, punctuation, other spaces or letters, too long, a pair) gets eight hexadecimal digits of its
    SHA-256 behind the words, so that two texts do not share a folder.
    """
    words = _words(text if pair is None else f"{text} {pair}")
    name = _shortened(words) if pair is None else "-".join(words)[:_LENGTH].rstrip("-")
    if pair is None and text == " ".join(words) and _is_whole(name, words):
        return name
    return _with_digest(name or ("text" if pair is None else "texts"), text if pair is None else f"{text}\0{pair}")


def name_of_id(identifier: str) -> str:
    """The folder name of a row that has an id: the id itself where it is portable, else its words and a digest."""
    words = _words(identifier)
    name = _shortened(words)
    if identifier == "-".join(words) and _is_whole(name, words):
        return name
    return _with_digest(name or "text", identifier)


def folder_of_text(directory: Path, text: str, pair: str | None = None) -> Path:
    """The folder of a text's result in `directory`: the one that holds it, else one that holds no other text's.

    That is `slug` in a folder that this version wrote. Version 0.1.0 wrote `Not bad.` to `not-bad` too: such a folder
    keeps that text, and `not bad` then gets its digest.
    """
    name, plain = slug(text, pair), _shortened(_words(text))
    names = [name] if pair is not None or not plain else [name, _with_digest(plain, text), plain]
    folders = [directory / one for one in dict.fromkeys(names)]
    held = [_text_in(folder) for folder in folders]
    own = [folder for folder, texts in zip(folders, held, strict=True) if texts == (text, pair)]
    free = [folder for folder, texts in zip(folders, held, strict=True) if texts is None]
    return [*own, *free, folders[0]][0]


def _text_in(folder: Path) -> tuple[str, str | None] | None:
    """The texts of the result in a folder, None where none can be read."""
    try:
        result = Explanation.load(folder / RESULT)
    except ResultError:
        return None
    return result.text, result.text_pair


def path_inside(folder: Path, name: str) -> Path:
    """`folder / name`, for a relative name that stays in the folder, also through its links; raises `OutputError`."""
    parts = PurePosixPath(name).parts
    plain = (
        bool(parts)
        and not PurePosixPath(name).is_absolute()
        and not PureWindowsPath(name).anchor
        and not {"\\", "\0"} & set(name)
        and ".." not in parts
    )
    if plain and is_inside(folder, folder / name):
        return folder / name
    message = f"The name {name!r} leads out of {folder}. Nothing is written there; give the entry a plain name."
    raise OutputError(message)


def is_inside(folder: Path, place: Path) -> bool:
    """Whether a place lies in a folder, or is the folder, when the links of both are followed."""
    return Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKC", text).casefold())


def _shortened(words: list[str]) -> str:
    """The words with hyphens between them, cut at a word where they are too long for a name."""
    name = "-".join(words)
    if len(name) <= _LENGTH:
        return name
    shorter = name[: _LENGTH + 1].rsplit("-", 1)[0]
    return shorter if len(shorter) <= _LENGTH else name[:_LENGTH]


def _is_whole(name: str, words: list[str]) -> bool:
    """Whether the name holds all of the words, and every file system takes it."""
    return bool(name) and name == "-".join(words) and name not in _RESERVED


def _with_digest(name: str, content: str) -> str:
    return f"{name}-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
