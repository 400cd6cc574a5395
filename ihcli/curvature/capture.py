"""From a function to a graph: traces at two batch sizes, merged into one graph for any batch size.

Integers that differ between the traces are affine in the batch size.
"""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.graph import Affine, Graph, Node, has_affine, set_dependence
from ihcli.curvature.tracer import Decompose, Function, Reference, Step, Trace, Tracer, Untraceable, memory_key

# The two batch sizes of a trace, above one, since one is often a special case (broadcasting, squeezing).
FIRST, SECOND = 2, 3

_RANDOM = frozenset({"bernoulli", "bernoulli_", "rand", "randn", "rand_like", "randn_like", "multinomial", "randperm"})
# Operations that take only shape and type from their argument, with the value they fill in; None: their last argument.
_FILLED_LIKE = {"zeros_like": 0, "ones_like": 1, "full_like": None, "new_zeros": 0, "new_ones": 1, "new_full": None}
# Memory that is overwritten before it is read. Zeros are the same in every run.
_EMPTY = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"})


def capture(f: Function, example: Tensor, parameters: Sequence[Tensor], decompose: Decompose) -> Graph:
    """Trace f at two batch sizes and merge the traces into one graph for any batch size.

    `decompose` names what to record in place of an operation. Raises `Untraceable` where a trace fails, or where the
    two traces are not the same computation.
    """
    samples = [tensor.detach()[:1] for tensor in (example, *parameters)]
    first = _trace(f, samples, FIRST, decompose)
    _let_go(first)
    second = _trace(f, samples, SECOND, decompose)
    for step in first.steps:
        if step.name in _RANDOM or (step.name == "dropout" and step.args[1] and step.args[2]):
            message = f"{step.name} draws random numbers: put the model in evaluation mode with model.eval()"
            raise Untraceable(message)
    in_two, in_three = (trace.steps[trace.result].value for trace in (first, second))
    if in_two.shape[:1] != (FIRST,) or not torch.allclose(in_two[0], in_three[0], rtol=1e-4, atol=1e-5, equal_nan=True):
        message = (
            f"the function must return shape (B,), each entry computed from its own sample; for batches of {FIRST} and "
            f"{SECOND} it returned shapes {tuple(in_two.shape)} and {tuple(in_three.shape)}, or values that depend on "
            "the batch"
        )
        raise Untraceable(message)
    return _merged(first, second)


def _trace(f: Function, samples: Sequence[Tensor], batch: int, decompose: Decompose) -> Trace:
    points, *parameters = (sample.expand(batch, *sample.shape[1:]).clone() for sample in samples)
    try:
        return Tracer(points, parameters, decompose).run(f)
    except Untraceable:
        raise
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), "")
        message = f"the computation fails while it is traced: {type(error).__name__}: {first_line}"
        raise Untraceable(message) from error


def _let_go(trace: Trace) -> None:
    """Keep the result and the constants of a trace, and only the shapes of all other values.

    At 508 tokens of the bundled model each sample of a batch holds 0.4 GB of them.
    """
    for step in trace.steps:
        step.is_view = _is_view(step, trace)
    for index, step in enumerate(trace.steps):
        if step.name != "constant" and index != trace.result:
            step.value = _without_values(step.value)


def _without_values(value: Any) -> Any:
    """Tensors of the same shapes, types and devices that take no memory."""
    if isinstance(value, (tuple, list)):
        return tuple(_without_values(part) for part in value)
    return value.new_empty(()).expand(value.shape) if isinstance(value, Tensor) else value


def _merged(first: Trace, second: Trace) -> Graph:
    if [step.name for step in first.steps] != [step.name for step in second.steps]:
        message = (
            f"the computation runs other operations for batches of {FIRST} and of {SECOND}, so one graph cannot "
            "represent both: remove the branch on the batch size"
        )
        raise Untraceable(message)
    nodes: list[Node] = []
    for a, b in zip(first.steps, second.steps, strict=True):
        if a.name == "constant":
            node = Node(a.name, _not_called, (), {}, constant=_equal_constant(a.value, b.value))
            node.sizes = list(a.value.shape)
        elif a.name in {"input", "parameter"}:
            node = Node(a.name, _not_called, (), {}, depends=a.depends, parametric=a.parametric, batched=True)
            node.sizes = _merge(list(a.value.shape), list(b.value.shape), a.name, [])
        else:
            node = _operation(a, b, nodes)
            node.is_view = a.is_view
        node.dtype = a.value.dtype if isinstance(a.value, Tensor) else None
        nodes.append(node)
    return Graph(nodes[0], [node for node in nodes if node.name == "parameter"], nodes, nodes[first.result])


def _not_called(*_: Any, **__: Any) -> Any:
    message = "inputs and constants are not computed"
    raise AssertionError(message)


def _equal_constant(a: Tensor, b: Tensor) -> Tensor:
    if a is not b and (a.shape != b.shape or not torch.equal(a, b)):
        message = (
            f"a tensor of shape {tuple(a.shape)} that does not depend on the input differs between two calls or with "
            "the batch size: make it from the input, or pass it as a parameter"
        )
        raise Untraceable(message)
    return a


def _is_view(step: Step, trace: Trace) -> bool:
    """Whether a result shares the memory of the first argument."""
    first = step.args[0] if step.args else None
    if not isinstance(first, Reference) or not isinstance(step.value, Tensor):
        return False
    source = trace.steps[first.step].value
    tensors = source if isinstance(source, (tuple, list)) else [source]
    own = memory_key(step.value)[0]
    return any(isinstance(tensor, Tensor) and memory_key(tensor)[0] == own for tensor in tensors)


def _operation(a: Step, b: Step, nodes: list[Node]) -> Node:
    args, kwargs = _merge(a.args, b.args, a.name, nodes), _merge(a.kwargs, b.kwargs, a.name, nodes)
    sizes = _merge(list(a.value.shape), list(b.value.shape), a.name, []) if isinstance(a.value, Tensor) else []
    if a.name in _EMPTY or (a.name in _FILLED_LIKE and (args[0].depends or args[0].parametric)):
        fill = _FILLED_LIKE.get(a.name, 0)
        options = {"dtype": a.value.dtype, "device": a.value.device}
        full = torch.ops.aten.full.default
        node = Node("full", full, (sizes, args[-1] if fill is None else fill), options, sizes=sizes)
        node.batched = has_affine(sizes)
        return node
    node = Node(a.name, a.target, args, kwargs, sizes=sizes)
    node.mutates = bool(a.target is not operator.getitem and a.target._schema.is_mutable)  # noqa: SLF001
    set_dependence(node)
    return node


def _merge(left: Any, right: Any, name: str, nodes: list[Node]) -> Any:
    """Nested arguments of one step in both traces, as arguments of a node."""
    if isinstance(left, Reference):
        if left != right:
            message = f"{name} reads other results for another batch size: remove the branch on the batch size"
            raise Untraceable(message)
        return nodes[left.step]
    if isinstance(left, (tuple, list)):
        if len(left) != len(right):
            message = f"the number of arguments of {name} grows with the batch: use one operation on the whole batch"
            raise Untraceable(message)
        merged = [_merge(a, b, name, nodes) for a, b in zip(left, right, strict=True)]
        return tuple(merged) if isinstance(left, tuple) else merged
    if isinstance(left, dict):
        return {key: _merge(left[key], right[key], name, nodes) for key in left}
    if isinstance(left, bool) or not isinstance(left, int) or left == right:
        if left != right and left == left:  # noqa: PLR0124 - NaN is not equal to itself
            message = f"the argument {left!r} of {name} changes with the batch size, to {right!r}; only integers may"
            raise Untraceable(message)
        return left
    slope = (right - left) // (SECOND - FIRST)
    return Affine(left - slope * FIRST, slope)
