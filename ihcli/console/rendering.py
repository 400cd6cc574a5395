"""One explanation on the terminal: text, prediction, attributions, matrix, strongest pairs, certificate.

A row of the matrix is never wrapped: a narrow window shows the units of the strongest pairs, and a note says so. All
numbers of a result are in one unit: one power of ten is taken out of all of them or of none.
"""

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ihcli.console.streams import consoles, plain
from ihcli.palette import LIGHT, ink_on
from ihcli.results import Explanation
from ihcli.text_safety import one_line
from ihcli.wording import (
    Digits,
    certificate,
    digits_of,
    direction,
    entries_cancel,
    method_words,
    names,
    number,
    prediction,
    setting,
    units_of_strongest_pairs,
)

_LONGEST_LABEL, _LEAST_COLUMNS = 16, 2
_ALL_ATTRIBUTIONS, _FEW_ATTRIBUTIONS = 40, 16
_FAINTEST = 0.06
"""Numbers below this share of the limit are printed without a colour."""


def show(explanation: Explanation, *, diagonal: bool = True) -> None:
    """Print one explanation on standard output."""
    render(explanation, consoles().out, diagonal=diagonal)


def render(explanation: Explanation, console: Console, *, diagonal: bool = True, pairs: int = 5) -> None:
    """Print one explanation; `pairs` is the number of strongest pairs, and `diagonal` shows the matrix's diagonal."""
    lines = [*_opening(explanation), Text(), *_attributions(explanation, console.width), Text()]
    if len(explanation.units) > 1:
        lines += [*matrix(explanation, console.width, diagonal=diagonal), Text()]
        if method_words(explanation).has_pairs:
            lines += [*_strongest(explanation, pairs), Text()]
    lines += _exactness(explanation)
    for line in lines:
        whole = bool(line.no_wrap)  # joining texts forgets it, so it is said again
        console.print(line, no_wrap=whole, overflow="ellipsis" if whole else "fold")


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """Which rows of Γ are printed, under which names, how wide, and with which digits."""

    units: list[int]
    names: list[str]
    label: int
    """Cells of the terminal for a row's name."""
    cell: int
    """Cells of the terminal for an entry, the brackets of the diagonal included."""
    digits: Digits


def matrix(explanation: Explanation, width: int, *, diagonal: bool = True) -> list[Text]:
    """Γ as lines of at most `width` cells: signed colours, the diagonal in brackets, columns headed by their unit."""
    layout = _lay_out(explanation, width, diagonal=diagonal)
    words = method_words(explanation)
    symbol = " Γ" if explanation.method == "ih" else ""
    title = Text(f"Interactions{symbol}{layout.digits.power}", style="bold")
    if not words.has_pairs:
        return [title, _note(f"None: {words.attributions} has no interactions.")]
    if len(layout.units) < _LEAST_COLUMNS:
        return [title, _note("The window is too narrow for the matrix.")]
    header = " ".join(_fit(layout.names[u], layout.cell, right=True) for u in layout.units)
    lines = [title, Text(" " * (layout.label + 1) + header, no_wrap=True)]
    lines += [_row(explanation, layout, u, diagonal=diagonal) for u in layout.units]
    if len(layout.units) < len(layout.names):
        shown = f"{len(layout.units)} of {len(layout.names)} units"
        lines.append(_note(f"{shown}, those of the strongest pairs: the window holds no more."))
    brackets = " In brackets: the diagonal, what a unit adds by itself." if diagonal else ""
    return [*lines, _note(f"{words.of_pair}{brackets}")]


def _lay_out(explanation: Explanation, width: int, *, diagonal: bool) -> MatrixLayout:
    """The largest part of the matrix that `width` cells hold."""
    labels = [one_line(name) for name in names(explanation.units, 24)]
    label = min(max(map(cell_len, labels)), _LONGEST_LABEL, max(4, width // 4))
    digits = digits_of(explanation)[1]
    entries = [v for u, row in enumerate(explanation.ih.tolist()) for w, v in enumerate(row) if u != w or diagonal]
    cell = max(len(digits.label(value)) for value in entries) + 2
    room = (width - label - 1) // (cell + 1)
    shown = units_of_strongest_pairs(explanation, room)
    if shown:  # names of columns in full, where the window has room for them
        cell = max(cell, min(label, (width - label - 1) // len(shown) - 1))
    return MatrixLayout(shown, labels, label, cell, digits)


def _row(explanation: Explanation, layout: MatrixLayout, u: int, *, diagonal: bool) -> Text:
    """One row of the matrix."""
    line = Text(_fit(layout.names[u], layout.label) + " ", no_wrap=True)
    for position, v in enumerate(layout.units):
        value = float(explanation.ih[u, v])
        text, style = f"{layout.digits.label(value)} ", _shade(value / layout.digits.limit)
        if u == v:
            text, style = f"({layout.digits.label(value)})" if diagonal else "", "dim"
        line.append(" " * bool(position)).append(text.rjust(layout.cell), style=style)
    return line


def _note(text: str) -> Text:
    return Text(text, style="dim")


def _shade(share: float) -> Style | str:
    """Ground and ink for a number that is `share` of the limit; numbers near zero and unknown ones have none."""
    if not abs(share) >= _FAINTEST:  # false for NaN, too
        return ""
    return Style(color=ink_on(LIGHT.rgb(share)), bgcolor=LIGHT.hex(share))


def _fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` terminal cells, cut with an ellipsis."""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _opening(explanation: Explanation) -> list[Text]:
    """The text with its strongest pair underlined, what was predicted, and what is explained."""
    strongest = next(iter(explanation.pairs()), None)
    pair = set(strongest[:2]) if strongest and strongest[2] != 0 else set()
    text = _sentence(explanation, "text", pair)
    if explanation.text_pair is not None:
        text = text.append(" │ ").append(_sentence(explanation, "text_pair", pair))
    difference = number(explanation.f_input - explanation.f_baseline, plus=True)
    explained = f"{setting(explanation)}, {difference} to explain"
    return [text, plain(f"Prediction: {prediction(explanation)}"), plain(explained)]


def _sentence(explanation: Explanation, side: str, pair: set[int]) -> Text:
    """The original text, coloured by IG."""
    original = (explanation.text_pair or "") if side == "text_pair" else explanation.text
    limit = Digits.of(explanation.ig.tolist()).limit
    line, at = Text(), 0
    for u, unit in enumerate(explanation.units):
        if unit.side != side or unit.start < at:
            continue
        line.append(one_line(original[at : unit.start]))
        start = len(line)
        line.append(one_line(original[unit.start : unit.end]), _shade(float(explanation.ig[u]) / limit))
        if u in pair:
            line.stylize("bold underline", start)
        at = unit.end
    return line.append(one_line(original[at:]))


def _attributions(explanation: Explanation, width: int) -> list[Text]:
    """IG of every unit, or of the strongest ones of a long text, in the order of the text."""
    ig = explanation.ig.tolist()
    digits = digits_of(explanation)[0]
    labels = [one_line(name) for name in names(explanation.units, max(4, min(24, width // 3)))]
    shown = list(range(len(labels)))
    if len(labels) > _ALL_ATTRIBUTIONS:
        shown = sorted(sorted(shown, key=lambda u: -abs(ig[u]))[:_FEW_ATTRIBUTIONS])
    called = method_words(explanation).attributions
    title = f"Attributions ({called}){digits.power}: + {one_line(direction(explanation)[0], 40)}"
    lines = [Text(title, style="bold"), Text()]
    for u in shown:
        value = digits.label(ig[u], plus=True)
        used = lines[-1].cell_len
        if used and used + 3 + cell_len(labels[u]) + 1 + len(value) > width:
            lines.append(Text())
            used = 0
        lines[-1].append("   " if used else "").append(labels[u], _shade(ig[u] / digits.limit)).append(f" {value}")
    if len(shown) < len(labels):
        lines.append(_note(f"The {len(shown)} strongest of {len(labels)} units."))
    return lines


def _strongest(explanation: Explanation, count: int) -> list[Text]:
    """The strongest pairs with their entry and with what they add to f(x) − f(x′)."""
    pairs = [pair for pair in explanation.pairs() if pair[2] != 0][:count]
    title, words = "Strongest pairs", method_words(explanation)
    if not pairs:
        return [Text(title, style="bold"), Text("None: every interaction is zero.")]
    labels, digits = [one_line(name) for name in names(explanation.units, 20)], digits_of(explanation)[1]
    columns = [[title, *(f"{labels[i]} · {labels[j]}" for i, j, _ in pairs)]]
    columns.append([f"{words.entry}{digits.power}", *(digits.label(value, plus=True) for *_, value in pairs)])
    if words.added != words.entry:
        twice = (digits.label(explanation.pair_total * value, plus=True) for *_, value in pairs)
        columns.append([f"adds {words.added}{digits.power}", *twice])
    for other in explanation.others:
        entries = (digits.label(float(other.ih[i, j]), plus=True) for i, j, _ in pairs)
        columns.append([f"{other.kind}{digits.power}", *entries])
    widths = [max(map(cell_len, column)) for column in columns]
    lines = []
    for row, (name, entry, *added) in enumerate(zip(*columns, strict=True)):
        line = Text(f"{_fit(name, widths[0])}  ", no_wrap=True, style="" if row else "bold")
        line.append(entry.rjust(widths[1]), style=_shade(pairs[row - 1][2] / abs(pairs[0][2])) if row else "")
        for width, text in zip(widths[2:], added, strict=True):
            line.append(f"  {text:>{width}}")
        lines.append(line)
    return lines


def _exactness(explanation: Explanation) -> list[Text]:
    """The certificate, whether entries cancel, and the result's warnings."""
    sentences = certificate(explanation)
    lines = [Text(sentences[0], style="green" if explanation.converged else "bold red")]
    if len(sentences) > 1:
        lines.append(plain(" ".join(sentences[1:])))
    cancelling = entries_cancel(explanation)
    if cancelling is not None:
        figure = " `ih plot RESULT --kind baseline-to-text` shows how f moves in between." if explanation.path else ""
        lines.append(_note(cancelling + figure))
    if explanation.removal is not None:
        lines.append(plain(explanation.removal.sentence))
    return lines + [Text("warning: ", style="bold yellow") + plain(warning) for warning in explanation.warnings]
