"""Adaptive integration of one matrix, in three parts: first-order phase, choice of nodes, verification. NumPy only.

An integration is a generator that yields requests for evaluations and is sent the results. It therefore knows neither
models nor memory, and the integrations of many texts can share forward passes.
"""

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from ihcli.attribution.evaluation import Array, Asks, T
from ihcli.attribution.first_order import MAX_FIRST_INTERVALS, RESOLVED, FirstOrder, FirstOrderPhase
from ihcli.attribution.formulations import FORMULATIONS, Formulation
from ihcli.attribution.node_choice import NodeChoice
from ihcli.attribution.sampling import ANY_FUNCTION, EvaluationLog, SamplingPlan
from ihcli.attribution.time_limit import Pace, Stopped
from ihcli.attribution.verification import FIRST_ORDER_SHARE, Refinement, Verification, total
from ihcli.quadrature.rules import Rule, is_new


@dataclass(frozen=True, slots=True)
class IntegrationSettings:
    """The settings of one integration."""

    formulation: Formulation
    tolerance: float
    """Largest error, as a share of the largest entry."""
    max_nodes: int = 512
    """Most nodes with a whole Hessian."""
    seed: int = 0
    plan: SamplingPlan = ANY_FUNCTION
    double: bool = True
    """Whether F is evaluated in float64."""
    pace: Pace | None = None
    """Measures what fits a limited time, by which the number of nodes of the first matrix is chosen."""


@dataclass(frozen=True, slots=True)
class Integral:
    """The result of an integration: the matrix before it is made symmetric, and what the certificate needs."""

    ig: Array
    f_input: float
    f_baseline: float
    matrix: Array
    row_sums: Array
    """The sums of its rows (U,), known from first-order values."""
    row_gap: float
    """The largest error of a row."""
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
    stopped: bool = False
    """Whether a time limit ended it before it met the tolerance or used up its nodes."""


@dataclass(frozen=True, slots=True)
class Complete:
    """A matrix computed at all nodes of a rule: the result of an integration that is stopped."""

    first: FirstOrder
    rule: Rule
    intervals: int
    hessians: Array
    matrix: Array
    error: float | None = None
    """Its estimated error; None until it was verified."""


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
"""How often nodes are placed at most. They are placed again only after the first-order samples were refined."""
LEAST_INTERVALS = 4
"""Intervals of the smallest matrix under a time limit. Its nested rule, with half of them, still shows a change."""
RESERVED = 0.9
"""The share of the time left that the first matrix may take; the rest is for its verification."""


class AdaptiveIntegration:
    """One integration: it places nodes, evaluates Hessians, and halves the step until the verification passes."""

    def __init__(self, units: int, settings: IntegrationSettings, nested_units: int = 3) -> None:
        """Evaluate nothing yet. Up to `nested_units` units, the nested rule alone verifies the matrix."""
        self.settings = settings
        self.log = EvaluationLog(units)
        self.phase = FirstOrderPhase(settings.formulation, settings.plan, self.log, settings.double)
        probing = units > nested_units
        self.choice = NodeChoice(self.phase, settings.tolerance, settings.max_nodes, nested=not probing)
        rng = np.random.default_rng(settings.seed)
        self.verification = Verification(self.phase, self.log, settings.tolerance, rng, probing)
        self.complete: Complete | None = None
        """The last complete matrix."""
        self.fewest = LEAST_INTERVALS + 1
        """Nodes of the smallest first matrix, named in the error where not even that fits the time."""

    def steps(self) -> Asks[Integral]:
        """The integration. It ends when the tolerance is met, the nodes are used up, or it is stopped.

        Raises `TimeLimitError` if it is stopped before there is a matrix.
        """
        try:
            return (yield from self._steps())
        except Stopped:
            if self.complete is not None:
                return self._stopped(self.complete)
            assert self.settings.pace is not None  # noqa: S101  (only an integration with a pace is stopped)
            raise self.settings.pace.too_short(self.fewest, self.log.told_apart) from None

    def _steps(self) -> Asks[Integral]:
        first = yield from self.phase.integrate(self.settings.tolerance / FIRST_ORDER_SHARE, placing=True)
        return (yield from self._certified(first))

    def _certified(self, first: FirstOrder) -> Asks[Integral]:
        """Place nodes, evaluate Hessians and verify the matrix; halve the step if needed."""
        rule, intervals, hessians = yield from self._first_hessians(*self.choice.choose(first))
        t, w = rule.nodes(intervals)
        if not np.isfinite(hessians).all():  # at an end of the path, so only rules with interior nodes can be used
            self.choice = replace(self.choice, ends=False)
            rule, intervals, hessians = yield from self._first_hessians(*self.choice.choose(first))
            t, w = rule.nodes(intervals)
        placed, placements = first.intervals, 1
        while True:
            matrix = np.tensordot(w, hessians, axes=1)
            self.complete, self.log.refines = Complete(first, rule, intervals, hessians, matrix), True
            first = yield from self._resolved(first, self.verification.largest(matrix, first))
            finer = refinement(rule, intervals, t)
            first, error = yield from self.verification.judge(first, rule, intervals, hessians, matrix, finer)
            self.complete = Complete(first, rule, intervals, hessians, matrix, error)
            converged = self.verification.within(error + first.error, matrix, first)
            outcome = self.outcome(first, rule.name, matrix, error, converged=converged)
            if converged:
                return outcome
            if first.intervals > placed and placements < MOST_PLACEMENTS:
                placed, placements = first.intervals, placements + 1
                again = self.choice.foreseen(first, self.verification.largest(matrix, first) or None)
                if again is not None and self._affords(*again) and again[1] <= intervals:  # no more than halving costs
                    rule, intervals = again
                    t, w = rule.nodes(intervals)
                    hessians = yield from self.log.hessian(t)
                    continue
            if self.log.nodes + int(finer.new.sum()) > self.settings.max_nodes:
                return outcome
            hessians = merged(hessians, (yield from self.log.hessian(finer.t[finer.new])), finer)
            t, w, intervals = finer.t, finer.w, 2 * intervals

    def _resolved(self, first: FirstOrder, scale: float) -> Asks[FirstOrder]:
        """First-order values that resolve the path at the scale of the matrix.

        Where entries cancel along the path, the scale that was estimated without a matrix is too large.
        """
        if first.error <= RESOLVED * scale or first.intervals >= MAX_FIRST_INTERVALS:
            return first
        return (yield from self.phase.integrate(self.settings.tolerance, scale or 1.0, first, placing=True))

    def _first_hessians(self, rule: Rule, intervals: int) -> Asks[tuple[Rule, int, Array]]:
        """The Hessians of the chosen rule or, where time is limited, of the same rule with as many intervals as fit.

        The middle node belongs to the rule with any of these numbers; it is evaluated first, to measure the cost.
        """
        pace = self.settings.pace
        if pace is None or pace.limit.seconds is None:
            return rule, intervals, (yield from self.log.hessian(rule.nodes(intervals)[0]))
        least = rule.nodes(LEAST_INTERVALS)[0]
        self.fewest = len(least)
        middle = yield from self.log.hessian(least[len(least) // 2 : len(least) // 2 + 1])
        fitting = [n for n in (*self.phase.plan.ladder, 6) if n < intervals and n % 2 == 0]
        for some in (intervals, *sorted(fitting, reverse=True), LEAST_INTERVALS):
            t = rule.nodes(some)[0]
            if len(t) - 1 <= RESERVED * pace.hessians(self.log.told_apart):
                break
        half = len(t) // 2
        rest = yield from self.log.hessian(np.delete(t, half))
        return rule, some, np.concatenate([rest[:half], middle, rest[half:]])

    def _stopped(self, complete: Complete) -> Integral:
        """The result of an integration that is stopped with this matrix.

        The error of a matrix that was not verified is all that the last doubling of its nodes changed.
        """
        first, matrix, error = complete.first, complete.matrix, complete.error
        trusted = error is not None or complete.intervals >= self.phase.plan.nested_from
        if error is None:
            rule, intervals = complete.rule, complete.intervals
            scale = self.verification.largest(matrix, first)
            sharper = _at_once(self.phase.sharpened(first, rule, intervals, scale, 0.99 * first.error))
            first = first if sharper is None else sharper
            coarse = np.tensordot(rule.nodes(intervals // 2)[1], rule.half(complete.hessians), axes=1)
            error = max(self.verification.change(matrix, coarse), self.verification.row_gap(matrix, first))
        converged = trusted and self.verification.within(error + first.error, matrix, first)
        outcome = self.outcome(first, complete.rule.name, matrix, error, converged=converged)
        return replace(outcome, stopped=True)

    def _affords(self, rule: Rule, intervals: int) -> bool:
        return self.log.nodes + len(rule.nodes(intervals)[0]) <= self.settings.max_nodes

    def outcome(self, first: FirstOrder, rule: str, matrix: Array, error: float, *, converged: bool) -> Integral:
        """The record of the integral and its cost; the matrix is without the diagonal's first-order term."""
        t, value, curvature = (np.concatenate(column) for column in zip(*self.log.profile, strict=True))
        order = np.argsort(t, kind="stable")
        return Integral(
            ig=first.ig,
            f_input=float(first.samples.value[-1]),
            f_baseline=float(first.samples.value[0]),
            matrix=total(matrix, first, self.verification.chosen),
            row_sums=first.row_sums,
            row_gap=self.verification.row_gap(matrix, first),
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


def _at_once(asks: Asks[T]) -> T | None:
    """The result of a part of an integration, if it needs no evaluation; None if it requests one."""
    try:
        next(asks)
    except StopIteration as end:
        return cast("T", end.value)
    return None


def refinement(rule: Rule, intervals: int, t: Array) -> Refinement:
    """The nodes and weights of the halved step of a rule whose nodes t were evaluated."""
    finer_t, finer_w = rule.nodes(2 * intervals)
    return Refinement(finer_t, finer_w, is_new(finer_t, t))


def merged(old: Array, fresh: Array, finer: Refinement) -> Array:
    """Values at all nodes of the halved step, from those at old and at new nodes."""
    both = np.empty((len(finer.t), *old.shape[1:]))
    both[~finer.new], both[finer.new] = old, fresh
    return both
