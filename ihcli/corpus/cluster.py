"""Explaining groups of rows on a Ray cluster, by Ray Data: an actor holds the model once, groups go to whoever is free.

This process reads the rows and writes the store, so that a run may go from one machine to a cluster and back.  An actor
that dies is started again by Ray and its group explained again; a group that was begun twice and never ended is
explained row by row, and a row that was begun twice and never ended becomes an error row.
"""

import logging
import os
import pickle
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ihcli.corpus.local import Explains, Outcomes, explain_group, lost
from ihcli.corpus.processes import DEATHS, WORKER_BYTES, Load, cores_here, loaded
from ihcli.corpus.records import Keyed, Outcome
from ihcli.errors import DeviceError, IhError, UsageError

if TYPE_CHECKING:
    from ihcli.config import RunConfig
    from ihcli.pipeline import Explainer

WINDOW_ROWS = 50_000
"""Rows handed to Ray at once: this process holds their texts, and actors are started anew after so many."""
AHEAD = 2
"""Groups that an actor has at once, so that it never waits for the next."""


class RayEngine:
    """Actors of a Ray cluster: the one that RAY_ADDRESS names, else one on this machine."""

    def __init__(self, explainer: "Explainer", workers: int | None = None, load: Load | None = None) -> None:
        """`explainer` stands for the model; `load` is what an actor calls.  Raises `UsageError` without Ray."""
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or C++ writes among our lines
        try:
            import ray.data
        except ImportError as error:
            message = f"--engine ray needs Ray Data ({error}). Install it with: pip install 'ihcli[ray]'"
            raise UsageError(message) from error
        del ray
        self.explainer = explainer
        self._workers = workers
        self._load = load or loaded

    def outcomes(self, groups: Iterator[list[Keyed]], rows: int | None) -> Outcomes:
        """What became of each group, as it comes back; raises `DeviceError` for what the cluster cannot give."""
        del rows
        import ray

        begun = not ray.is_initialized()
        if begun:
            _begin((self._workers or 1) * (self.explainer.config.runtime.threads or 1))
        try:
            _quiet()
            for window in _windows(groups):
                yield from self._explained(window)
        except ray.exceptions.RayError as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            message = f"Ray stopped the work ({last}). What was written is safe: give the same command again."
            raise DeviceError(message) from error
        finally:
            if begun:
                ray.shutdown()

    def _explained(self, window: list[list[Keyed]]) -> Outcomes:
        import ray

        share = self._share()
        ledger = ray.remote(num_cpus=0)(Ledger).remote()
        info = self.explainer.classifier.info
        data = ray.data.from_items(
            [{"group": pickle.dumps(group)} for group in window], override_num_blocks=len(window)
        ).map_batches(
            Actor,
            fn_constructor_args=(self._load, self.explainer.config, max(1, int(share["num_cpus"])),
                                 info.weights_sha256, ledger),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=self._count(share), max_tasks_in_flight_per_actor=AHEAD),
            **share,
        )  # fmt: skip
        left = len(window)
        for batch in data.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=1):
            for content in batch["outcomes"].to_pylist():
                found = pickle.loads(content)  # noqa: S301  (our own actor's)
                if isinstance(found, IhError):
                    raise found
                left -= 1
                yield found
        if left:
            message = f"Ray lost {left} groups of rows. What was written is safe: give the same command again."
            raise DeviceError(message)

    def _share(self) -> dict[str, float]:
        """What one actor holds: a GPU where there are any and the device is `auto` or one, and its threads' cores."""
        import ray

        runtime = self.explainer.config.runtime
        own: dict[str, float] = {"num_cpus": runtime.threads or 1}
        on_gpu = runtime.device.startswith("cuda") or (runtime.device == "auto" and ray.cluster_resources().get("GPU"))
        return {**own, "num_gpus": 1} if on_gpu else own

    def _count(self, share: dict[str, float]) -> int:
        """As many actors as asked for, else as the cluster carries; raises `DeviceError` where it carries none."""
        import ray

        there = ray.cluster_resources()
        most = min(
            int(there.get(name, 0) / need)
            for name, need in (("CPU", share["num_cpus"]), ("GPU", share.get("num_gpus")))
            if need
        )
        wanted = self._workers or min(most, max(1, int(there.get("memory", 0) / WORKER_BYTES)))
        if most < 1 or wanted > most:
            message = (
                f"The Ray cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs, which carry "
                f"{most} workers of {share}; {max(1, wanted)} are wanted. Lower --workers or --threads."
            )
            raise DeviceError(message)
        return wanted


class Ledger:
    """Counts, over the deaths of actors, how often a row or group was begun and not ended."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._open: dict[str, int] = {}

    def begin(self, key: str) -> int:
        """Note that it is begun; how often it was so without an end, this time included."""
        self._open[key] = self._open.get(key, 0) + 1
        return self._open[key]

    def end(self, key: str) -> None:
        """Note that it ended."""
        self._open.pop(key, None)


class Actor:
    """What Ray keeps: a model, explaining one group a call."""

    def __init__(self, load: Load, config: "RunConfig", threads: int, weights: str, ledger: Any) -> None:
        """Load the model; a failure is told to whoever asks, since Ray would only try again."""
        self._ledger = ledger
        self._explainer: Explains | IhError
        try:
            self._explainer = load(config, threads, weights)
        except IhError as error:
            self._explainer = error
            return
        from ihcli.runtime.onednn import fast_products

        self._products = fast_products()  # for the life of this process
        self._products.__enter__()

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        """The outcomes of each group of a batch, pickled."""
        from ihcli.runtime.malloc import release_free_memory

        found = []
        for content in batch["group"].to_pylist():
            found.append(pickle.dumps(self._outcomes(pickle.loads(content))))  # noqa: S301  (our own)
            release_free_memory()
        return {"outcomes": found}

    def _outcomes(self, group: list[Keyed]) -> list[Outcome] | IhError:
        if isinstance(self._explainer, IhError):
            return self._explainer
        if self._begin(group) <= DEATHS:
            found = explain_group(self._explainer, group)
        else:  # it was under way whenever an actor died
            found = [outcome for keyed in group for outcome in self._alone(self._explainer, keyed)]
        self._end(group)
        return found

    def _alone(self, explainer: Explains, keyed: Keyed) -> list[Outcome]:
        if self._begin([keyed], "alone") > DEATHS:
            return [lost(keyed, DEATHS, "Ray's log says how")]
        found = explain_group(explainer, [keyed])
        self._end([keyed], "alone")
        return found

    def _begin(self, group: list[Keyed], how: str = "together") -> int:
        import ray

        return int(ray.get(self._ledger.begin.remote(f"{how} {group[0].key}")))

    def _end(self, group: list[Keyed], how: str = "together") -> None:
        import ray

        ray.get(self._ledger.end.remote(f"{how} {group[0].key}"))


def _windows(groups: Iterator[list[Keyed]]) -> Iterator[list[list[Keyed]]]:
    window: list[list[Keyed]] = []
    count = 0
    for group in groups:
        window.append(group)
        count += len(group)
        if count >= WINDOW_ROWS:
            yield window
            window, count = [], 0
    if window:
        yield window


def _begin(cores: int) -> None:
    """Join the cluster that RAY_ADDRESS names, or start one here, of this machine's cores or as many as asked for."""
    import ray

    local = {"num_cpus": max(cores, cores_here()), "include_dashboard": False}
    ray.init(logging_level=logging.ERROR, log_to_driver=False, **({} if os.environ.get("RAY_ADDRESS") else local))


def _quiet() -> None:
    """No bars and notes of Ray Data among ours, nor what it finds old-fashioned in itself."""
    import ray

    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
