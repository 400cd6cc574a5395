"""The terminal: results on standard output, everything else on standard error, plain where colour or room is missing.

A line of the matrix is never wrapped: where the window is too narrow the units of the strongest pairs are shown, and a
note says so.  Text is printed as it is: neither markup nor control characters in it have any effect.
"""

import json
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.style import Style
from rich.text import Text

from ihcli.palette import LIGHT, ink_on
from ihcli.results import Explanation
from ihcli.wording import Digits, baseline, certificate, names, number, prediction, target

_LABEL, _LEAST_COLUMNS, _ALL_ATTRIBUTIONS, _FEW = 16, 2, 40, 16
_BIDIRECTIONAL = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Consoles:
    """Where results go and where all else goes; `quiet` silences notes and progress, never warnings or errors."""

    out: Console
    err: Console
    quiet: bool = False

    def note(self, message: str) -> None:
        """Say something that a script does not need."""
        if not self.quiet:
            self.err.print(plain(message), style="dim")

    def warn(self, message: str) -> None:
        """Say what the user should know of a result that was still made."""
        self.err.print(Text("warning: ", style="bold yellow") + plain(message))

    def error(self, message: str) -> None:
        """Say why there is no result."""
        self.err.print(Text("error: ", style="bold red") + plain(message))


def consoles(*, quiet: bool = False) -> Consoles:
    """Standard output and error; `NO_COLOR`, `FORCE_COLOR`, `COLUMNS` and a dumb terminal are honoured by Rich."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    out = Console(highlight=False, markup=False, emoji=False)
    err = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Consoles(out, err, quiet)


def write_json(document: str) -> None:
    """Write a JSON document to standard output; what its encoding cannot hold becomes JSON's own escape."""
    document = document.encode("utf-8", "backslashreplace").decode("utf-8")  # halves of surrogate pairs
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    if not encoding.startswith("utf"):
        document = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], document)
    sys.stdout.write(document)


class Progress:
    """A bar on standard error while work goes on: call it with what is being done, how much is done, and of how much.

    Off a terminal, or when quiet, nothing is drawn.
    """

    def __init__(self, to: Consoles | None = None, *, quiet: bool = False) -> None:
        """Draw on the standard error of `to`."""
        to = to or consoles(quiet=quiet)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        hidden = to.quiet or quiet or not to.err.is_terminal
        self._bar = Bars(*columns, TimeElapsedColumn(), console=to.err, transient=True, disable=hidden)
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar, so that nothing of it stays among the notes."""
        self._bar.stop()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` is done."""
        self._bar.update(self._task, description=what, completed=done, total=total)


def progress(to: Consoles) -> Progress:
    """The progress bar of these consoles."""
    return Progress(to)


@contextmanager
def warnings_shown(to: Consoles) -> Iterator[None]:
    """Python warnings of the block as one line each on standard error, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                to.warn(message)


def show(explanation: Explanation, *, diagonal: bool = True) -> None:
    """Print one explanation on standard output."""
    render(explanation, consoles().out, diagonal=diagonal)


def render(explanation: Explanation, console: Console, *, diagonal: bool = True, pairs: int = 5) -> None:
    """One explanation: text, prediction, attributions, matrix, strongest pairs, certificate, warnings."""
    lines = [*_opening(explanation), Text(), *_attributions(explanation, console.width), Text()]
    if len(explanation.units) > 1:
        lines += [
            *matrix(explanation, console.width, diagonal=diagonal),
            Text(),
            *_strongest(explanation, pairs),
            Text(),
        ]
    lines += _certificate(explanation)
    for line in lines:
        whole = bool(line.no_wrap)  # joining texts forgets it, so it is said again
        console.print(line, no_wrap=whole, overflow="ellipsis" if whole else "fold")


def matrix(explanation: Explanation, width: int, *, diagonal: bool = True) -> list[Text]:
    """Γ as lines of at most `width` cells: signed colours, the diagonal in brackets, columns headed by their unit."""
    words = [_flat(name) for name in names(explanation.units, 24)]
    label = min(max(map(cell_len, words)), _LABEL, max(4, width // 4))
    values = [[float(v) for v in row] for row in explanation.ih]
    off = [v for i, row in enumerate(values) for j, v in enumerate(row) if i != j]
    colours, digits = Digits.of(off), Digits.of(off)
    known = [v for i, row in enumerate(values) for j, v in enumerate(row) if i != j or diagonal]
    cell = max(len(digits.label(v)) for v in known) + 2
    room = (width - label - 1) // (cell + 1)
    shown = _shown(explanation, room)
    title = Text(f"Interactions Γ{digits.power}", style="bold")
    if len(shown) < _LEAST_COLUMNS:
        return [title, Text("The window is too narrow for the matrix.", style="dim")]
    header = " ".join(_fit(words[u], cell, right=True) for u in shown)
    lines = [title, Text(" " * (label + 1) + header, no_wrap=True)]
    for u in shown:
        line = Text(_fit(words[u], label) + " ", no_wrap=True)
        for position, v in enumerate(shown):
            value = values[u][v]
            own = u == v
            text = digits.label(value) if not own or diagonal else ""
            body = f"({text})" if own and text else f"{text} "
            style = "dim" if own else _shade(value / colours.limit)
            line.append(" " * bool(position)).append(body.rjust(cell), style=style)
        lines.append(line)
    if len(shown) < len(words):
        lines.append(
            Text(
                f"{len(shown)} of {len(words)} units, those of the strongest pairs: the window holds no more.",
                style="dim",
            )
        )
    note = "A pair adds twice its entry to f(x) − f(x′). " + (
        "In brackets: the diagonal, no interaction." if diagonal else ""
    )
    lines.append(Text(note.rstrip(), style="dim"))
    return lines


def plain(text: str) -> Text:
    """Text without markup and without control characters, line breaks kept."""
    return Text("\n".join(_flat(line) for line in text.splitlines()) or "")


def _flat(text: str) -> str:
    kept = (" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text if c not in _BIDIRECTIONAL)
    return "".join(kept)


def _shade(share: float) -> Style:
    """Ground and ink for a number that is `share` of the limit; what is near zero stays as the terminal is."""
    if not abs(share) >= 0.06:  # noqa: PLR2004  (a tint nobody sees; false for NaN too)
        return Style()
    return Style(color=ink_on(LIGHT.rgb(share)), bgcolor=LIGHT.hex(share))


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` terminal cells, cut with an ellipsis."""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _shown(explanation: Explanation, room: int) -> list[int]:
    """As many units as there is room for, those of the strongest pairs first, in the order of the text."""
    count = len(explanation.units)
    if room >= count:
        return list(range(count))
    chosen: set[int] = set()
    for i, j, _ in explanation.pairs():
        if len(chosen | {i, j}) <= room:
            chosen |= {i, j}
    return sorted(chosen)


def _opening(explanation: Explanation) -> list[Text]:
    """The text with its strongest pair underlined, and what was predicted and explained."""
    first = next(iter(explanation.pairs()), None)
    pair = set(first[:2]) if first and first[2] != 0 else set()
    text = _sentence(explanation, "text", pair)
    if explanation.text_pair is not None:
        text = text.append(" │ ").append(_sentence(explanation, "text_pair", pair))
    difference = number(explanation.f_input - explanation.f_baseline, plus=True)
    f = (
        f"f = {target(explanation)}: {number(explanation.f_baseline)} at the baseline ({baseline(explanation)}), "
        f"{number(explanation.f_input)} at the text, {difference} to explain"
    )
    return [text, plain(f"Prediction: {prediction(explanation)}"), plain(f)]


def _sentence(explanation: Explanation, side: str, pair: set[int]) -> Text:
    """The original text, coloured by IG."""
    original = (explanation.text_pair or "") if side == "text_pair" else explanation.text
    limit = Digits.of(explanation.ig.tolist()).limit
    line, at = Text(), 0
    for u, unit in enumerate(explanation.units):
        if unit.side != side or unit.start < at:
            continue
        line.append(_flat(original[at : unit.start]))
        style = _shade(float(explanation.ig[u]) / limit)
        line.append(
            _flat(original[unit.start : unit.end]), style + Style(bold=True, underline=True) if u in pair else style
        )
        at = unit.end
    return line.append(_flat(original[at:]))


def _attributions(explanation: Explanation, width: int) -> list[Text]:
    """IG of every unit, or of the strongest ones of a long text, in the order of the text."""
    ig = [float(v) for v in explanation.ig]
    digits = Digits.of(ig)
    words = [_flat(name) for name in names(explanation.units, max(4, min(24, width // 3)))]
    shown = list(range(len(words)))
    if len(words) > _ALL_ATTRIBUTIONS:
        shown = sorted(sorted(shown, key=lambda u: -abs(ig[u]))[:_FEW])
    lines = [Text(f"Attributions (Integrated Gradients){digits.power}", style="bold"), Text()]
    for u in shown:
        value = digits.label(ig[u])
        value = value if value.startswith("−") else f"+{value}"
        used = lines[-1].cell_len
        if used and used + 3 + cell_len(words[u]) + 1 + len(value) > width:
            lines.append(Text())
            used = 0
        lines[-1].append("   " if used else "").append(words[u], _shade(ig[u] / digits.limit)).append(f" {value}")
    if len(shown) < len(words):
        lines.append(Text(f"The {len(shown)} strongest of {len(words)} units.", style="dim"))
    return lines


def _strongest(explanation: Explanation, count: int) -> list[Text]:
    pairs = [pair for pair in explanation.pairs() if pair[2] != 0][:count]
    lines = [Text("Strongest pairs", style="bold")]
    if not pairs:
        return [*lines, Text("None: every interaction is zero.")]
    words = [_flat(name) for name in names(explanation.units, 20)]
    limit = abs(pairs[0][2])
    together = [f"{words[i]} · {words[j]}" for i, j, _ in pairs]
    wide = max(map(cell_len, together))
    for text, (_, _, value) in zip(together, pairs, strict=True):
        line = Text(_fit(text, wide) + "  ", no_wrap=True)
        lines.append(line.append(f" {number(value, plus=True)} ", style=_shade(value / limit)))
    return lines


def _certificate(explanation: Explanation) -> list[Text]:
    sentences: Sequence[str] = certificate(explanation)
    style = "green" if explanation.converged else "bold red"
    verdict = Text(sentences[0], style=style)
    rest = [plain(" ".join(sentences[1:]))] if len(sentences) > 1 else []
    return [verdict, *rest, *(Text("warning: ", style="bold yellow") + plain(w) for w in explanation.warnings)]
