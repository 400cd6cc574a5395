"""Explaining groups of rows on a Ray cluster by Ray Data: each actor holds the model, and takes the next group.

This process reads the rows and writes the store, so a run may be continued on another machine or cluster.  Ray starts
an actor that died again and gives it its group again.  A group that was started twice without an end is explained row
by row, and a row that was started twice without an end becomes an error row.
"""

import logging
import os
import pickle
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ihcli.corpus.local_engine import GroupExplainer, OutcomeGroups, explain_group, worker_died
from ihcli.corpus.processes import MOST_DEATHS, WORKER_BYTES, LoadExplainer, load_explainer
from ihcli.corpus.records import RowOutcome
from ihcli.corpus.row_keys import KeyedRow
from ihcli.counting import counted
from ihcli.errors import DeviceError, IhError, UsageError
from ihcli.runtime.threads import available_cores

if TYPE_CHECKING:
    from ihcli.config import RunConfig
    from ihcli.pipeline import Explainer

ROUND_ROWS = 50_000
"""Rows given to Ray at once: this process holds their texts, and actors start anew for the next round."""
GROUPS_PER_ACTOR = 2
"""Groups that an actor has at once, so that it does not wait for the next."""


class RayEngine:
    """Explains on the Ray cluster that RAY_ADDRESS names, else on one that is started on this machine."""

    def __init__(self, explainer: "Explainer", workers: int | None = None, load: LoadExplainer | None = None) -> None:
        """Explain as `explainer` does; actors call `load`, a function of a module.  Raises `UsageError` without Ray."""
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or Ray's C++ code prints among our lines
        try:
            import ray.data
        except ImportError as error:
            message = f"--engine ray needs Ray Data ({error}). Install it with: pip install 'ihcli[ray]'"
            raise UsageError(message) from error
        del ray
        self.explainer = explainer
        self._workers = workers
        self._load = load or load_explainer

    def explain_groups(self, groups: Iterator[list[KeyedRow]], rows: int | None) -> OutcomeGroups:
        """The outcomes of each group as it is finished; raises `DeviceError` for what the cluster does not have."""
        del rows
        import ray

        started_here = not ray.is_initialized()
        if started_here:
            _start_ray((self._workers or 1) * (self.explainer.config.runtime.threads or 1))
        try:
            _silence_ray()
            for batch in _rounds(groups):
                yield from self._explain_round(batch)
        except ray.exceptions.RayError as error:
            why = _last_line(error)
            message = f"Ray stopped the work ({why}). Rows that were written are safe: run the same command again."
            raise DeviceError(message) from error
        finally:
            if started_here:
                ray.shutdown()

    def _explain_round(self, groups: list[list[KeyedRow]]) -> OutcomeGroups:
        import ray

        resources = self._actor_resources()
        ledger = ray.remote(num_cpus=0)(Ledger).remote()
        weights = self.explainer.classifier.info.weights_sha256
        data = ray.data.from_items(
            [{"group": pickle.dumps(group)} for group in groups], override_num_blocks=len(groups)
        ).map_batches(
            ExplainingActor,
            fn_constructor_args=(
                self._load, self.explainer.config, max(1, int(resources["num_cpus"])), weights, ledger,
            ),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(
                size=self._actor_count(resources), max_tasks_in_flight_per_actor=GROUPS_PER_ACTOR
            ),
            **resources,
        )  # fmt: skip
        left = len(groups)
        for batch in data.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=1):
            for content in batch["outcomes"].to_pylist():
                outcomes = pickle.loads(content)  # noqa: S301  (written by our own actor)
                if isinstance(outcomes, IhError):
                    raise outcomes
                left -= 1
                yield outcomes
        if left:
            lost = counted(left, "group")
            message = f"Ray lost {lost} of rows. Rows that were written are safe: run the same command again."
            raise DeviceError(message)

    def _actor_resources(self) -> dict[str, float]:
        """What one actor reserves: the cores of its threads, and a GPU where the device is one."""
        import ray

        runtime = self.explainer.config.runtime
        cores: dict[str, float] = {"num_cpus": runtime.threads or 1}
        on_gpu = runtime.device.startswith("cuda") or (runtime.device == "auto" and ray.cluster_resources().get("GPU"))
        return {**cores, "num_gpus": 1} if on_gpu else cores

    def _actor_count(self, resources: dict[str, float]) -> int:
        """As many actors as asked for, else as the cluster allows; raises `DeviceError` where it allows too few."""
        import ray

        cluster = ray.cluster_resources()
        most = min(
            int(cluster.get(name, 0) / need)
            for name, need in (("CPU", resources["num_cpus"]), ("GPU", resources.get("num_gpus")))
            if need
        )
        wanted = self._workers or min(most, max(1, int(cluster.get("memory", 0) / WORKER_BYTES)))
        if most < 1 or wanted > most:
            message = (
                f"The Ray cluster has {counted(int(cluster.get('CPU', 0)), 'CPU')} and "
                f"{counted(int(cluster.get('GPU', 0)), 'GPU')}, enough for {counted(most, 'worker')} of {resources}; "
                f"{counted(max(1, wanted), 'is', 'are')} wanted. Lower --workers or --threads."
            )
            raise DeviceError(message)
        return wanted


class Ledger:
    """Counts how often a group or row was started and not finished; it outlives the actors."""

    def __init__(self) -> None:
        """Start without entries."""
        self._started: dict[str, int] = {}

    def start(self, key: str) -> int:
        """Record a start; returns how many starts had no end, including this one."""
        self._started[key] = self._started.get(key, 0) + 1
        return self._started[key]

    def finish(self, key: str) -> None:
        """Record the end."""
        self._started.pop(key, None)


class ExplainingActor:
    """The class that Ray runs: it holds a model and explains one group in each call."""

    def __init__(self, load: LoadExplainer, config: "RunConfig", threads: int, weights: str, ledger: Any) -> None:
        """Load the model; an error is kept as the answer to every call, because Ray would only try again."""
        self._ledger = ledger
        self._explainer: GroupExplainer | IhError
        try:
            self._explainer = load(config, threads, weights)
        except IhError as error:
            self._explainer = error
            return
        from ihcli.runtime.onednn import fast_products

        self._products = fast_products()  # until this process ends
        self._products.__enter__()

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        """The pickled outcomes of each group of a batch."""
        from ihcli.runtime.malloc import release_free_memory

        answers = []
        for content in batch["group"].to_pylist():
            answers.append(pickle.dumps(self._explain(pickle.loads(content))))  # noqa: S301  (written by our own process)
            release_free_memory()
        return {"outcomes": answers}

    def _explain(self, group: list[KeyedRow]) -> list[RowOutcome] | IhError:
        if isinstance(self._explainer, IhError):
            return self._explainer
        if self._start(group) <= MOST_DEATHS:
            outcomes = explain_group(self._explainer, group)
        else:
            outcomes = [outcome for keyed in group for outcome in self._explain_row(self._explainer, keyed)]
        self._finish(group)
        return outcomes

    def _explain_row(self, explainer: GroupExplainer, keyed: KeyedRow) -> list[RowOutcome]:
        if self._start([keyed], "row") > MOST_DEATHS:
            return [worker_died(keyed, MOST_DEATHS, "Ray's log has the cause")]
        outcomes = explain_group(explainer, [keyed])
        self._finish([keyed], "row")
        return outcomes

    def _start(self, group: list[KeyedRow], what: str = "group") -> int:
        import ray

        return int(ray.get(self._ledger.start.remote(f"{what} {group[0].key}")))

    def _finish(self, group: list[KeyedRow], what: str = "group") -> None:
        import ray

        ray.get(self._ledger.finish.remote(f"{what} {group[0].key}"))


def _rounds(groups: Iterator[list[KeyedRow]]) -> Iterator[list[list[KeyedRow]]]:
    """The groups in rounds of about `ROUND_ROWS` rows."""
    collected: list[list[KeyedRow]] = []
    count = 0
    for group in groups:
        collected.append(group)
        count += len(group)
        if count >= ROUND_ROWS:
            yield collected
            collected, count = [], 0
    if collected:
        yield collected


def _start_ray(cores: int) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one here with at least `cores` CPUs.

    Raises `DeviceError`.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    here = {"num_cpus": max(cores, available_cores()), "include_dashboard": False}
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **({} if address else here))
    except (OSError, RuntimeError, ValueError) as error:  # no cluster at the address, or a start that took too long
        where = (
            f"The Ray cluster at RAY_ADDRESS={address} cannot be reached" if address else "Ray cannot be started here"
        )
        message = f"{where} ({_last_line(error)}). Check `ray status`, or leave --engine ray out."
        raise DeviceError(message) from error


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _silence_ray() -> None:
    """Switch off Ray Data's progress bars, notes and deprecation warnings."""
    import ray

    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
