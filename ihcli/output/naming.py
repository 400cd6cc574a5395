"""The folder name of one text."""

import hashlib
import re
import unicodedata

_LENGTH = 48
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(10))}


def slug(text: str, pair: str | None = None) -> str:
    """A readable, portable folder name: `This movie was not bad.` gives `this-movie-was-not-bad`.

    Eight hexadecimal digits of the text's SHA-256 follow whenever the name alone could also be another text's: it was
    cut, lost a letter, or lost a sign other than spaces and a final full stop; and always for a pair of texts.
    """
    if pair is not None:
        digest = hashlib.sha256(f"{text}\0{pair}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = "-".join(re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKC", f"{text} {pair}").casefold()))
        return f"{name[:_LENGTH].rstrip('-') or 'texts'}-{digest}"
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    words = re.findall(r"[a-z0-9]+", folded)
    name = "-".join(words)
    exact = re.sub(r"\s+", "-", folded.removesuffix(".").rstrip()) == name
    if len(name) > _LENGTH:
        exact = False
        shorter = name[: _LENGTH + 1].rsplit("-", 1)[0]
        name = shorter if len(shorter) <= _LENGTH else name[:_LENGTH]
    if exact and name and name not in _RESERVED:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name or 'text'}-{digest}"
