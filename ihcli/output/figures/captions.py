"""What is said around a figure: heading, caption, and the alternative text of its file."""

from ihcli.output.figures.sheet import Words
from ihcli.output.figures.style import Theme, View
from ihcli.results import Array, Explanation
from ihcli.wording import MINUS, Digits, baseline, certificate, names, number, prediction, target

CELL = (
    "A cell Γᵤᵥ is the interaction of its row's and its column's unit; the matrix holds it twice (Γᵤᵥ = Γᵥᵤ), "
    "so the pair adds 2 Γᵤᵥ to f(x) − f(x′)."
)
PAIR = (
    "Shown is one entry Γᵤᵥ of each pair; the matrix holds it twice (Γᵤᵥ = Γᵥᵤ), "
    "so the pair adds 2 Γᵤᵥ to f(x) − f(x′)."
)


def heading(explanation: Explanation, view: View) -> str:
    """The text that was explained, or what `view` asks for."""
    if view.heading is not None:
        return view.heading
    pair = "" if explanation.text_pair is None else f" │ {explanation.text_pair}"
    return f"{explanation.text}{pair}"


def warning(explanation: Explanation) -> str | None:
    """The line that a result which did not converge carries above its drawing."""
    return None if explanation.converged else certificate(explanation)[0]


def words(explanation: Explanation, view: View, head: str, caption: tuple[str, ...]) -> Words:
    """Heading, caption and warning of a figure of one result, as `view` asks."""
    return Words(head, caption if view.caption else (), warning(explanation))


def setting(explanation: Explanation) -> tuple[str, ...]:
    """Prediction, target, baseline, model and certificate."""
    run = (
        f"Prediction: {prediction(explanation)}. Explained: f = {target(explanation)}; "
        f"f(x) = {number(explanation.f_input)}, baseline {baseline(explanation)}: "
        f"f(x′) = {number(explanation.f_baseline)}. Model: {model(explanation)}."
    )
    return run, " ".join(certificate(explanation))


def drawn(explanation: Explanation, count: int, what: str) -> str:
    """How many of the pairs are drawn, as what, and what an entry is."""
    total = sum(value != 0 for *_, value in explanation.pairs())
    if not count:
        return nothing(explanation) if not total else "No pair is shown."
    which = f"The {count} strongest of {total} pairs" if count < total else f"All {count} pairs"
    if count == 1:
        which = "The only pair" if total == 1 else f"The strongest of {total} pairs"
    return f"{which} as {what}. {PAIR}"


def nothing(explanation: Explanation) -> str:
    """Why no interaction is seen."""
    if len(explanation.units) == 1:
        return "A single unit has nothing to interact with."
    return "Every interaction is zero."


def signs(theme: Theme) -> str:
    """How a theme for grey printing marks what is negative in a matrix."""
    return f"Cells with {MINUS} are negative." if theme.signs else ""


def full_colour(values: Array) -> str:
    """Where the colours of a scale of its own end."""
    if not values.any():
        return "all of them zero"
    digits = Digits.of(values.tolist())
    return f"full colour at ±{digits.label(digits.limit)}{digits.power}"


def model(explanation: Explanation) -> str:
    """The model's name and revision, cut to what identifies it."""
    info = explanation.model
    name = info.name if len(info.name) <= 48 else "…" + info.name[-47:]  # noqa: PLR2004  (half a caption line)
    return name if info.revision is None else f"{name} at {info.revision[:12]}"


def alternative_text(kind: str, explanations: list[Explanation], view: View) -> str:
    """The figure in words: what it is, what it says, and its strongest pairs."""
    what = {
        "heatmap": "Heatmap of the pairwise interactions",
        "arcs": "Sentence with arcs for the strongest pairwise interactions",
        "text": "Text shaded by Integrated Gradients, each unit underlined in the colour of its strongest interaction",
        "bars": "Bars of the strongest pairwise interactions",
        "network": "Circular network of the strongest pairwise interactions",
        "path": "The score and the size of its second derivatives along the path from the baseline",
        "compare": "Two heatmaps of pairwise interactions and their difference",
    }[kind]
    parts = []
    for explanation in explanations:
        words = names(explanation.units)
        top = "; ".join(
            f"{words[i]} and {words[j]} {number(v, plus=True)}" for i, j, v in explanation.pairs()[:5] if v != 0
        )
        parts.append(
            f"“{heading(explanation, view)}” ({len(words)} units). Prediction {prediction(explanation)}; explained is "
            f"the {target(explanation)}. Strongest pairs: {top or 'none, every interaction is zero'}. "
            + " ".join(certificate(explanation))
        )
    return f"{what} of " + " Compared with ".join(parts)
