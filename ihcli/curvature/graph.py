"""The traced computation: nodes at the level of whole operations, free of mutation, constants folded.

A function is traced at two batch sizes. Integers that differ between the traces are affine in the batch size, so one
graph serves every batch.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ihcli.curvature.tracer import Apart, Function, Recorder, Reference, Step, Trace, Untraceable, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# The two batch sizes of a trace: above one, since one is often a special case (broadcasting, squeezing).
FIRST, SECOND = 2, 3

IDENTITY = frozenset({"alias", "clone", "contiguous", "detach", "detach_", "lift_fresh", "lift_fresh_copy", "positive"})
CASTS = frozenset({"to", "_to_copy", "type_as", "float", "double"})
RANDOM = frozenset({"bernoulli", "bernoulli_", "rand", "randn", "rand_like", "randn_like", "multinomial", "randperm"})
LOW_PRECISION = frozenset({torch.float16, torch.bfloat16})


@dataclass(frozen=True, slots=True)
class Affine:
    """An integer of the trace that grows with the batch: `offset + slope · B`."""

    offset: int
    slope: int

    def at(self, batch: int) -> int:
        """The integer at one batch size."""
        return self.offset + self.slope * batch


@dataclass(slots=True, eq=False)
class Node:
    """One operation: its name, what it calls, its arguments (nodes, numbers, `Affine`), and what was learnt of it."""

    name: str
    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    depends: bool = False
    """Whether it is computed from the points: it has a tangent and an adjoint."""
    parametric: bool = False
    """Whether it is computed from a parameter: without the points, a constant of one call."""
    batched: bool = False
    """Whether it is no constant of the program: computed from the points, a parameter or the batch size."""
    constant: Any = None
    sizes: list[int | Affine] = field(default_factory=list)
    dtype: torch.dtype | None = None
    view: bool = False
    mutates: bool = False
    shape: tuple[int, ...] = ()
    axis: int = 0
    outer: int = 1
    inner: int = 1
    places: tuple[int, ...] | None = None
    needs: tuple[Node, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)

    def settle(self) -> None:
        """Note which nodes it needs the tangents of, each once, when the arguments are final."""
        self.needs = tuple({id(source): source for source in self.sources() if source.depends}.values())

    def sources(self) -> Iterator[Node]:
        """The nodes among the arguments, each as often as it stands there."""
        yield from nodes_in(self.args)
        yield from nodes_in(self.kwargs)


def plain(node: Node) -> bool:
    """Whether the first axis of a value is that of the samples."""
    return node.axis == 0 and node.inner == 1 and node.outer == 1


def nodes_in(arguments: object) -> Iterator[Node]:
    """Every node inside nested arguments."""
    if isinstance(arguments, Node):
        yield arguments
    elif isinstance(arguments, (tuple, list)):
        for argument in arguments:
            yield from nodes_in(argument)
    elif isinstance(arguments, dict):
        yield from nodes_in(tuple(arguments.values()))


def rebuilt(arguments: Any, replace: Callable[[Any], Any]) -> Any:
    """Nested arguments with every leaf replaced."""
    if isinstance(arguments, tuple):
        return tuple(rebuilt(argument, replace) for argument in arguments)
    if isinstance(arguments, list):
        return [rebuilt(argument, replace) for argument in arguments]
    if isinstance(arguments, dict):
        return {key: rebuilt(argument, replace) for key, argument in arguments.items()}
    return replace(arguments)


@dataclass(slots=True)
class Graph:
    """The nodes in the order of execution, first the points (`source`), then the parameters."""

    source: Node
    parameters: list[Node]
    nodes: list[Node]
    result: Node

    def live(self) -> None:
        """Drop what the result does not read (dead code)."""
        given = {id(node) for node in (self.source, *self.parameters)}
        wanted = {id(self.result), *given}
        for node in reversed(self.nodes):
            if id(node) in wanted:
                wanted.update(id(source) for source in node.sources())
        self.nodes = [node for node in self.nodes if id(node) in wanted]
        for node in self.nodes:
            if id(node) not in given:
                node.depends = any(source.depends for source in node.sources())
                node.parametric = any(source.parametric for source in node.sources())
                node.batched = _has_affine((node.args, node.kwargs)) or any(source.batched for source in node.sources())

    def substitute(self, old: Node, new: Node) -> None:
        """Let every reader of one node read another."""
        swap = lambda leaf: new if leaf is old else leaf  # noqa: E731
        for node in self.nodes:
            node.args, node.kwargs = rebuilt(node.args, swap), rebuilt(node.kwargs, swap)
        if self.result is old:
            self.result = new

    def frontier(self) -> list[Node]:
        """What depends on parameters alone and is read by what depends on the points."""
        read = {id(source) for node in self.nodes if node.depends for source in node.sources()}
        return [node for node in self.nodes if node.parametric and not node.depends and id(node) in read]

    def users(self) -> dict[int, list[Node]]:
        """The readers of every node, by the node's id."""
        readers: dict[int, list[Node]] = {id(node): [] for node in self.nodes}
        for node in self.nodes:
            for source in {id(source): source for source in node.sources()}.values():
                readers[id(source)].append(node)
        return readers


def capture(f: Function, example: Tensor, parameters: Sequence[Tensor], apart: Apart) -> Graph:
    """Trace `f` at two batch sizes and join the traces into one graph that holds for any batch.

    `apart` names what an operation is made of where it is to be recorded in parts. Raises `Untraceable` where the trace
    stops, or where the two traces are not the same computation.
    """
    given = [tensor.detach()[:1] for tensor in (example, *parameters)]
    traces = []
    for batch in (FIRST, SECOND):
        points, *others = (one.expand(batch, *one.shape[1:]).clone() for one in given)
        recorder = Recorder(points, others, apart)
        try:
            traces.append(recorder.run(f))
        except Untraceable:
            raise
        except Exception as error:
            message = (
                f"the computation cannot be traced: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            )
            raise Untraceable(message) from error
    for step in traces[0].steps:
        if step.name in RANDOM or (step.name == "dropout" and step.args[1] and step.args[2]):
            message = f"{step.name} draws random numbers: put the model in evaluation mode"
            raise Untraceable(message)
    alone, beside = (trace.steps[trace.result].value for trace in traces)
    if alone.shape[:1] != (FIRST,) or not torch.allclose(alone[0], beside[0], rtol=1e-4, atol=1e-5, equal_nan=True):
        message = (
            f"the function must return shape (B,), each entry of its own point; for batches of {FIRST} and {SECOND} it "
            f"returned shapes {tuple(alone.shape)} and {tuple(beside.shape)}, or values that depend on the batch"
        )
        raise Untraceable(message)
    return _joined(*traces)


def _joined(first: Trace, second: Trace) -> Graph:
    if [step.name for step in first.steps] != [step.name for step in second.steps]:
        message = "the computation takes another course for another batch size, so one graph cannot stand for all"
        raise Untraceable(message)
    made: list[Node] = []
    for a, b in zip(first.steps, second.steps, strict=True):
        if a.name == "input":
            node = Node("input", _never, (), {}, depends=True, batched=True)
            node.sizes = _join(list(a.value.shape), list(b.value.shape), a.name, [])
        elif a.name == "parameter":
            node = Node("parameter", _never, (), {}, parametric=True, batched=True)
            node.sizes = _join(list(a.value.shape), list(b.value.shape), a.name, [])
        elif a.name == "constant":
            node = Node("constant", _never, (), {}, constant=_same_constant(a.value, b.value))
            node.sizes = list(a.value.shape)
        else:
            node = _operation(a, b, made)
            node.view = _is_view(a, first)
        node.dtype = a.value.dtype if isinstance(a.value, Tensor) else None
        made.append(node)
    return Graph(made[0], [node for node in made if node.name == "parameter"], made, made[first.result])


def _never(*_: Any, **__: Any) -> Any:
    message = "inputs and constants are not computed"
    raise AssertionError(message)


def _same_constant(a: Tensor, b: Tensor) -> Tensor:
    if a is not b and (a.shape != b.shape or not torch.equal(a, b)):
        message = f"a constant tensor of shape {tuple(a.shape)} differs from call to call or grows with the batch"
        raise Untraceable(message)
    return a


def _is_view(step: Step, trace: Trace) -> bool:
    """Whether a result shares the memory of the first argument."""
    first = step.args[0] if step.args else None
    if not isinstance(first, Reference) or not isinstance(step.value, Tensor):
        return False
    source = trace.steps[first.step].value
    parts = source if isinstance(source, (tuple, list)) else [source]
    return any(isinstance(part, Tensor) and memory(part)[0] == memory(step.value)[0] for part in parts)


def _operation(a: Step, b: Step, made: list[Node]) -> Node:
    args, kwargs = _join(a.args, b.args, a.name, made), _join(a.kwargs, b.kwargs, a.name, made)
    sizes = _join(list(a.value.shape), list(b.value.shape), a.name, []) if isinstance(a.value, Tensor) else []
    if a.name in _EMPTY or (a.name in _LIKE and (args[0].depends or args[0].parametric)):
        # A constant that takes only its shape and type from what depends on the input.
        fill = _LIKE.get(a.name, 0)
        full = {"dtype": a.value.dtype, "device": a.value.device}
        node = Node("full", torch.ops.aten.full.default, (sizes, args[-1] if fill is None else fill), full, sizes=sizes)
        node.batched = _has_affine(sizes)
        return node
    node = Node(a.name, a.target, args, kwargs, sizes=sizes)
    node.mutates = bool(a.target is not operator.getitem and a.target._schema.is_mutable)  # noqa: SLF001
    node.depends = any(source.depends for source in node.sources())
    node.parametric = any(source.parametric for source in node.sources())
    node.batched = any(source.batched for source in node.sources()) or _has_affine((args, kwargs))
    return node


_LIKE = {"zeros_like": 0, "ones_like": 1, "full_like": None, "new_zeros": 0, "new_ones": 1, "new_full": None}
# What memory holds before it is written is no value; zeros are the same in every run.
_EMPTY = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"})


def _has_affine(arguments: object) -> bool:
    if isinstance(arguments, (tuple, list)):
        return any(_has_affine(argument) for argument in arguments)
    if isinstance(arguments, dict):
        return _has_affine(tuple(arguments.values()))
    return isinstance(arguments, Affine)


def _join(left: Any, right: Any, name: str, made: list[Node]) -> Any:
    if isinstance(left, Reference):
        if left != right:
            message = f"{name}: its arguments come from elsewhere for another batch size"
            raise Untraceable(message)
        return made[left.step]
    if isinstance(left, (tuple, list)):
        if len(left) != len(right):
            message = f"{name}: the number of its arguments grows with the batch"
            raise Untraceable(message)
        joined = [_join(a, b, name, made) for a, b in zip(left, right, strict=True)]
        return tuple(joined) if isinstance(left, tuple) else joined
    if isinstance(left, dict):
        return {key: _join(left[key], right[key], name, made) for key in left}
    if isinstance(left, bool) or not isinstance(left, int) or left == right:
        if left != right and left == left:  # noqa: PLR0124 - NaN is not equal to itself
            message = f"{name}: the argument {left!r} changes with the batch size (to {right!r})"
            raise Untraceable(message)
        return left
    slope = (right - left) // (SECOND - FIRST)
    return Affine(left - slope * FIRST, slope)


def resolved(arguments: Any, batch: int, values: dict[int, Any]) -> Any:
    """Arguments as numbers and tensors: what a node calls its operation with."""

    def leaf(argument: Any) -> Any:
        if isinstance(argument, Node):
            return values[id(argument)]
        return argument.at(batch) if isinstance(argument, Affine) else argument

    return rebuilt(arguments, leaf)


def call(node: Node, batch: int, values: dict[int, Any]) -> Any:
    """Run one node."""
    return node.target(*resolved(node.args, batch, values), **resolved(node.kwargs, batch, values))
