"""The parts of torch and transformers that explaining needs, imported without those that it does not.

A model of transformers brings everything that training, generation and several machines may need: tensors that several
processes share, the compiler of PyTorch, SciPy for losses of object detection, accelerate. Importing these takes more
processor time than loading the bundled model and explaining a sentence. transformers asks functions of its own whether
the optional parts are installed; while it is imported here, they answer no, as on a machine without these parts. Of two
modules of PyTorch all that is asked needs no import: its compiler is to leave functions as they are, and its symbolic
shapes, which import SymPy, are to tell whether a plain truth value is true. They are imported when anything else is
asked of them.

A process that trains besides explaining may need all of this, so only the command line does it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_ABSENT = ("is_torch_distributed_available", "is_scipy_available", "is_accelerate_available")
"""Functions of `transformers.utils` that answer no."""
_COMPILER, _TRACING = "torch._dynamo", "torch._dynamo._trace_wrapped_higher_order_op"
_SHAPES = "torch.fx.experimental.symbolic_shapes"
_TRUTHS = frozenset(
    ("guard_or_false", "guard_or_true", "guard_size_oblivious", "expect_true", "statically_known_true")
)  # fmt: skip
"""Functions of the symbolic shapes that give back a plain truth value."""
_SIZES: Mapping[str, Callable[[int], Any]] = {
    "guarding_hint_or_throw": lambda size: size,
    "has_guarding_hint": lambda _: True,
    "is_nested_int": lambda _: False,
}
"""What other functions of theirs say of a plain number."""
_NEEDED = ("transformers.modeling_utils", "transformers.masking_utils", "transformers.generation.utils")
"""Modules that import the parts left out; the models import these modules."""
FULL = "IH_FULL_IMPORTS"
"""A variable of the environment that, set to anything, has everything imported."""
_own_process = False


def allow() -> None:
    """This process runs the command line and nothing else."""
    global _own_process  # noqa: PLW0603  (a property of the process)
    _own_process = True


def import_transformers() -> bool:
    """Import torch and transformers without the parts that explaining does not need.

    Returns:
        Whether it was: not in a process of others, not where transformers is imported already or `IH_FULL_IMPORTS` is
        set, and not where this version of it needs what is left out; then it is imported as it is when it is needed.
    """
    if not _own_process or "transformers" in sys.modules or os.environ.get(FULL):
        return False
    import torch  # noqa: F401  (which must not find the compiler replaced)

    _defer_modules_of_torch()
    try:
        with _tracing_deferred(), _parts_absent():
            _import_models()
            for name in _NEEDED:
                import_module(name)
    except Exception:  # noqa: BLE001  (whatever another version needs, the whole of it has)
        for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
            del sys.modules[name]
        for name in (_COMPILER, _SHAPES):
            if isinstance(sys.modules.get(name), _Deferred):
                del sys.modules[name]
        return False
    return True


@contextmanager
def _parts_absent() -> Iterator[None]:
    """Let transformers find some optional parts absent within the block."""
    homes = [import_module(name) for name in ("transformers.utils.import_utils", "transformers.utils")]
    usual = [(home, name, getattr(home, name)) for home in homes for name in _ABSENT if hasattr(home, name)]
    for home, name, _ in usual:
        setattr(home, name, _no)
    try:
        yield
    finally:
        for home, name, function in usual:
            setattr(home, name, function)


def _import_models() -> None:
    """Import `transformers.models` with the names of its modules that `transformers` has found.

    Both read the code of all models for them; what the first has found holds for the second.
    """
    own = import_module("transformers.utils.import_utils")
    usual = own.define_import_structure
    folder = Path(own.__file__ or "").parents[1] / "models"

    def found(module_path: Any, prefix: str | None = None) -> Any:
        if prefix is not None or Path(module_path) != folder / "__init__.py":
            return usual(module_path, prefix)
        kept = usual(folder, prefix="models")  # with the same arguments as before, so that nothing is read
        return {
            backends: {name.removeprefix("models."): names for name, names in modules.items() if name[:7] == "models."}
            for backends, modules in kept.items()
        }

    own.define_import_structure = found  # type: ignore[attr-defined]
    try:
        import_module("transformers.models")
    finally:
        own.define_import_structure = usual  # type: ignore[attr-defined]


def _no(*_: Any, **__: Any) -> bool:
    return False


class _Deferred(ModuleType):
    """In the place of a module: gives some of its names, and is replaced by it when another one is asked for."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        """A name of the module itself, which is imported now."""
        package = name == "__path__" and self.__name__ == _COMPILER
        if name.startswith("__") and not package:  # asked of every module by whoever looks through them
            raise AttributeError(name)
        module = _imported(self.__name__)
        if package:  # a module within it is about to be imported, and may be by now
            sys.meta_path.insert(0, _Imported(f"{self.__name__}."))
        return getattr(module, name)


class _Imported(MetaPathFinder, Loader):
    """Gives, once, a module within a package that is imported already instead of importing it again."""

    def __init__(self, within: str) -> None:
        self.within = within

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """How to get the module, if it is there and belongs to the package."""
        del path, target
        if not fullname.startswith(self.within):
            return None
        sys.meta_path.remove(self)
        return ModuleSpec(fullname, self) if fullname in sys.modules else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module, whose own specification is kept."""
        module = sys.modules[spec.name]
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run."""
        module.__spec__ = self.own


def _imported(name: str) -> ModuleType:
    """The module of a name itself, and not one in its place."""
    if isinstance(sys.modules.get(name), _Deferred):
        del sys.modules[name]
    return import_module(name)


def _defer_modules_of_torch() -> None:
    """Put modules in the place of those that PyTorch imports when they are used, unless they are there."""
    marks = dict.fromkeys(("disable", "allow_in_graph", "assume_constant_result"), _unchanged)
    questions: dict[str, Any] = {name: partial(_asked, name) for name in _TRUTHS | _SIZES.keys()}
    for name, given in ((_COMPILER, marks), (_SHAPES, questions | {"sym_eq": _equal})):
        if name not in sys.modules:
            sys.modules[name] = _Deferred(name, given)


def _asked(function: str, value: Any, *more: Any, **named: Any) -> Any:
    """What a function says of a plain truth value or number; of all else what the function of the module says."""
    if isinstance(value, bool) and function in _TRUTHS:
        return value
    if type(value) is int and function in _SIZES:
        return _SIZES[function](value)
    return getattr(_imported(_SHAPES), function)(value, *more, **named)


def _equal(one: Any, other: Any) -> Any:
    """Whether two shapes of plain numbers are equal; of others what the function of the module says."""
    sizes = [*one, *other] if isinstance(one, tuple) and isinstance(other, tuple) else [None]
    return one == other if all(type(size) is int for size in sizes) else _imported(_SHAPES).sym_eq(one, other)


def _unchanged(function: Any = None, *_: Any, **__: Any) -> Any:
    """The function as it is, or a decorator that leaves one so."""
    return function if callable(function) else partial(_unchanged)


@contextmanager
def _tracing_deferred() -> Iterator[None]:
    """Let transformers import the one class that it takes from within the compiler without importing that."""
    deferred = ModuleType(_TRACING)
    deferred.TransformGetItemToIndex = _transform_get_item_to_index  # type: ignore[attr-defined]
    sys.modules[_TRACING] = deferred
    try:
        yield
    finally:
        if sys.modules.get(_TRACING) is deferred:
            del sys.modules[_TRACING]


def _transform_get_item_to_index() -> Any:
    """The mode in which masks are computed for many positions, imported when it is used."""
    _imported(_COMPILER)
    return import_module(_TRACING).TransformGetItemToIndex()
