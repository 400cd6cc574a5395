"""Which words act together: Integrated Hessians of text classifiers, certified to a tolerance.

`explain` takes a text, `integrated_gradients` and `integrated_hessians` take any differentiable function, and
`integrated_hessians_of_game` any function of sets.  Nothing heavy is imported before one of these names is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ihcli.attribution import integrated_gradients, integrated_hessians
    from ihcli.config import RunConfig
    from ihcli.errors import IhError
    from ihcli.pipeline import Explainer, explain
    from ihcli.removal.integrated_hessians import integrated_hessians_of_game
    from ihcli.results import Explanation

__version__ = "0.2.0"

__all__ = [
    "Explainer",
    "Explanation",
    "IhError",
    "RunConfig",
    "__version__",
    "explain",
    "integrated_gradients",
    "integrated_hessians",
    "integrated_hessians_of_game",
]

_HOMES = {
    "Explainer": "ihcli.pipeline",
    "Explanation": "ihcli.results",
    "IhError": "ihcli.errors",
    "RunConfig": "ihcli.config",
    "explain": "ihcli.pipeline",
    "integrated_gradients": "ihcli.attribution",
    "integrated_hessians": "ihcli.attribution",
    "integrated_hessians_of_game": "ihcli.removal.integrated_hessians",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
