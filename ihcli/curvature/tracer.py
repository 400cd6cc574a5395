"""One run of a function, recorded operation by operation."""

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
Decompose = Callable[[Any], Callable[..., Any] | None]
"""For an ATen operation: the function to record in its place, or None to record the operation as it is."""


class Untraceable(PreflightError):  # noqa: N818 - a state of the model rather than a fault
    """A function whose second derivatives this engine cannot form; the message names the operations and the reason."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of an earlier step."""

    step: int


@dataclass(slots=True, eq=False)
class Step:
    """One operation of a run."""

    name: str
    target: Any
    """What was called; None for inputs and constants."""
    args: tuple[Any, ...]
    """Positional arguments, with `Reference` for tensors."""
    kwargs: dict[str, Any]
    value: Any
    """What it returned."""
    depends: bool = False
    """Whether it was computed from the points."""
    parametric: bool = False
    """Whether it was computed from a parameter."""
    is_view: bool = False
    """Whether its value shares the memory of the first argument; known once the values have been let go."""


@dataclass(slots=True)
class Trace:
    """The steps of one run, first the points, then the parameters, and the index of the result among them."""

    steps: list[Step] = field(default_factory=list)
    result: int = 0


class Tracer(ProxyTorchDispatchMode):  # type: ignore[misc]  # PyTorch's types of torch.fx are not followed
    """Records above autograd, where composite operations (linear, softmax, layer_norm) have not been decomposed.

    PyTorch lets only its own tracing mode intercept calls at that level, so this is a subclass of it. It makes no fake
    tensors, stack traces and code for each operation, which take most of the time of `make_fx`.
    """

    def __init__(self, points: Tensor, parameters: Sequence[Tensor], decompose: Decompose) -> None:
        """Record what is computed from `points` and `parameters`."""
        TorchDispatchMode.__init__(self, torch._C.DispatchKey.PreDispatch)  # type: ignore[no-untyped-call]  # noqa: SLF001
        self._mode_key = torch._C._TorchDispatchModeKey.PROXY  # noqa: SLF001
        self.enter_stack: list[Any] = []
        self.points, self.parameters, self.decompose = points, parameters, decompose
        self.trace = Trace()
        self._step_by_tensor: dict[int, int] = {}
        self._step_by_memory: dict[tuple[Any, ...], int] = {}
        self._aliases: list[Tensor] = []  # kept alive, since their ids are keys
        self._written: dict[int, tuple[bool, bool]] = {}

    def run(self, f: Function) -> Trace:
        """The trace of f at the points and parameters."""
        self._add(Step("input", None, (), {}, self.points, depends=True))
        for parameter in self.parameters:
            self._add(Step("parameter", None, (), {}, parameter, parametric=True))
        with torch.no_grad(), enable_python_dispatcher(), _PythonReads(self), self:
            result: object = f(self.points, *self.parameters)
        if not isinstance(result, Tensor):
            message = f"the function must return one tensor of shape (B,); it returned {type(result).__name__}"
            raise Untraceable(message)
        self.trace.result = self._reference(result).step
        return self.trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and record it, or record what it is made of."""
        del types
        kwargs = kwargs or {}
        schema = func._schema  # noqa: SLF001 - PyTorch has no public name for this
        name = str(schema.name).removeprefix("aten::")
        depends, parametric = self.dependence((args, kwargs))
        if (depends or parametric) and torch.is_autocast_enabled(self.points.device.type):
            message = "autocast inside the model changes the precision of the computation: disable it"
            raise Untraceable(message)
        decomposition = self.decompose(func) if depends else None
        if decomposition is not None:
            with self:
                return decomposition(*args, **kwargs)
        value = func(*args, **kwargs)
        if (depends or parametric) and schema.is_mutable and isinstance(args[0], Tensor):
            self._written[memory_key(args[0])[0]] = depends, parametric
        if any(isinstance(part, Tensor) for part in (value if isinstance(value, (tuple, list)) else [value])):
            step = Step(name, func, self._referenced(args), self._referenced(kwargs), value, depends, parametric)
            self._add_with_parts(step)
        elif (depends or parametric) and value is not None:
            refuse_read(name)
        return value

    def dependence(self, arguments: object) -> tuple[bool, bool]:
        """Whether any tensor among nested arguments was computed from the points, and whether from a parameter."""
        if isinstance(arguments, Tensor):
            key = memory_key(arguments)
            index = self._step_by_tensor.get(id(arguments), self._step_by_memory.get(key))
            written = self._written.get(key[0], (False, False))
            if index is None:
                return written
            step = self.trace.steps[index]
            return step.depends or written[0], step.parametric or written[1]
        if isinstance(arguments, dict):
            arguments = tuple(arguments.values())
        if not isinstance(arguments, (tuple, list)):
            return False, False
        known = [self.dependence(argument) for argument in arguments]
        return any(depends for depends, _ in known), any(parametric for _, parametric in known)

    def _add_with_parts(self, step: Step) -> None:
        """Record a step, and each tensor of a tuple that it returned as a step of its own."""
        index = self._add(step)
        for place, part in enumerate(() if isinstance(step.value, Tensor) else step.value):
            if isinstance(part, Tensor):
                arguments = (Reference(index), place)
                self._add(Step("getitem", operator.getitem, arguments, {}, part, step.depends, step.parametric))

    def _add(self, step: Step) -> int:
        self.trace.steps.append(step)
        index = len(self.trace.steps) - 1
        if isinstance(step.value, Tensor):
            self._step_by_tensor[id(step.value)] = self._step_by_memory[memory_key(step.value)] = index
        return index

    def _referenced(self, arguments: Any) -> Any:
        if isinstance(arguments, Tensor):
            return self._reference(arguments)
        if isinstance(arguments, (tuple, list)):
            return type(arguments)(self._referenced(argument) for argument in arguments)
        if isinstance(arguments, dict):
            return {key: self._referenced(argument) for key, argument in arguments.items()}
        return arguments

    def _reference(self, tensor: Tensor) -> Reference:
        """The step that made a tensor; a tensor that no step made is a constant (a weight, a buffer)."""
        if id(tensor) not in self._step_by_tensor and memory_key(tensor) in self._step_by_memory:
            # Factory functions (ones, arange) return another Python object than the one that the tracer saw.
            self._aliases.append(tensor)
            self._step_by_tensor[id(tensor)] = self._step_by_memory[memory_key(tensor)]
        if id(tensor) not in self._step_by_tensor:
            self._add(Step("constant", None, (), {}, tensor))
        return Reference(self._step_by_tensor[id(tensor)])


def refuse_read(operation: str) -> None:
    """Raise `Untraceable` because a value that depends on the points or on a parameter is read."""
    message = (
        f"{operation} reads a value that depends on the input, so other inputs may be computed in another way: pass an "
        "attention mask if the model looks for padding; mixtures of experts need reverse over reverse"
    )
    raise Untraceable(message)


def memory_key(tensor: Tensor) -> tuple[Any, ...]:
    """A key that is equal for tensors with the same memory and layout; its first entry is that of the storage."""
    if tensor.layout != torch.strided:
        return (id(tensor),)
    storage = tensor.untyped_storage()._cdata  # noqa: SLF001
    return storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


class _PythonReads(TorchFunctionMode):
    """Refuses reads of values that do not reach the dispatcher."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in _READS and any(self.tracer.dependence(args)):
            refuse_read(func.__name__)
        return func(*args, **(kwargs or {}))


_READS = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
