"""What Hessians lose where the factors of matrix products are rounded: TF32, bfloat16, and bfloat16 in two parts.

``python -m tests.studies.lower_precision --out FILE`` integrates sentences with the bundled model at the default
tolerance.  Factors of the products in second derivatives are rounded before they are multiplied in single precision, as
units for TF32 and bfloat16 do; gradients are left as they are.  Errors are shares of the largest
entry, against the matrix without rounding.  One product of the size of the model is timed in both types.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ihcli.attribution.evaluation import Evaluations
from ihcli.attribution.forward import ForwardEngine
from ihcli.attribution.integrated import Interactions, integrate_paths
from ihcli.attribution.path import Path as TextPath
from ihcli.attribution.reverse import differentiable
from ihcli.pipeline import Explainer

TEXTS = (
    "this movie was not bad",
    "A charming disaster from start to finish",
    "Nobody who has seen the first film will be surprised that the second is neither funny nor clever , only longer",
)
aten = torch.ops.aten
PRODUCTS = {aten.mm: (0, 1), aten.bmm: (0, 1), aten.addmm: (1, 2), aten.baddbmm: (1, 2)}
"""Operations and the places of their factors."""
Rounding = Callable[[Tensor], Tensor]


def tf32(values: Tensor) -> Tensor:
    """Single precision rounded to the ten bits of a TF32 mantissa, halves to even."""
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


def bfloat16(values: Tensor) -> Tensor:
    """Single precision rounded to bfloat16."""
    return values.bfloat16().float()


class RoundedProducts(TorchDispatchMode):
    """Round the factors of matrix products; with `parts` each factor is the sum of two rounded parts.

    Of the four products of parts, that of both small parts is left out.
    """

    def __init__(self, rounding: Rounding, *, parts: bool = False) -> None:
        """Nothing is changed until the mode is entered."""
        super().__init__()
        self.rounding, self.parts, self.count = rounding, parts, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation, with rounded factors if it is a product."""
        kwargs = kwargs or {}
        places = PRODUCTS.get(getattr(func, "overloadpacket", None))
        if places is None:
            return func(*args, **kwargs)
        self.count += 1
        a, b = (args[place] for place in places)
        large_a, large_b = self.rounding(a), self.rounding(b)
        given = list(args)
        given[places[0]], given[places[1]] = large_a, large_b
        found = func(*given, **kwargs)
        if self.parts:
            small_a, small_b = self.rounding(a - large_a), self.rounding(b - large_b)
            small = torch.matmul(small_a, large_b) + torch.matmul(large_a, small_b)
            found.add_(small, alpha=kwargs.get("alpha", 1))
        return found


@dataclass(frozen=True, slots=True)
class Rounded(ForwardEngine):
    """The forward engine with Hessians under a mode."""

    mode: RoundedProducts | None = None

    def evaluate(self, path: TextPath, t: Tensor, order: int, vectors: Tensor | None = None) -> Evaluations:
        """As the engine does; the products of second derivatives are rounded."""
        if order == 1 or self.mode is None:
            return ForwardEngine.evaluate(self, path, t, order, vectors)
        with self.mode:
            return ForwardEngine.evaluate(self, path, t, order, vectors)


@differentiable
def integrated(explainer: Explainer, text: str, mode: RoundedProducts | None) -> Interactions:
    """The interactions of a text with products under a mode."""
    ready = explainer.prepare(text)
    own = explainer.engine(ready)
    assert isinstance(own, ForwardEngine)
    engine = Rounded(own.program, own.limit, own.reverse, mode=mode)
    (found,) = integrate_paths([ready.switched.paths], engine, explainer.options(ready))
    assert isinstance(found, Interactions)
    return found


def product_seconds(dtype: torch.dtype, size: tuple[int, int, int] = (2048, 384, 1536), repeats: int = 20) -> float:
    """The least seconds of one product of the size of a feed-forward layer of the bundled model."""
    n, k, m = size
    a, b = torch.randn(n, k).to(dtype), torch.randn(m, k).to(dtype)
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        torch.nn.functional.linear(a, b)
        taken.append(time.perf_counter() - started)
    return min(taken)


def main() -> None:
    """Print what each kind of product loses, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m tests.studies.lower_precision", description=__doc__)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    explainer, rows = Explainer(), []
    kinds: dict[str, Callable[[], RoundedProducts]] = {
        "TF32": lambda: RoundedProducts(tf32),
        "bfloat16": lambda: RoundedProducts(bfloat16),
        "bfloat16 in two parts": lambda: RoundedProducts(bfloat16, parts=True),
    }
    for text in TEXTS:
        exact = integrated(explainer, text, None)
        for name, mode in kinds.items():
            own = mode()
            found = integrated(explainer, text, own)
            rows.append({
                "text": text, "products": name, "rounded": own.count,
                "error": float(np.abs(found.ih - exact.ih).max() / np.abs(exact.ih).max()),
                "stated": found.certificate.quadrature_error / float(np.abs(found.ih).max()),
                "row_gap": found.certificate.row_gap / float(np.abs(found.ih).max()),
                "converged": found.certificate.converged, "hessians": found.quadrature.nodes,
                "hessians_unrounded": exact.quadrature.nodes,
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201
    seconds = {str(dtype).removeprefix("torch."): product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    print(json.dumps(seconds))  # noqa: T201
    if asked.out is not None:
        asked.out.write_text(json.dumps({"texts": rows, "product_seconds": seconds}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
