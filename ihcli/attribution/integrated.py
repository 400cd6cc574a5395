"""Integrated Gradients and Integrated Hessians of any differentiable function, with their certificate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution import adaptive, screening
from ihcli.attribution.evaluator import Engine, Evaluator, Progress, drive
from ihcli.attribution.footprint import Footprint
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine, ScalarField, differentiable
from ihcli.errors import UsageError
from ihcli.results import Certificate, PathProfile, Quadrature, frozen_array

Array = NDArray[np.float64]
FLOAT32_FLOOR = 3e-4
"""The smallest tolerance that single precision certifies; below it rounding, not the rule, may be the error.

On the study's texts float32 differs from float64 on the same nodes by up to 2e-5 of the largest entry; the estimate of
the error, a difference of such matrices summed over units, carries several times that.
"""
FLOAT32_ROUNDING = FLOAT32_FLOOR / 10
"""The least that the error of a matrix in single precision is said to be, as a share of the largest entry."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """Integrated Gradients `ig` (U,), f(x), f(x'), the completeness gap, the error estimate, the gradients spent."""

    ig: Array
    f_input: float
    f_baseline: float
    completeness_gap: float
    quadrature_error: float
    converged: bool
    gradients: int


@dataclass(frozen=True, slots=True)
class Interactions:
    """Integrated Gradients `ig` (U,) and Integrated Hessians `ih` (U, U), certified; in units of f."""

    ig: Array
    ih: Array
    f_input: float
    f_baseline: float
    certificate: Certificate
    quadrature: Quadrature
    path: PathProfile
    ih_spread: Array | None = None


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
    """Integrated Gradients, IG_u = Σ_{i∈u} δ_i ∫₀¹ ∂f/∂x_i(x' + tδ) dt (Sundararajan, Taly, Yan 2017).

    `f` maps (B, *S) to (B,), row by row; `x` and `baseline` are (*S); `groups` gives the unit of each position over
    leading dimensions of S (-1 for none), by default every element is a unit.  Clenshaw-Curtis steps are doubled until
    the error is at most `tolerance` times the largest entry.  Raises `UsageError`, `NonFiniteError`, `DeviceError`.
    """
    check_tolerance(tolerance, x.dtype)
    path = Path.between(x, baseline, groups)
    steps = adaptive.integrate_first_order(path.units, tolerance)
    found = drive(steps, Evaluator(path, ReverseEngine(f), Footprint.measure(f, path, memory)))
    f_input, f_baseline = float(found.samples.value[-1]), float(found.samples.value[0])
    return Gradients(
        ig=frozen_array(found.ig),
        f_input=f_input,
        f_baseline=f_baseline,
        completeness_gap=abs(float(found.ig.sum()) - (f_input - f_baseline)),
        quadrature_error=found.error,
        converged=found.error <= tolerance * float(np.abs(found.ig).max()),
        gradients=len(found.samples.value),
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
    """Integrated Hessians (Janizek, Sturmfels, Lee, JMLR 2021), as one integral.

    Γ_uv = ∫₀¹ -t ln t H_uv(t) dt + [u = v] ∫₀¹ -ln t g_u(t) dt, with H_uv(t) = Σ_{i∈u, j∈v} δ_i ∂²f/∂x_i∂x_j δ_j at
    γ(t) = x' + tδ, which is the paper's double integral over α, β with t = αβ.  Σ_v Γ_uv = IG_u and
    Σ_uv Γ_uv = f(x) - f(x').

    `f` maps (B, *S) to (B,), row by row, twice differentiable; `x` is (*S); `baseline` is (*S), or several of them
    (Expected Hessians: the mean, with the standard deviation in `ih_spread`); `groups` gives the unit of each position
    over leading dimensions of S, -1 for none, by default every element is a unit.  Every entry is off by at most
    `tolerance` times the largest, or the certificate says that it did not converge.  `formulation` is `paper`,
    `article` (kernel -ln t, no diagonal term) or `article-code` (uniform mean, ones in place of δ on the left, not
    symmetric by nature).  With `top`, only rows that can hold one of so many strongest pairs are computed, the others
    are NaN (see `screening` for the rule).  `memory` is in bytes.  Raises `UsageError`, `NonFiniteError` and
    `DeviceError`.
    """
    check_tolerance(tolerance, x.dtype)
    if formulation not in adaptive.FORMULATIONS:
        message = f"formulation is {formulation!r}; it must be one of {', '.join(adaptive.FORMULATIONS)}."
        raise UsageError(message)
    if max_nodes < 1:
        message = f"max_nodes is {max_nodes}; it must be at least 1."
        raise UsageError(message)
    paths = [Path.between(x, b, groups) for b in ([baseline] if isinstance(baseline, Tensor) else baseline)]
    if not paths:
        message = "No baseline was given; at least one is needed."
        raise UsageError(message)
    form = adaptive.FORMULATIONS[formulation]
    if top is not None and (top < 1 or form.ones_left or len(paths) > 1):
        message = (
            f"top is {top}, with {len(paths)} baselines and formulation {formulation}; it must be at least 1, and "
            "works with one baseline and a symmetric formulation (paper, article)."
        )
        raise UsageError(message)
    integrals, screened = [], False
    for index, path in enumerate(paths):
        footprint = Footprint.measure(f, path, memory)
        left = torch.ones_like(path.delta) if form.ones_left else None
        evaluator = Evaluator(path, ReverseEngine(f), footprint, engine, left, progress)
        screened = top is not None and path.units > screening.LEAST_UNITS
        if screened:
            steps = screening.integrate_top(path.units, form, tolerance, max_nodes, top or 1, seed)
        else:
            steps = adaptive.integrate(path.units, form, tolerance, max_nodes, seed + index, evaluator.refined_units)
        integrals.append(drive(steps, evaluator))
    name = "reverse" if engine is None or form.ones_left or screened else engine.name
    return _combine(integrals, form, tolerance, name, x.dtype)


def _combine(
    integrals: Sequence[adaptive.Integral],
    form: adaptive.Formulation,
    tolerance: float,
    engine: str,
    dtype: torch.dtype,
) -> Interactions:
    """The mean over the baselines and one certificate for it; errors of a mean are at most the mean of the errors."""
    raw = np.mean([i.matrix for i in integrals], axis=0)
    matrix = raw if form.ones_left else (raw + raw.T) / 2  # rows that were not computed are NaN
    ig = np.mean([i.ig for i in integrals], axis=0)
    rows = np.mean([i.row_sums for i in integrals], axis=0)
    f_input = float(integrals[0].f_input)
    f_baseline = float(np.mean([i.f_baseline for i in integrals]))
    scale = float(np.nanmax(np.abs(matrix)))
    rounding = FLOAT32_ROUNDING * scale if dtype == torch.float32 else 0.0
    error = max(float(np.mean([i.quadrature_error for i in integrals])), rounding)
    row_gap = float(np.nanmax(np.abs(matrix.sum(1) - rows)))
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
    )


def check_tolerance(tolerance: float, dtype: torch.dtype) -> None:
    """Raise `UsageError` for a tolerance that is none, or that the precision cannot certify."""
    if not 0 < tolerance <= 1:
        message = f"tolerance is {tolerance}; it must be above 0 and at most 1 (a share of the largest entry)."
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
