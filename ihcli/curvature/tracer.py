"""One run of a function, written down operation by operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._dispatch.python import enable_python_dispatcher
from torch.fx.experimental.proxy_tensor import ProxyTorchDispatchMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ihcli.errors import PreflightError

Function = Callable[..., Tensor]
"""f(points, *parameters): (B, *S) and any number of (B, *P_k) to (B,)."""
Apart = Callable[[Any], Callable[..., Any] | None]
"""Given an ATen operation that the input reaches: what to run in its place, or None to record it whole."""


class Untraceable(PreflightError):  # noqa: N818 - a state of the model rather than a fault
    """A function whose second derivatives this engine cannot form; the message names the operations and why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of an earlier step."""

    step: int


@dataclass(slots=True, eq=False)
class Step:
    """One operation: its name, what it calls, its arguments (`Reference` for tensors) and the value it gave."""

    name: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    value: Any
    depends: bool = False
    """Whether it was computed from the points."""
    parametric: bool = False
    """Whether it was computed from a parameter."""


@dataclass(slots=True)
class Trace:
    """The steps of one run, first the points, then the parameters, and the index of the result among them."""

    steps: list[Step] = field(default_factory=list)
    result: int = 0


class Recorder(ProxyTorchDispatchMode):  # type: ignore[misc]  # PyTorch's types of torch.fx are not followed
    """Records above autograd, where whole operations (linear, softmax, layer_norm) are still whole.

    PyTorch lets only its own tracer stand there, so this is one; unlike it, it makes no fake tensors, stack traces and
    code for each operation, which take most of the time of `make_fx`.
    """

    def __init__(self, points: Tensor, parameters: Sequence[Tensor], apart: Apart) -> None:
        """Record what happens to `points` and to `parameters`."""
        TorchDispatchMode.__init__(self, torch._C.DispatchKey.PreDispatch)  # type: ignore[no-untyped-call]  # noqa: SLF001
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY  # noqa: SLF001
        self.enter_stack: list[Any] = []
        self.points, self.parameters, self.apart, self.trace = points, parameters, apart, Trace()
        self.places: dict[int, int] = {}
        self.memory: dict[tuple[Any, ...], int] = {}
        self.aliases: list[Tensor] = []
        self.written: dict[int, tuple[bool, bool]] = {}

    def run(self, f: Function) -> Trace:
        """The trace of f at the points and parameters."""
        self._note(Step("input", None, (), {}, self.points, depends=True), self.points)
        for parameter in self.parameters:
            self._note(Step("parameter", None, (), {}, parameter, parametric=True), parameter)
        with torch.no_grad(), enable_python_dispatcher(), _Reads(self), self:
            result = f(self.points, *self.parameters)
        found: object = result
        if not isinstance(found, Tensor):
            message = f"the function must return one tensor of shape (B,); it returned {type(found).__name__}"
            raise Untraceable(message)
        self.trace.result = self._reference(found).step
        return self.trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, and write it down unless it is made of others."""
        del types
        kwargs = kwargs or {}
        schema = func._schema  # noqa: SLF001 - the operation's name and what it writes stand nowhere else
        depends, parametric = self.dependence((args, kwargs))
        if depends and torch.is_autocast_enabled(self.points.device.type):
            message = "autocast inside the model changes precision on the way: switch it off"
            raise Untraceable(message)
        made_of = self.apart(func) if depends else None
        if made_of is not None:
            with self:
                return made_of(*args, **kwargs)
        value = func(*args, **kwargs)
        if (depends or parametric) and schema.is_mutable and isinstance(args[0], Tensor):
            self.written[memory(args[0])[0]] = (depends, parametric)
        several = isinstance(value, (tuple, list)) and any(isinstance(part, Tensor) for part in value)
        if not several and not isinstance(value, Tensor):
            if (depends or parametric) and value is not None:
                self.refuse_read(_name(schema))
            return value
        arguments = self._referred(args), self._referred(kwargs)
        step = Step(_name(schema), func, *arguments, value, depends, parametric)
        whole = self._note(step, value if isinstance(value, Tensor) else None)
        for index, part in enumerate(value if several else ()):
            if isinstance(part, Tensor):
                split = Step("getitem", operator.getitem, (Reference(whole), index), {}, part, depends, parametric)
                self._note(split, part)
        return value

    def dependence(self, arguments: object) -> tuple[bool, bool]:
        """Whether any tensor among nested arguments was computed from the points, and whether from a parameter."""
        if isinstance(arguments, Tensor):
            own = memory(arguments)
            place = self.places.get(id(arguments), self.memory.get(own))
            written = self.written.get(own[0], (False, False))
            if place is None:
                return written
            step = self.trace.steps[place]
            return step.depends or written[0], step.parametric or written[1]
        if isinstance(arguments, dict):
            arguments = tuple(arguments.values())
        if not isinstance(arguments, (tuple, list)):
            return False, False
        known = [self.dependence(argument) for argument in arguments]
        return any(depends for depends, _ in known), any(parametric for _, parametric in known)

    @staticmethod
    def refuse_read(name: str) -> None:
        """Raise `Untraceable` where a value that depends on the points or on a parameter is read."""
        message = (
            f"{name} reads a value that depends on the input, so the computation may take another course elsewhere "
            "(is an attention mask passed, or is this a mixture of experts?)"
        )
        raise Untraceable(message)

    def _note(self, step: Step, tensor: Tensor | None) -> int:
        self.trace.steps.append(step)
        if tensor is not None:
            self.places[id(tensor)] = self.memory[memory(tensor)] = len(self.trace.steps) - 1
        return len(self.trace.steps) - 1

    def _referred(self, arguments: Any) -> Any:
        if isinstance(arguments, Tensor):
            return self._reference(arguments)
        if isinstance(arguments, (tuple, list)):
            return type(arguments)(self._referred(argument) for argument in arguments)
        if isinstance(arguments, dict):
            return {key: self._referred(argument) for key, argument in arguments.items()}
        return arguments

    def _reference(self, tensor: Tensor) -> Reference:
        """The step that made a tensor; what no step made is a constant (a weight, a buffer)."""
        if id(tensor) not in self.places and memory(tensor) in self.memory:
            # What makes tensors from nothing (ones, arange) hands out a second object for the memory it was seen with.
            self.aliases.append(tensor)
            self.places[id(tensor)] = self.memory[memory(tensor)]
        if id(tensor) not in self.places:
            self._note(Step("constant", None, (), {}, tensor), tensor)
        return Reference(self.places[id(tensor)])


def _name(schema: Any) -> str:
    return str(schema.name).removeprefix("aten::")


def memory(tensor: Tensor) -> tuple[Any, ...]:
    """What tells memory apart: the storage, and how the tensor lies in it."""
    if tensor.layout != torch.strided:
        return (id(tensor),)
    storage = tensor.untyped_storage()._cdata  # noqa: SLF001
    return storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


class _Reads(TorchFunctionMode):
    """Refuses reads that the dispatcher does not see."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in _READS and any(self.recorder.dependence(args)):
            self.recorder.refuse_read(func.__name__)
        return func(*args, **(kwargs or {}))


_READS = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
