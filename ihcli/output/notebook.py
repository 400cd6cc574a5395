"""How an explanation shows itself: an HTML fragment in a notebook, and a short text in a Python prompt.

The fragment is self-contained: no scripts, nothing that is loaded, no ids that could meet those of another output. It
follows the theme of JupyterLab, VS Code and Colab, elsewhere that of the browser. Texts cannot become markup.
"""

import math

from ihcli.output.notebook_arcs import arcs_svg, safe, themed
from ihcli.results import Explanation
from ihcli.text_safety import one_line
from ihcli.wording import (
    Digits,
    certificate,
    digits_of,
    direction,
    entries_cancel,
    meaning_of_one,
    method_words,
    names,
    prediction,
    setting,
    shorten,
    units_of_strongest_pairs,
)

MOST_ARC_UNITS = 60
"""Longer texts are shown without arcs."""
MOST_SHOWN_UNITS = 150
"""Longer texts are cut."""
MOST_MATRIX_UNITS = 12
_SUMMARY_WIDTH, _SUMMARY_WARNINGS = 100, 3

_STYLE = """
.ih-explanation{color-scheme:light dark;background:light-dark(#ffffff,#14171c);color:light-dark(#1b1d21,#e9ebee);
padding:0.75rem 1rem;border-radius:6px;font:14px/1.5 system-ui,sans-serif;max-width:52rem;text-align:left}
.ih-explanation p{margin:0 0 0.4rem}
.ih-explanation .quiet{color:light-dark(#565c66,#a3abb8);font-size:13px}
.ih-explanation .failed{color:light-dark(#8f2d00,#ffb38a);font-weight:700}
.ih-explanation .text{font-size:15px;line-height:1.9}
.ih-explanation .text span{border-radius:4px;padding:0.1em 0.16em}
.ih-explanation svg{display:block;max-width:100%;height:auto;margin:0.4rem 0}
.ih-explanation .scroll{overflow-x:auto;margin:0.4rem 0}
.ih-explanation table{border-collapse:collapse;font-size:12px;margin:0;font-variant-numeric:tabular-nums}
.ih-explanation th,.ih-explanation td{padding:0.25rem 0.5rem;text-align:right;background:none;
border:1px solid light-dark(#d5d9df,#383d47);max-width:8rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.ih-explanation th{font-weight:600}
.ih-explanation td.own{background:light-dark(#eceff2,#262c34);color:light-dark(#565c66,#a3abb8)}
body[data-jp-theme-light="true"] .ih-explanation,body.vscode-light .ih-explanation,
html[theme="light"] .ih-explanation{color-scheme:light}
body[data-jp-theme-light="false"] .ih-explanation,body.vscode-dark .ih-explanation,
html[theme="dark"] .ih-explanation{color-scheme:dark}
"""


def html(explanation: Explanation) -> str:
    """An HTML fragment: prediction, words with arcs, matrix, how exact it is, and the check by removal.

    Args:
        explanation: Any result. Texts of more than 60 units have no arcs, those of more than 150 are cut, and the
            matrix shows the 12 units of the strongest pairs; notes say so.

    Returns:
        One `div` element, well-formed as XML: without scripts, links, images or ids, every text escaped.

    Example:
        >>> from ihcli import Explanation
        >>> from ihcli.output.notebook import html
        >>> html(Explanation.load("outputs/this-movie-was-not-bad"))[:28]
        '<div class="ih-explanation">'
    """
    verdict, *sums = certificate(explanation)
    parts = [
        f"<style>{_STYLE}</style>",
        f"<p><strong>{safe(prediction(explanation))}</strong></p>",
        f'<p class="quiet">{safe(setting(explanation))}</p>',
        *_words(explanation),
        _directions(explanation),
        *_matrix(explanation),
        f'<p class="{"quiet" if explanation.converged else "failed"}">{safe(verdict)}</p>',
        *(f'<p class="quiet">{safe(line)}</p>' for line in [*sums, entries_cancel(explanation)] if line),
        *(() if explanation.removal is None else (f"<p>{safe(explanation.removal.sentence)}</p>",)),
        *(f'<p class="failed">{safe(warning)}</p>' for warning in explanation.warnings),
    ]
    return f'<div class="ih-explanation">{"".join(parts)}</div>'


def summary(explanation: Explanation) -> str:
    """The text, what is explained, the strongest attributions and pairs, and the certificate.

    Args:
        explanation: Any result.

    Returns:
        At most 14 lines of plain text, without control characters.

    Example:
        >>> from ihcli import Explanation
        >>> from ihcli.output.notebook import summary
        >>> print(summary(Explanation.load("outputs/this-movie-was-not-bad")).splitlines()[0])
        this movie was not bad
    """
    whole = explanation.text if explanation.text_pair is None else f"{explanation.text} │ {explanation.text_pair}"
    labels, words = names(explanation.units, 20), method_words(explanation)
    attributions, interactions = digits_of(explanation)
    strongest = sorted(range(len(labels)), key=lambda u: -abs(float(explanation.ig[u])))[:4]
    listed = [f"{labels[u]} {attributions.label(float(explanation.ig[u]), plus=True)}" for u in strongest]
    lines = [
        shorten(one_line(whole), _SUMMARY_WIDTH),
        f"{prediction(explanation)}; {setting(explanation)}",
        f"{words.attributions}{attributions.power}: {', '.join(listed)}{_more(len(listed), len(labels), 'units')}",
    ]
    pairs = [pair for pair in explanation.pairs() if pair[2] != 0]
    listed = [f"{labels[i]} · {labels[j]} {interactions.label(value, plus=True)}" for i, j, value in pairs[:4]]
    if listed:
        more = _more(len(listed), len(pairs), "pairs")
        symbol = " Γ" if explanation.method == "ih" else ""
        lines.append(f"Interactions{symbol}{interactions.power}: {', '.join(listed)}{more}")
    else:
        lines.append("Interactions: none")
    cancelling = entries_cancel(explanation)
    lines += [*certificate(explanation), *([cancelling] if cancelling else [])]
    lines += [] if explanation.removal is None else [explanation.removal.sentence]
    lines += [f"warning: {warning}" for warning in explanation.warnings[:_SUMMARY_WARNINGS]]
    return "\n".join(one_line(line) for line in lines)


def _more(shown: int, total: int, what: str) -> str:
    return f" ({shown} of {total} {what})" if shown < total else ""


def _directions(explanation: Explanation) -> str:
    """What the two ends of the colours speak for, and what +1 means."""
    positive, negative = direction(explanation)
    swatches = [
        f'<span style="{themed(share)};padding:0 0.4em;border-radius:3px">{sign}</span> {safe(text)}'
        for share, sign, text in ((0.7, "+", positive), (-0.7, "−", negative))
    ]
    meaning = meaning_of_one(explanation)
    return f'<p class="quiet">{" &#160; ".join(swatches)}{f" &#160; {safe(meaning)}" if meaning else ""}</p>'


def _words(explanation: Explanation) -> list[str]:
    """The text with arcs; a long text without them."""
    if len(explanation.units) <= MOST_ARC_UNITS:
        return [arcs_svg(explanation)]
    limit = digits_of(explanation)[0].limit
    shown = explanation.units[:MOST_SHOWN_UNITS]
    words = [
        f'<span style="{themed(float(value) / limit)}">{safe(unit.text.strip() or "␣")}</span>'
        for unit, value in zip(shown, explanation.ig, strict=False)
    ]
    rest = len(explanation.units) - len(shown)
    cut = f" Cut: {rest} more units." if rest else ""
    note = f"Arcs are drawn for up to {MOST_ARC_UNITS} units; this text has {len(explanation.units)}.{cut}"
    return [f'<p class="text">{" ".join(words)}{" …" if rest else ""}</p>', f'<p class="quiet">{note}</p>']


def _matrix(explanation: Explanation) -> list[str]:
    """Γ as a table with a grey diagonal and the attributions as last column; of a long text, the strongest units."""
    units = units_of_strongest_pairs(explanation, MOST_MATRIX_UNITS)
    attributions, interactions = digits_of(explanation)
    labels = names(explanation.units, 14)
    head = "".join(f'<th title="{safe(explanation.units[v].text)}">{safe(labels[v])}</th>' for v in units)
    rows = []
    for u in units:
        cells = [_cell(float(explanation.ih[u, v]), interactions, own=u == v) for v in units]
        cells.append(_cell(float(explanation.ig[u]), attributions, own=False))
        rows.append(f"<tr><th>{safe(labels[u])}</th>{''.join(cells)}</tr>")
    words = method_words(explanation)
    corner = ("Γ" if explanation.method == "ih" else "") + interactions.power
    head = f"<tr><th>{corner}</th>{head}<th>{safe(words.short)}</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>"
    sums = f", {words.of_row}" if words.of_row else ""
    note = f"{words.of_pair} Grey: what a unit adds by itself. {words.short}: {words.attributions}{sums}."
    if len(units) < len(explanation.units):
        note += f" {len(units)} of {len(explanation.units)} units are shown, those of the strongest pairs."
    return [f'<div class="scroll">{table}</div>', f'<p class="quiet">{note}</p>']


def _cell(value: float, digits: Digits, *, own: bool) -> str:
    """One number; NaN is a question mark without a colour."""
    grey = ' class="own"' if own else ""
    if math.isnan(value):
        return f'<td title="not computed"{grey}>?</td>'
    colour = grey or f' style="{themed(value / digits.limit)}"'
    return f"<td{colour}>{digits.label(value)}</td>"
