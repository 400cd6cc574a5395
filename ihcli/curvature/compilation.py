"""From a function to a program: trace, rewrite, analyse, check."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.capture import SECOND, capture
from ihcli.curvature.decompositions import decomposition
from ihcli.curvature.functional import remove_mutation
from ihcli.curvature.graph import Graph
from ihcli.curvature.layout import find_batch_layout, find_shapes
from ihcli.curvature.operation_rules import NON_SMOOTH, RULES, unsupported
from ihcli.curvature.position_axes import find_position_axes
from ihcli.curvature.program import Program
from ihcli.curvature.program_checks import require_same_hessian, require_same_values
from ihcli.curvature.selections import move_selections
from ihcli.curvature.simplify import REWRITTEN, fold_constants, simplify
from ihcli.curvature.tracer import Function, Untraceable
from ihcli.errors import IhError, UsageError


def trace(f: Function, example: Tensor, positions: int | None = None, parameters: Sequence[Tensor] = ()) -> Program:
    """Trace f(points, *parameters): (B, *S) and (B, *P_k) → (B,) into a program for any batch size B.

    Fixed by the trace are S and P_k, the types, the device, and everything that f closes over (weights, target index,
    token types, masks).

    Args:
        f: a function in which each sample is computed by itself, as by a model in evaluation mode.
        example: points (B, *S), of which the first serves.
        positions: the number of leading axes of S by which units are told apart; by default all but the last, or the
            only one.
        parameters: examples (B, *P_k) of the further arguments of f, of a floating-point type. Their values are given
            anew in each call of the program, and no derivative by them is formed.

    Raises:
        Untraceable: f cannot be traced, or an operation has no rule; the message names it.
        UsageError: a parameter is not of a floating-point type.

    Example:
        >>> import torch
        >>> program = trace(lambda x: (x[:, 0] * x[:, 1]).sum(-1), torch.ones(1, 2, 3))
        >>> second = program.second_order(torch.ones(1, 2, 3), torch.ones(2, 3), torch.tensor([0, 1]), units=2)
        >>> second.hessian.tolist()
        [[[0.0, 3.0], [3.0, 0.0]]]
    """
    point, *others = (tensor.detach()[:1] for tensor in (example, *parameters))
    wrong = [str(other.dtype) for other in others if not other.is_floating_point()]
    if wrong:
        message = f"parameters of type {', '.join(wrong)} cannot be traced: convert them to a floating-point type"
        raise UsageError(message)
    try:
        graph = _graph(f, point, others)
        axes = positions if positions is not None else max(1, example.dim() - 2)
        find_position_axes(graph, axes)
        program = Program(graph, point, axes)
        nonzero = torch.where(point == 0, torch.ones_like(point), point)  # zeros would hide a difference
        require_same_values(f, program, nonzero, others)
        require_same_hessian(f, program, nonzero, others)
    except IhError:
        raise
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), "")
        message = f"tracing fails on this computation: {type(error).__name__}: {first_line}"
        raise Untraceable(message) from error
    return program


def _graph(f: Function, point: Tensor, parameters: Sequence[Tensor]) -> Graph:
    graph = capture(f, point, parameters, _decomposition_without_rule)
    inputs = [tensor.expand(SECOND, *tensor.shape[1:]).clone() for tensor in (point, *parameters)]
    remove_mutation(graph)
    simplify(graph, inputs)
    _require_rules(graph)
    find_shapes(graph)
    move_selections(graph)
    fold_constants(graph)
    graph.remove_unused()
    find_batch_layout(graph, inputs)
    if len(graph.result.shape) != 1:
        message = f"the function must return shape (B,); for a batch of {SECOND} it returned {graph.result.shape}"
        raise Untraceable(message)
    return graph


def _decomposition_without_rule(target: Any) -> Callable[..., Any] | None:
    """The decomposition of an operation, unless it has a rule or is handled by a rewrite."""
    name = target._schema.name.removeprefix("aten::").rstrip("_")  # noqa: SLF001 - PyTorch has no public name for this
    return None if name in RULES.keys() | NON_SMOOTH | REWRITTEN else decomposition(target)


def _require_rules(graph: Graph) -> None:
    reasons = {node.name: unsupported(node) for node in graph.dependent()}
    missing = [f"{name} ({reason})" for name, reason in sorted(reasons.items()) if reason]
    if missing:
        message = f"the forward engine has no second derivatives of {', '.join(missing)}"
        raise Untraceable(message)
