"""Adaptive integration of one matrix, in three parts: first-order phase, choice of nodes, verification.  NumPy only.

It requests evaluations and is sent them (a generator), so that it knows neither models nor memory, and the
integrations of many texts can share forward passes.
"""

from dataclasses import dataclass, replace

import numpy as np

from ihcli.attribution.evaluation import Array, Asks
from ihcli.attribution.first_order import MAX_FIRST_INTERVALS, RESOLVED, FirstOrder, FirstOrderPhase
from ihcli.attribution.formulations import FORMULATIONS, Formulation
from ihcli.attribution.node_choice import NodeChoice
from ihcli.attribution.sampling import ANY_FUNCTION, EvaluationLog, SamplingPlan
from ihcli.attribution.verification import FIRST_ORDER_SHARE, Refinement, Verification, largest, total
from ihcli.quadrature.rules import Rule, is_new


@dataclass(frozen=True, slots=True)
class IntegrationSettings:
    """What an integration is asked for."""

    formulation: Formulation
    tolerance: float
    """Largest error, as a share of the largest entry."""
    max_nodes: int = 512
    """Most nodes with a whole Hessian."""
    seed: int = 0
    plan: SamplingPlan = ANY_FUNCTION
    double: bool = True
    """Whether F is evaluated in float64."""


@dataclass(frozen=True, slots=True)
class Integral:
    """The outcome: the matrix before it is made symmetric, and all that the certificate needs."""

    ig: Array
    f_input: float
    f_baseline: float
    matrix: Array
    row_sums: Array
    """The sums of its rows as first-order values give them."""
    quadrature_error: float
    first_order_error: float
    rule: str
    nodes: int
    products: int
    gradients: int
    converged: bool
    t: Array
    value: Array
    curvature: Array


def integrate_first_order(units: int, settings: IntegrationSettings) -> Asks[tuple[FirstOrder, int]]:
    """Integrated Gradients alone, to the tolerance of the largest entry, and the number of gradients."""
    log = EvaluationLog(units)
    phase = FirstOrderPhase(FORMULATIONS["article"], settings.plan, log, settings.double)
    tolerance = settings.tolerance
    first = yield from phase.integrate(tolerance)
    while first.error > tolerance * float(np.abs(first.ig).max()) and first.intervals < MAX_FIRST_INTERVALS:
        first = yield from phase.integrate(tolerance, float(np.abs(first.ig).max()), first)
    return first, log.gradients


MOST_PLACEMENTS = 3
"""Times that nodes are placed: again only after the first-order samples were refined."""


class AdaptiveIntegration:
    """One integration: places nodes, evaluates Hessians, halves the step until the verification passes."""

    def __init__(self, units: int, settings: IntegrationSettings, nested_units: int = 3) -> None:
        """Nothing evaluated yet; up to `nested_units` units the nested rule alone verifies."""
        self.settings = settings
        self.log = EvaluationLog(units)
        self.phase = FirstOrderPhase(settings.formulation, settings.plan, self.log, settings.double)
        probing = units > nested_units
        self.choice = NodeChoice(self.phase, settings.tolerance, settings.max_nodes, nested=not probing)
        rng = np.random.default_rng(settings.seed)
        self.verification = Verification(self.phase, self.log, settings.tolerance, rng, probing)

    def steps(self) -> Asks[Integral]:
        """The integration; it ends when the tolerance is met or the nodes are spent."""
        first = yield from self.phase.integrate(self.settings.tolerance / FIRST_ORDER_SHARE, placing=True)
        rule, intervals = self.choice.choose(first)
        t, w = rule.nodes(intervals)
        hessians = yield from self.log.hessian(t)
        if not np.isfinite(hessians).all():  # at an end of the path: only rules with interior nodes remain
            self.choice = replace(self.choice, ends=False)
            rule, intervals = self.choice.choose(first)
            t, w = rule.nodes(intervals)
            hessians = yield from self.log.hessian(t)
        placed, placements = first.intervals, 1
        while True:
            matrix = np.tensordot(w, hessians, axes=1)
            scale = largest(matrix, first)
            judged = first.error <= RESOLVED * scale or first.intervals >= MAX_FIRST_INTERVALS
            if judged:
                finer = refinement(rule, intervals, t)
                first, error = yield from self.verification.judge(first, rule, intervals, hessians, matrix, finer)
                converged = self.verification.within(error + first.error, matrix, first)
                if converged or self.log.nodes + int(finer.new.sum()) > self.settings.max_nodes:
                    return self.outcome(first, rule.name, total(matrix, first), error, converged=converged)
            else:  # entries cancel on the path, so the first estimate of their size was too large
                first = yield from self.phase.integrate(self.settings.tolerance, scale or 1.0, first, placing=True)
            if first.intervals > placed and placements < MOST_PLACEMENTS:
                placed, placements = first.intervals, placements + 1
                again = self.choice.foreseen(first, scale or None)
                if again is not None and self._affords(*again) and (again[1] <= intervals or not judged):
                    rule, intervals = again
                    t, w = rule.nodes(intervals)
                    hessians = yield from self.log.hessian(t)
                    continue
            if judged:
                hessians = merged(hessians, (yield from self.log.hessian(finer.t[finer.new])), finer)
                t, w, intervals = finer.t, finer.w, 2 * intervals

    def _affords(self, rule: Rule, intervals: int) -> bool:
        return self.log.nodes + len(rule.nodes(intervals)[0]) <= self.settings.max_nodes

    def outcome(self, first: FirstOrder, rule: str, matrix: Array, error: float, *, converged: bool) -> Integral:
        """The record of the integral and its cost."""
        t, value, curvature = (np.concatenate(column) for column in zip(*self.log.profile, strict=True))
        order = np.argsort(t, kind="stable")
        return Integral(
            ig=first.ig,
            f_input=float(first.samples.value[-1]),
            f_baseline=float(first.samples.value[0]),
            matrix=matrix,
            row_sums=first.row_sums,
            quadrature_error=error,
            first_order_error=first.error,
            rule=rule,
            nodes=self.log.nodes,
            products=self.log.products,
            gradients=self.log.gradients,
            converged=converged,
            t=t[order],
            value=value[order],
            curvature=curvature[order],
        )


def refinement(rule: Rule, intervals: int, t: Array) -> Refinement:
    """The halved step of a rule whose nodes t are evaluated."""
    finer_t, finer_w = rule.nodes(2 * intervals)
    return Refinement(finer_t, finer_w, is_new(finer_t, t))


def merged(old: Array, fresh: Array, finer: Refinement) -> Array:
    """Values at all nodes of the halved step, from those at old and at new nodes."""
    both = np.empty((len(finer.t), *old.shape[1:]))
    both[~finer.new], both[finer.new] = old, fresh
    return both
