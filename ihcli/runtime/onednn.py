"""Matrix products in single precision by oneDNN, on machines where PyTorch takes slower ones.

PyTorch uses MKL for them, which chooses its instructions by the processor's vendor: on an AMD processor with 512-bit
vectors it uses 256 bits (114 of 250 GFLOP/s on one core of the fifth EPYC generation). The replacement holds for the
whole process, so only processes that this package starts (workers, the command line) use it, within a block.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ihcli.runtime.malloc import held_memory

ACCURACY = 4.0
"""oneDNN's error may be this many times that of PyTorch's own product; with bfloat16 it is hundreds of times."""
_SAMPLE = (64, 384, 96)
_CPUINFO = Path("/proc/cpuinfo")


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X Wᵀ + b."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]  # noqa: SLF001


def pays() -> bool:
    """Whether oneDNN is faster here. The processor alone decides, so that a continued run gives the same numbers."""
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return False
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and _made_by_amd() and _exact()


def _made_by_amd() -> bool:
    try:
        return "AuthenticAMD" in _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return False


def _exact() -> bool:
    """Whether the operation exists and is as accurate as PyTorch's own product."""
    rows, inner, columns = _SAMPLE
    generator = torch.Generator().manual_seed(0)
    a, w = (torch.randn(n, inner, generator=generator) for n in (rows, columns))
    try:
        found = _linear(a, w, None)
    except (RuntimeError, AttributeError, NotImplementedError):  # another build of PyTorch
        return False
    exact = a.double() @ w.double().t()
    return float((found - exact).abs().max()) <= ACCURACY * float((a @ w.t() - exact).abs().max())


@contextmanager
def fast_products() -> Iterator[bool]:
    """Run `mm` and `addmm` of float32 on the CPU by oneDNN within the block, if that is faster; yields whether it is.

    Freed memory stays with the process within the block.
    """
    with held_memory():
        if not pays():
            yield False
            return
        with _replaced():
            yield True


@contextmanager
def _replaced() -> Iterator[None]:
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns that a kernel is replaced, which is intended
            library.impl("mm", _mm, "CPU")  # type: ignore[no-untyped-call]
            library.impl("addmm", _addmm, "CPU")  # type: ignore[no-untyped-call]
        yield
    finally:
        library._destroy()  # type: ignore[no-untyped-call]  # noqa: SLF001


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _fits(a, b):
        return _linear(a, b.t(), None)
    return torch.mm(a, b, out=a.new_empty(a.shape[0], b.shape[1]))


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if _fits(a, b) and bias.dim() == 1 and len(bias) == b.shape[1] and beta == 1 and alpha == 1:
        return _linear(a, b.t(), bias)
    return torch.addmm(bias, a, b, beta=beta, alpha=alpha, out=a.new_empty(a.shape[0], b.shape[1]))


def _fits(a: Tensor, b: Tensor) -> bool:
    # If there are gaps between the rows of the second factor, oneDNN uses its reference code (2,400 times slower).
    dense = b.is_contiguous() or b.t().is_contiguous()
    return dense and a.dtype == b.dtype == torch.float32 and a.shape[0] > 1 and a.shape[1] > 1 and b.shape[1] > 1
