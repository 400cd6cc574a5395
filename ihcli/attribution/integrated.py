"""Integrated Gradients and Integrated Hessians of any differentiable function, with their certificate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution.adaptive import AdaptiveIntegration, Integral, IntegrationSettings, integrate_first_order
from ihcli.attribution.cost import LEAST_UNITS
from ihcli.attribution.evaluation import Engine, Progress, ScalarField
from ihcli.attribution.formulations import FORMULATIONS, Formulation
from ihcli.attribution.orchestration import Integration, run
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine, differentiable
from ihcli.attribution.sampling import ANY_FUNCTION, SamplingPlan
from ihcli.attribution.screening import Screening
from ihcli.attribution.time_limit import Pace, TimeLimit
from ihcli.errors import IhError, NonFiniteError, TimeLimitError, UsageError
from ihcli.results import Certificate, PathProfile, Quadrature, frozen_array

Array = NDArray[np.float64]
FLOAT32_FLOOR = 3e-4
"""The smallest tolerance that single precision certifies; below it, rounding may exceed the error of the rule.

On the texts of the study, float32 differs from float64 on the same nodes by up to 2e-5 of the largest entry. The
estimated error is a difference of such matrices, summed over units, so its rounding is several times larger.
"""
FLOAT32_ROUNDING = FLOAT32_FLOOR / 10
"""The smallest error that is stated for a matrix in single precision, as a share of the largest entry."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """Integrated Gradients with their error estimate; values are in units of f."""

    ig: Array
    """Attributions (U,)."""
    f_input: float
    """f(x)."""
    f_baseline: float
    """f(x')."""
    completeness_gap: float
    """|Σ_u IG_u - (f(x) - f(x'))|."""
    quadrature_error: float
    """Estimated error of the attribution with the largest error."""
    converged: bool
    """Whether the error is at most the tolerance times the largest attribution."""
    gradients: int
    """Gradients evaluated."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """Integrated Gradients and Integrated Hessians with their certificate; values are in units of f."""

    ig: Array
    """Attributions (U,): the sums of the matrix's rows."""
    ih: Array
    """The matrix Γ (U, U)."""
    f_input: float
    """f(x)."""
    f_baseline: float
    """f(x'), the mean over several baselines."""
    certificate: Certificate
    """Gaps and estimated errors of the matrix."""
    quadrature: Quadrature
    """How the integral was taken and what it cost."""
    path: PathProfile
    """f and the size of H along the path (of the first baseline)."""
    ih_spread: Array | None = None
    """Standard deviation of each entry over several baselines (U, U)."""
    stopped: bool = False
    """Whether a time limit ended it before it met the tolerance or used up its nodes."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one or several integrations."""

    tolerance: float = 0.01
    """Largest error of an entry as a share of the largest entry."""
    formulation: str = "paper"
    """Name of the definition of the matrix, in `FORMULATIONS`."""
    max_nodes: int = 512
    """Largest number of Hessians of one path."""
    top: int | None = None
    """K, to compute only the entries of the units of the K strongest pairs; None for all entries."""
    seed: int = 0
    """Of the signs of the probe vectors that verify the matrix."""
    plan: SamplingPlan = ANY_FUNCTION
    """How many nodes to begin with, and where."""

    def require_valid(self, dtype: torch.dtype) -> None:
        """Raise `UsageError` for an option outside what is allowed."""
        check_tolerance(self.tolerance, dtype)
        if not isinstance(self.formulation, str) or self.formulation not in FORMULATIONS:
            message = f"formulation is {self.formulation!r}; it must be one of {', '.join(FORMULATIONS)}."
            raise UsageError(message)
        for name, value in (("max_nodes", self.max_nodes), ("top", self.top)):
            if value is not None or name == "max_nodes":
                require_integer(name, value)
        if self.max_nodes < 1:
            message = f"max_nodes is {self.max_nodes}; it must be at least 1."
            raise UsageError(message)

    def require_top(self, baselines: int) -> None:
        """Raise `UsageError` if `top` is not possible with the other settings."""
        if self.top is None:
            return
        if self.top < 1 or FORMULATIONS[self.formulation].ones_left or baselines > 1:
            message = (
                f"top is {self.top}, with {baselines} baselines and formulation {self.formulation}; it must be at "
                "least 1, and works with one baseline and a symmetric formulation (paper, article)."
            )
            raise UsageError(message)


@differentiable
def integrated_gradients(
    f: ScalarField,
    x: Tensor,
    baseline: Tensor,
    groups: Tensor | None = None,
    *,
    tolerance: float = 0.01,
    memory: int | None = None,
) -> Gradients:
    """Integrated Gradients of a differentiable function, to a tolerance (Sundararajan, Taly, Yan 2017).

    IG_u = Σ_{i∈u} δ_i ∫₀¹ ∂f/∂x_i(x' + tδ) dt with δ = x - x'. Clenshaw-Curtis steps are halved until the error is at
    most `tolerance` times the largest entry, and gradients at points that belong to no nested rule agree.

    Args:
        f: Maps a batch (B, *S) to scores (B,), row by row.
        x: The input (*S), float32 or float64.
        baseline: The baseline x' (*S).
        groups: The unit of each position, integers over leading dimensions of S, -1 for none; by default every element
            is a unit.
        tolerance: Largest error as a share of the largest entry, in (0, 1].
        memory: Bytes that may be used; by default a safe share of the free memory.

    Returns:
        A `Gradients` record with `ig` (U,), in units of f.

    Raises:
        UsageError: An argument is of the wrong type, shape or size.
        NonFiniteError: f or its gradient is NaN or infinite on the path.
        DeviceError: One node does not fit the memory.

    Example:
        >>> import torch
        >>> result = integrated_gradients(lambda x: x[:, 0] * x[:, 1], torch.tensor([3.0, 2.0]), torch.zeros(2))
        >>> result.ig.round(3).tolist()
        [3.0, 3.0]
    """
    _require_callable("f", f)
    require_tensors(x, [baseline], groups)
    check_tolerance(tolerance, x.dtype)
    _require_memory(memory)
    path = Path.between(x, baseline, groups)
    settings = IntegrationSettings(FORMULATIONS["article"], tolerance, double=x.dtype == torch.float64)
    engine = ReverseEngine(f, memory)
    engine.footprint(path)
    (outcome,) = run([Integration(integrate_first_order(path.units, settings), path)], engine)
    if isinstance(outcome, IhError):
        raise outcome
    first, gradients = outcome
    f_input, f_baseline = float(first.samples.value[-1]), float(first.samples.value[0])
    return Gradients(
        ig=frozen_array(first.ig),
        f_input=f_input,
        f_baseline=f_baseline,
        completeness_gap=abs(float(first.ig.sum()) - (f_input - f_baseline)),
        quadrature_error=first.error,
        converged=first.error <= tolerance * float(np.abs(first.ig).max()),
        gradients=gradients,
    )


@differentiable
def integrated_hessians(
    f: ScalarField,
    x: Tensor,
    baseline: Tensor | Sequence[Tensor],
    groups: Tensor | None = None,
    *,
    tolerance: float = 0.01,
    formulation: str = "paper",
    max_nodes: int = 512,
    top: int | None = None,
    memory: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Interactions:
    """Integrated Hessians of a differentiable function, certified to a tolerance (Janizek, Sturmfels, Lee, JMLR 2021).

    Γ_uv = ∫₀¹ -t ln t H_uv(t) dt + [u = v] ∫₀¹ -ln t g_u(t) dt, with g_u(t) = Σ_{i∈u} δ_i·∇_i f,
    H_uv(t) = Σ_{i∈u, j∈v} δ_iᵀ ∇²_ij f δ_j at γ(t) = x' + tδ: the paper's double integral over α, β with t = αβ.
    Σ_v Γ_uv = IG_u and Σ_uv Γ_uv = f(x) - f(x').

    Args:
        f: Maps a batch (B, *S) to scores (B,), row by row, twice differentiable.
        x: The input (*S), float32 or float64.
        baseline: The baseline x' (*S), or several: Expected Hessians, the mean, with the standard deviation in
            `ih_spread`.
        groups: The unit of each position, integers over leading dimensions of S, -1 for none; by default every element
            is a unit.
        tolerance: Largest error of an entry, as a share of the largest entry, in (0, 1]; in float32 at least 3e-4.
        formulation: `paper` (above), `article` (kernel -ln t, no diagonal term) or `article-code` (uniform mean, ones
            in place of δ on the left, not symmetric).
        max_nodes: Most nodes with a whole Hessian, for each baseline.
        top: K, to compute only the entries of the units of the K strongest pairs, where there are over 64 units; each
            of these pairs is missed with a probability of at most about 1 % / K, and other entries are NaN.
        memory: Bytes that may be used; by default a safe share of the free memory.
        seed: Seed of the sign vectors that verify the matrix.
        engine: Evaluates f and its derivatives; by default reverse over reverse.
        progress: Called as (phase, nodes done, nodes of the phase).

    Returns:
        An `Interactions` record with `ih` (U, U), `ig` (U,) and `certificate`, in units of f.

    Raises:
        UsageError: An argument is of the wrong type, shape or size.
        NonFiniteError: f or a derivative is NaN or infinite on the path.
        DeviceError: One row of one node does not fit the memory.

    Example:
        >>> import torch
        >>> result = integrated_hessians(lambda x: x[:, 0] * x[:, 1], torch.tensor([3.0, 2.0]), torch.zeros(2))
        >>> result.ih.round(3).tolist()
        [[1.5, 1.5], [1.5, 1.5]]
        >>> result.certificate.converged
        True
    """
    baselines = [baseline] if isinstance(baseline, Tensor) else baseline
    _require_callable("f", f)
    baselines = require_tensors(x, baselines, groups)
    options = Options(tolerance, formulation, max_nodes, top, require_integer("seed", seed))
    options.require_valid(x.dtype)
    _require_memory(memory)
    if progress is not None:
        _require_callable("progress", progress)
    if engine is not None and not hasattr(engine, "nodes_at_once"):
        message = f"engine is {_named(engine)}; it must evaluate f as `ihcli.attribution.reverse.ReverseEngine` does."
        raise UsageError(message)
    paths = [Path.between(x, own, groups) for own in baselines]
    with _fused_attention_named():
        if engine is None:
            engine = ReverseEngine(f, memory)
            engine.footprint(paths[0])
        (outcome,) = integrate_paths([paths], engine, options, progress)
    if isinstance(outcome, IhError):
        raise outcome
    return outcome


def integrate_paths(
    tasks: Sequence[Sequence[Path]],
    engine: Engine,
    options: Options,
    progress: Progress | None = None,
    limit: TimeLimit | None = None,
    afterwards: float = 0.0,
) -> list[Interactions | NonFiniteError | TimeLimitError]:
    """The interactions of each task, the mean over its paths (one a baseline); all paths have one shape.

    All of them share the time of `limit`, and leave enough of it for so many gradients `afterwards`. NaN on a path, or
    a time that is too short for a first matrix, is the outcome of that task alone. Raises `UsageError` for an invalid
    option and `DeviceError` for too little memory.
    """
    if not tasks:
        return []
    dtype = tasks[0][0].delta.dtype
    options.require_valid(dtype)
    form = FORMULATIONS[options.formulation]
    integrations: list[Integration[Integral]] = []
    positions = tasks[0][0].groups.numel()
    pace = Pace(limit or TimeLimit(), engine.name, positions, sum(len(paths) for paths in tasks), afterwards)
    for paths in tasks:
        options.require_top(len(paths))
        for index, path in enumerate(paths):
            settings = IntegrationSettings(
                form,
                options.tolerance,
                options.max_nodes,
                options.seed + index,
                options.plan,
                dtype == torch.float64,
                pace,
            )
            steps = (
                Screening(path.units, settings, options.top or 1, engine.nested_units)
                if options.top is not None and path.units > LEAST_UNITS
                else AdaptiveIntegration(path.units, settings, 3 if form.ones_left else engine.nested_units)
            )
            left = torch.ones_like(path.delta) if form.ones_left else None
            own = path if left is None else Path(
                path.start, path.delta, path.groups, path.units, path.parameters, left
            )  # fmt: skip
            integrations.append(Integration(steps.steps(), own))
    finished = run(integrations, engine, progress, pace)
    outcomes = iter(finished)
    results: list[Interactions | NonFiniteError | TimeLimitError] = []
    for paths in tasks:
        integrals = [next(outcomes) for _ in paths]
        error = next((one for one in integrals if isinstance(one, NonFiniteError | TimeLimitError)), None)
        good = [one for one in integrals if isinstance(one, Integral)]
        name = "reverse" if form.ones_left else engine.name
        results.append(_combined(good, form, options.tolerance, name, dtype) if error is None else error)
    return results


def _combined(
    integrals: Sequence[Integral], form: Formulation, tolerance: float, engine: str, dtype: torch.dtype
) -> Interactions:
    """The mean over the baselines and its certificate; the error of a mean is at most the mean of the errors."""
    raw = np.mean([i.matrix for i in integrals], axis=0)
    matrix = raw if form.ones_left else (raw + raw.T) / 2  # rows that were not computed are NaN
    ig = np.mean([i.ig for i in integrals], axis=0)
    rows = np.mean([i.row_sums for i in integrals], axis=0)
    f_input = float(integrals[0].f_input)
    f_baseline = float(np.mean([i.f_baseline for i in integrals]))
    scale = float(np.nanmax(np.abs(matrix)))
    rounding = FLOAT32_ROUNDING * scale if dtype == torch.float32 else 0.0
    error = max(float(np.mean([i.quadrature_error + i.first_order_error for i in integrals])), rounding)
    gaps = np.abs(matrix.sum(1) - rows)
    row_gap = integrals[0].row_gap if np.isnan(gaps).all() else float(np.nanmax(gaps))  # NaN: only some entries
    first = integrals[0]
    certificate = Certificate(
        completeness_gap=abs(float(matrix.sum()) - (f_input - f_baseline)),
        row_gap=row_gap,
        asymmetry=float(np.nanmax(np.abs(raw - raw.T))),
        quadrature_error=error,
        surrogate_gap=None,
        tolerance=tolerance,
        converged=all(i.converged for i in integrals) and max(error, row_gap) <= tolerance * scale,
    )
    return Interactions(
        ig=frozen_array(ig),
        ih=frozen_array(matrix),
        f_input=f_input,
        f_baseline=f_baseline,
        certificate=certificate,
        quadrature=Quadrature(
            rule=first.rule,
            formulation=form.name,
            nodes=sum(i.nodes for i in integrals),
            hessian_vector_products=sum(i.products for i in integrals),
            gradients=sum(i.gradients for i in integrals),
            engine=engine,
        ),
        path=PathProfile(frozen_array(first.t), frozen_array(first.value), frozen_array(first.curvature)),
        ih_spread=frozen_array(np.std([i.matrix for i in integrals], axis=0)) if len(integrals) > 1 else None,
        stopped=any(i.stopped for i in integrals),
    )


def require_tensors(x: object, baselines: object, groups: object) -> list[Tensor]:
    """Raise `UsageError` unless x and the baselines are real tensors and groups a tensor or None."""
    if not isinstance(x, Tensor) or x.is_complex():
        message = f"x is {_named(x)}; it must be a real floating-point torch.Tensor."
        raise UsageError(message)
    if not isinstance(baselines, Sequence) or isinstance(baselines, (str, bytes)):
        message = f"baseline is {_named(baselines)}; it must be a torch.Tensor or a sequence of them."
        raise UsageError(message)
    for baseline in baselines:
        if not isinstance(baseline, Tensor):
            message = f"baseline is {_named(baseline)}; it must be a torch.Tensor like x."
            raise UsageError(message)
    if not baselines:
        message = "No baseline was given; at least one is needed."
        raise UsageError(message)
    if groups is not None and not isinstance(groups, Tensor):
        message = f"groups is {_named(groups)}; it must be an integer torch.Tensor or None."
        raise UsageError(message)
    return list(baselines)


def require_integer(name: str, value: object) -> int:
    """Raise `UsageError` unless a value is an integer of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        message = f"{name} is {value!r}; it must be an integer of at least 0."
        raise UsageError(message)
    return int(value)


def check_tolerance(tolerance: object, dtype: torch.dtype) -> None:
    """Raise `UsageError` for a tolerance outside (0, 1], or below what the precision can certify."""
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float, np.number)) or not 0 < tolerance <= 1:
        message = (
            f"tolerance is {tolerance!r}; it must be a number above 0 and at most 1 (a share of the largest entry)."
        )
        raise UsageError(message)
    if dtype == torch.float32 and tolerance < FLOAT32_FLOOR:
        message = (
            f"tolerance {tolerance} cannot be certified in float32, whose rounding (up to {FLOAT32_ROUNDING:g} of the "
            f"largest entry) is too near to it. Use float64 (--dtype float64), or {FLOAT32_FLOOR:g} or more."
        )
        raise UsageError(message)
    if dtype not in {torch.float32, torch.float64}:
        message = f"x is {dtype}; second derivatives need float32 or float64."
        raise UsageError(message)


def _require_callable(name: str, value: object) -> None:
    if not callable(value):
        message = f"{name} is {_named(value)}; it must be a function."
        raise UsageError(message)


def _require_memory(memory: object) -> None:
    """Raise `UsageError` unless a number of bytes is a whole number of at least 1, or None."""
    whole = isinstance(memory, (int, np.integer)) and not isinstance(memory, bool)
    if memory is not None and not (whole and int(memory) >= 1):  # type: ignore[call-overload]
        message = f"memory is {memory!r:.40}; it must be a whole number of bytes of at least 1, or None."
        raise UsageError(message)


@contextmanager
def _fused_attention_named() -> Iterator[None]:
    """Raise `UsageError` with the setting to change if f computes attention by a kernel without second derivatives."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "attention" not in str(error).lower():
            raise
        message = (
            f"f computes fused attention, which has no second derivatives ({str(error).splitlines()[0]:.200}). Load "
            'the model with attn_implementation="eager" or call model.set_attn_implementation("eager"); where the code '
            "is your own, call f under torch.nn.attention.sdpa_kernel(SDPBackend.MATH)."
        )
        raise UsageError(message) from error


def _named(value: object) -> str:
    return f"a complex tensor ({value.dtype})" if isinstance(value, Tensor) else f"a {type(value).__name__}"
