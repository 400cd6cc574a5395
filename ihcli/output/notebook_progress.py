"""A progress bar where the caller is: in a notebook, or on the standard error of a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Report = Callable[[str, int, int], None]


@contextmanager
def bar() -> Iterator[Report]:
    """A bar that shows (phase, steps done, steps of the phase), and is gone at the end."""
    with _in_notebook() if Console().is_jupyter else _in_terminal() as report:
        yield report


@contextmanager
def _in_terminal() -> Iterator[Report]:
    """Rich's bar on standard error; nothing is drawn where that is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("starting", total=None)
        yield lambda phase, done, total: shown.update(task, description=phase, completed=done, total=total)


@contextmanager
def _in_notebook() -> Iterator[Report]:
    """tqdm's widget where ipywidgets is installed, else its line of text."""
    if find_spec("ipywidgets") is None:
        from tqdm.std import tqdm  # type: ignore[import-untyped]
    else:
        from tqdm.notebook import tqdm  # type: ignore[import-untyped]
    shown: Any = tqdm(total=0, leave=False)

    def report(phase: str, done: int, total: int) -> None:
        shown.set_description(phase, refresh=False)
        shown.total, shown.n = total, done
        shown.refresh()

    try:
        yield report
    finally:
        shown.close()
