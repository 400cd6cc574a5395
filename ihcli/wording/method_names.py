"""What the numbers of each method are called: attributions, entries of the matrix, its diagonal."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ihcli.removal.methods import METHODS
from ihcli.results import Explanation


@dataclass(frozen=True, slots=True)
class MethodWords:
    """The words for one explanation's numbers."""

    attributions: str
    """The name of the attributions, for example `Integrated Gradients`."""
    short: str
    """The same in a few letters, for example `IG`."""
    entry: str
    """The name of an entry of the matrix off its diagonal, for example `Γ`."""
    added: str
    """What a pair adds, in terms of its entry, for example `2Γ`."""
    of_pair: str
    """A sentence about what a pair adds."""
    of_row: str
    """How an attribution follows from the matrix; empty where it does not."""
    has_pairs: bool
    """Whether the method has interactions at all."""
    adds_up: bool
    """Whether pairs and diagonal sum to f(x) − f(x′)."""


_OTHERS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "shapley": ("Shapley values", "SV"),
        "sii": ("Shapley values", "SV"),
        "faith-shap": ("Faith-SHAP", "FS"),
        "archipelago": ("ArchAttribute", "AA"),
        "occlusion": ("Leave one out", "LOO"),
        "lime": ("LIME", "LIME"),
        "kernel-shap": ("KernelSHAP", "SHAP"),
    }
)


def method_words(explanation: Explanation) -> MethodWords:
    """What the numbers of an explanation are called."""
    if explanation.method == "ih":
        paper = explanation.quadrature.formulation == "paper"
        return MethodWords(
            "Integrated Gradients",
            "IG",
            "Γ",
            "2Γ",
            "The matrix holds each pair twice, so a pair adds 2Γ.",
            "the sum of its row" if paper else "",
            has_pairs=True,
            adds_up=paper,
        )
    attributions, short = _OTHERS.get(explanation.method, (explanation.method, explanation.method))
    method = METHODS.get(explanation.method)
    return MethodWords(
        attributions,
        short,
        "interaction",
        "interaction",
        "A pair adds its entry once.",
        "",
        has_pairs=method is None or method.pairs,
        adds_up=method is not None and method.matrix_complete,
    )
