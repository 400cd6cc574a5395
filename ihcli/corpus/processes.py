"""Explaining groups of rows in several processes of this machine, each with the model and its share of the cores.

Products of a short text are too small to occupy many cores; whole texts side by side are not.  A process that dies is
replaced and its group tried again as it was, then row by row; a row that kills its process twice becomes an error row.
"""

import multiprocessing as mp
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from ihcli.corpus.local import Explains, LocalEngine, Outcomes, explain_group, lost
from ihcli.corpus.records import Keyed, Outcome
from ihcli.errors import DeviceError, IhError, ModelError

if TYPE_CHECKING:
    from ihcli.config import RunConfig
    from ihcli.pipeline import Explainer

FEW = 48
"""An input of fewer rows is explained in this process: others take longer to start."""
WORKER_BYTES = 3 << 30
"""What a worker may need: a small model and its largest batches."""
KERNELS = 128
"""Compiled matrix products that oneDNN keeps, one for each size that texts bring; 1024 of 0.65 MB by default, twice."""
DEATHS = 2
"""A group of which so many processes died is tried row by row, and a row given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many workers, and how many CPU threads each."""

    workers: int
    threads: int


def plan(explainer: "Explainer", workers: int | None) -> Plan:
    """As many workers as asked for, else as cores and memory carry; one on a GPU."""
    from ihcli.runtime.memory import free_memory

    device = explainer.classifier.device
    cores = explainer.config.runtime.threads or cores_here()
    if workers is None:
        workers = 1 if device.type != "cpu" else max(1, min(cores, int(free_memory(device) / WORKER_BYTES)))
    return Plan(workers, max(1, cores // workers))


def cores_here() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class _Task:
    """A group and how often a process died of it."""

    group: list[Keyed]
    deaths: int = 0


def keep_few_kernels() -> None:
    """Bound what oneDNN keeps, here and in processes to come; only before torch is loaded."""
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS))


Load = Callable[["RunConfig", int, str], Explains]
"""What a worker explains with, from the configuration, the number of threads and the digest of the weights."""


class ProcessEngine:
    """Processes with a model each; this one explains an input of few rows, and on a GPU alone, with all cores."""

    def __init__(self, explainer: "Explainer", workers: int | None = None, load: "Load | None" = None) -> None:
        """`explainer` stands for the model; `load` is what a worker calls, a function of a module."""
        self.explainer = explainer
        self.plan = plan(explainer, workers)
        self._asked = workers is not None
        self._load = load or loaded

    def outcomes(self, groups: Iterator[list[Keyed]], rows: int | None) -> Outcomes:
        """Groups go to whoever is free.  Raises what loading the model in a worker raises."""
        few = rows is not None and rows < FEW and not self._asked  # the whole input's: finished as it was begun
        alone = self.plan.workers == 1 and self.explainer.classifier.device.type != "cpu"  # it has room for one model
        if few or alone:
            from ihcli.runtime.onednn import fast_products

            with fast_products():
                yield from LocalEngine(self.explainer).outcomes(groups, None)
        else:
            yield from _Pool(self.explainer, self.plan, self._load).outcomes(groups)


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    task: _Task | None = None
    ready: bool = False


class _Pool:
    """The processes of one run."""

    def __init__(self, explainer: "Explainer", plan: Plan, load: Load) -> None:
        self._context = mp.get_context("spawn")
        self._setting = (load, explainer.config, plan.threads, explainer.classifier.info.weights_sha256)
        self._again: deque[_Task] = deque()
        self._unready_deaths = 0
        self._workers = [self._started() for _ in range(plan.workers)]

    def outcomes(self, groups: Iterator[list[Keyed]]) -> Outcomes:
        """Feed whoever is free until there is nothing left."""
        try:
            while True:
                for worker in self._workers:
                    if worker.ready and worker.task is None:
                        self._feed(worker, groups)
                if self._all_fed_and_done():
                    return
                for worker in self._with_news():
                    yield from self._heard(worker)
        finally:
            self._stop()

    def _feed(self, worker: _Worker, groups: Iterator[list[Keyed]]) -> None:
        if self._again:
            worker.task = self._again.popleft()
        elif (group := next(groups, None)) is not None:
            worker.task = _Task(group)
        if worker.task is not None:
            try:
                worker.pipe.send(worker.task.group)
            except OSError:  # it died meanwhile; reading from it will say so
                return

    def _all_fed_and_done(self) -> bool:
        """Nothing is under way, and every process that is ready was offered work in vain."""
        return not self._again and any(w.ready for w in self._workers) and all(w.task is None for w in self._workers)

    def _with_news(self) -> list[_Worker]:
        pipes = {worker.pipe: worker for worker in self._workers if worker.task is not None or not worker.ready}
        return [pipes[pipe] for pipe in wait(list(pipes)) if isinstance(pipe, Connection)]

    def _heard(self, worker: _Worker) -> Iterator[list[Outcome]]:
        try:
            news = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        if isinstance(news, BaseException):
            raise news
        if not worker.ready:
            worker.ready, self._unready_deaths = True, 0
            return
        worker.task = None
        yield news

    def _died(self, worker: _Worker) -> Iterator[list[Outcome]]:
        worker.process.join()
        how = _cause(worker.process.exitcode)
        task, loaded = worker.task, worker.ready
        if not loaded:
            self._unready_deaths += 1
            if self._unready_deaths > len(self._workers):
                message = f"The processes that explain die while they load the model ({how}). Use fewer --workers."
                raise DeviceError(message)
        self._workers[self._workers.index(worker)] = self._started()
        if task is not None:
            task.deaths += 1
            if task.deaths < DEATHS:
                self._again.append(task)
            elif len(task.group) > 1:
                self._again.extend(_Task([keyed]) for keyed in task.group)
            else:
                yield [lost(task.group[0], task.deaths, how)]

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._setting), name="ih-worker", daemon=True)
        process.start()
        theirs.close()  # only the process holds it now: when it dies, reading ends
        return _Worker(process, ours)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()


def _work(pipe: Connection, load: Load, config: "RunConfig", threads: int, weights: str) -> None:
    """The life of a worker: load the model, then explain what comes, until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run's process stops its workers
    try:
        explainer = load(config, threads, weights)
    except IhError as error:
        pipe.send(error)
        return
    from ihcli.runtime.malloc import release_free_memory
    from ihcli.runtime.onednn import fast_products

    try:
        with fast_products():
            pipe.send(None)
            while True:
                pipe.send(explain_group(explainer, pipe.recv()))
                release_free_memory()  # what a long text left, in pieces that the next would not fit
    except (EOFError, OSError):  # the run is over, or was killed
        return


def loaded(config: "RunConfig", threads: int, weights: str) -> "Explainer":
    """The explainer of a worker; raises `ModelError` where its model is not the run's."""
    keep_few_kernels()  # an actor of another machine did not inherit it
    import torch

    from ihcli.pipeline import Explainer

    explainer = Explainer(config)
    torch.set_num_threads(threads)
    found = explainer.classifier.info.weights_sha256
    if found != weights:
        message = (
            f"{config.model.name} has the weights {found[:12]}… on a worker and {weights[:12]}… where the run was "
            "started. Give every machine the same model."
        )
        raise ModelError(message)
    return explainer


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"signal {-exitcode}, {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"
