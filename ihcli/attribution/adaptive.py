"""Adaptive integration of one matrix, in three parts: first-order phase, choice of nodes, verification.  NumPy only.

It requests evaluations and is sent them (a generator), so that it knows neither models nor memory, and the
integrations of many texts can share forward passes.
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
from ihcli.attribution.verification import FIRST_ORDER_SHARE, Refinement, Verification, largest, row_gap, total
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
    pace: Pace | None = None
    """What fits the time, where it is limited: the first matrix then has few enough nodes."""


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
    stopped: bool = False
    """Whether the time ended it before it met the tolerance or spent its nodes."""


@dataclass(frozen=True, slots=True)
class Complete:
    """A matrix at all nodes of a rule, which an integration that is stopped ends with."""

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
"""Times that nodes are placed: again only after the first-order samples were refined."""
LEAST_INTERVALS = 4
"""Intervals of the smallest matrix that a time limit leaves: a nested rule of half of them still shows a change."""
RESERVED = 0.9
"""The share of the time left that the first matrix may take, so that some remains for its verification."""


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
        self.complete: Complete | None = None
        """The last complete matrix."""
        self.fewest = LEAST_INTERVALS + 1
        """Nodes of the smallest first matrix, for what is said where not even that fits."""

    def steps(self) -> Asks[Integral]:
        """The integration; it ends when the tolerance is met, the nodes are spent, or it is stopped.

        Raises `TimeLimitError` where it is stopped before there is a matrix.
        """
        try:
            return (yield from self._steps())
        except Stopped:
            if self.complete is not None:
                return self._stopped(self.complete)
            assert self.settings.pace is not None  # noqa: S101  (who stops an integration gives it a pace)
            raise self.settings.pace.too_short(self.fewest, self.log.units) from None

    def _steps(self) -> Asks[Integral]:
        first = yield from self.phase.integrate(self.settings.tolerance / FIRST_ORDER_SHARE, placing=True)
        rule, intervals, hessians = yield from self._first_hessians(*self.choice.choose(first))
        t, w = rule.nodes(intervals)
        if not np.isfinite(hessians).all():  # at an end of the path: only rules with interior nodes remain
            self.choice = replace(self.choice, ends=False)
            rule, intervals, hessians = yield from self._first_hessians(*self.choice.choose(first))
            t, w = rule.nodes(intervals)
        placed, placements = first.intervals, 1
        while True:
            matrix = np.tensordot(w, hessians, axes=1)
            self.complete = Complete(first, rule, intervals, hessians, matrix)
            scale = largest(matrix, first)
            judged = first.error <= RESOLVED * scale or first.intervals >= MAX_FIRST_INTERVALS
            if judged:
                finer = refinement(rule, intervals, t)
                first, error = yield from self.verification.judge(first, rule, intervals, hessians, matrix, finer)
                self.complete = Complete(first, rule, intervals, hessians, matrix, error)
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

    def _first_hessians(self, rule: Rule, intervals: int) -> Asks[tuple[Rule, int, Array]]:
        """The Hessians of the chosen rule, or, where the time is limited, of as many of its intervals as fit.

        The node in the middle belongs to all of them and is evaluated first, so that the cost is known.
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
            if len(t) - 1 <= RESERVED * pace.hessians(self.log.units):
                break
        half = len(t) // 2
        rest = yield from self.log.hessian(np.delete(t, half))
        return rule, some, np.concatenate([rest[:half], middle, rest[half:]])

    def _stopped(self, complete: Complete) -> Integral:
        """The outcome of an integration that is stopped with this matrix.

        A matrix that was not verified is held to all of what the last doubling of its nodes changed.
        """
        first, matrix, error = complete.first, complete.matrix, complete.error
        trusted = error is not None or complete.intervals >= self.phase.plan.nested_from
        if error is None:
            rule, intervals = complete.rule, complete.intervals
            sharper = _at_once(self.phase.sharpened(first, rule, intervals, largest(matrix, first), 0.99 * first.error))
            first = first if sharper is None else sharper
            coarse = np.tensordot(rule.nodes(intervals // 2)[1], rule.half(complete.hessians), axes=1)
            error = max(float(np.abs(matrix - coarse).max()), row_gap(matrix, first))
        converged = trusted and self.verification.within(error + first.error, matrix, first)
        outcome = self.outcome(first, complete.rule.name, total(matrix, first), error, converged=converged)
        return replace(outcome, stopped=True)

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


def _at_once(asks: Asks[T]) -> T | None:
    """The result of a part of an integration that needs no evaluation; None where it requests one."""
    try:
        next(asks)
    except StopIteration as end:
        return cast("T", end.value)
    return None


def refinement(rule: Rule, intervals: int, t: Array) -> Refinement:
    """The halved step of a rule whose nodes t are evaluated."""
    finer_t, finer_w = rule.nodes(2 * intervals)
    return Refinement(finer_t, finer_w, is_new(finer_t, t))


def merged(old: Array, fresh: Array, finer: Refinement) -> Array:
    """Values at all nodes of the halved step, from those at old and at new nodes."""
    both = np.empty((len(finer.t), *old.shape[1:]))
    both[~finer.new], both[finer.new] = old, fresh
    return both
