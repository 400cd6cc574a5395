"""Explaining groups of rows in several processes of this machine, each with the model and a part of the cores.

Matrix products of short texts are too small for several cores, so several texts are explained side by side.  A worker
that dies is replaced, and its group is tried again, then each of its rows alone; a row whose worker dies twice becomes
an error row.
"""

import multiprocessing as mp
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from ihcli.corpus.local_engine import GroupExplainer, LocalEngine, OutcomeGroups, explain_group, worker_died
from ihcli.corpus.records import RowOutcome
from ihcli.corpus.row_keys import KeyedRow
from ihcli.counting import counted
from ihcli.errors import DeviceError, IhError, ModelError, UsageError
from ihcli.runtime.threads import available_cores

if TYPE_CHECKING:
    from ihcli.config import RunConfig
    from ihcli.pipeline import Explainer

FEW_ROWS = 48
"""An input with fewer rows is explained in this process: starting workers would take longer."""
WORKER_BYTES = 3 << 30
"""Memory that a worker may need, for a small model and its largest batches."""
MOST_WORKERS_PER_CORE = 8
KERNELS = 128
"""Compiled matrix products that oneDNN keeps, one for each size; by default 1024 of 0.65 MB in each of two caches."""
MOST_DEATHS = 2
"""After so many deaths of its worker a group is explained row by row, and a row is given up."""

LoadExplainer = Callable[["RunConfig", int, str], GroupExplainer]
"""Loads what a worker explains with, from the configuration, the number of threads and the digest of the weights."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """The number of workers, and of CPU threads for each."""

    workers: int
    threads: int


def plan_workers(explainer: "Explainer", workers: int | None) -> WorkerPlan:
    """As many workers as asked for, else one on a GPU, else what cores and memory allow; raises `UsageError`."""
    from ihcli.runtime.memory import free_memory

    device = explainer.classifier.device
    cores = explainer.config.runtime.threads or available_cores()
    most = MOST_WORKERS_PER_CORE * available_cores()
    if workers is None:
        workers = 1 if device.type != "cpu" else max(1, min(cores, most, int(free_memory(device) / WORKER_BYTES)))
    if workers > most:
        own = counted(available_cores(), "core")
        message = f"--workers {workers}: this machine has {own}. Use at most {counted(most, 'worker')}."
        raise UsageError(message)
    return WorkerPlan(workers, max(1, cores // workers))


def keep_few_kernels() -> None:
    """Bound oneDNN's caches in this process and its children; without effect once torch is loaded."""
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS))


class ProcessEngine:
    """Explains with one model in each of several processes; with few rows, or on one GPU, with one in this process."""

    def __init__(self, explainer: "Explainer", workers: int | None = None, load: LoadExplainer | None = None) -> None:
        """Explain as `explainer` does; a worker calls `load`, a function of a module.  Raises `UsageError`."""
        self.explainer = explainer
        self.plan = plan_workers(explainer, workers)
        self._workers_given = workers is not None
        self._load = load or load_explainer

    def explain_groups(self, groups: Iterator[list[KeyedRow]], rows: int | None) -> OutcomeGroups:
        """Each group goes to the next worker that is free; raises the errors of loading the model in a worker."""
        # `rows` is the size of the whole input, so that a run that is continued gets the same number of threads.
        few = rows is not None and rows < FEW_ROWS and not self._workers_given
        one_gpu = self.plan.workers == 1 and self.explainer.classifier.device.type != "cpu"
        if few or one_gpu:
            from ihcli.runtime.onednn import fast_products

            with fast_products():
                yield from LocalEngine(self.explainer).explain_groups(groups, None)
        else:
            yield from _WorkerPool(self.explainer, self.plan, self._load).explain_groups(groups)


@dataclass(slots=True)
class _GroupTask:
    """A group and the number of workers that died of it."""

    group: list[KeyedRow]
    deaths: int = 0


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    task: _GroupTask | None = None
    ready: bool = False


class _WorkerPool:
    """The worker processes of one run."""

    def __init__(self, explainer: "Explainer", plan: WorkerPlan, load: LoadExplainer) -> None:
        self._context = mp.get_context("spawn")
        self._arguments = (load, explainer.config, plan.threads, explainer.classifier.info.weights_sha256)
        self._retries: deque[_GroupTask] = deque()
        self._deaths_while_loading = 0
        self._workers = [self._start_worker() for _ in range(plan.workers)]

    def explain_groups(self, groups: Iterator[list[KeyedRow]]) -> OutcomeGroups:
        try:
            while True:
                for worker in self._workers:
                    if worker.ready and worker.task is None:
                        self._give_task(worker, groups)
                if self._is_finished():
                    return
                for worker in self._workers_with_messages():
                    yield from self._receive(worker)
        finally:
            self._stop()

    def _give_task(self, worker: _Worker, groups: Iterator[list[KeyedRow]]) -> None:
        if self._retries:
            worker.task = self._retries.popleft()
        elif (group := next(groups, None)) is not None:
            worker.task = _GroupTask(group)
        if worker.task is not None:
            try:
                worker.pipe.send(worker.task.group)
            except OSError:  # the worker died; receiving from it tells so
                return

    def _is_finished(self) -> bool:
        """Whether no group is under way, though a worker is ready: there is no group left."""
        return not self._retries and any(w.ready for w in self._workers) and all(w.task is None for w in self._workers)

    def _workers_with_messages(self) -> list[_Worker]:
        pipes = {worker.pipe: worker for worker in self._workers if worker.task is not None or not worker.ready}
        return [pipes[pipe] for pipe in wait(list(pipes)) if isinstance(pipe, Connection)]

    def _receive(self, worker: _Worker) -> Iterator[list[RowOutcome]]:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(worker)
            return
        if isinstance(message, BaseException):
            raise message
        if not worker.ready:
            worker.ready, self._deaths_while_loading = True, 0
            return
        worker.task = None
        yield message

    def _replace(self, worker: _Worker) -> Iterator[list[RowOutcome]]:
        """Start a worker in place of one that died, and try its group again; yields the row that is given up."""
        worker.process.join()
        cause = _cause_of_death(worker.process.exitcode)
        if not worker.ready:
            self._deaths_while_loading += 1
            if self._deaths_while_loading > len(self._workers):
                message = f"The workers die while they load the model ({cause}). Lower --workers."
                raise DeviceError(message)
        self._workers[self._workers.index(worker)] = self._start_worker()
        task = worker.task
        if task is None:
            return
        task.deaths += 1
        if task.deaths < MOST_DEATHS:
            self._retries.append(task)
        elif len(task.group) > 1:
            self._retries.extend(_GroupTask([keyed]) for keyed in task.group)
        else:
            yield [worker_died(task.group[0], task.deaths, cause)]

    def _start_worker(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._arguments), name="ih-worker", daemon=True)
        process.start()
        theirs.close()  # only the worker holds this end now: when it dies, reading from ours ends
        return _Worker(process, ours)

    def _stop(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()


def _work(pipe: Connection, load: LoadExplainer, config: "RunConfig", threads: int, weights: str) -> None:
    """The main function of a worker: load the model, then explain groups until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process of the command stops its workers
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
                release_free_memory()  # what a long text left is in pieces too small for the next one
    except (EOFError, OSError):  # the command ended, or was killed
        return


def load_explainer(config: "RunConfig", threads: int, weights: str) -> "Explainer":
    """The explainer of a worker; raises `ModelError` where its weights are not those of the run."""
    keep_few_kernels()  # a worker on another machine did not inherit the setting
    import torch

    from ihcli.pipeline import Explainer

    explainer = Explainer(config)
    torch.set_num_threads(threads)
    own = explainer.classifier.info.weights_sha256
    if own != weights:
        message = (
            f"{config.model.name} has the weights {own[:12]}… on a worker and {weights[:12]}… where the run was "
            "started. Use the same model on every machine."
        )
        raise ModelError(message)
    return explainer


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"signal {-exitcode}, {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"
