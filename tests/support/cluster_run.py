"""A run on Ray with two workers, of which one is killed in the middle; in a process of its own, since Ray is global.

`python cluster_run.py FILE RUN MARK` explains FILE into RUN; the first worker that comes to its second group dies.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ihcli.corpus.processes import load_explainer

CONFIG = {"attribution": {"tolerance": 0.1}, "runtime": {"threads": 1}}


class Mortal:
    """The bundled model in a worker that dies once, of all workers, when it has explained a group."""

    def __init__(self, explainer: Any, mark: Path) -> None:
        self.explainer, self.mark, self.groups = explainer, mark, 0

    def explain_together(self, texts: Sequence[tuple[str, str | None]]) -> Any:
        self.groups += 1
        if self.groups > 1:
            try:
                self.mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.explainer.explain_together(texts)


def load(config: Any, threads: int, weights: str) -> Mortal:
    return Mortal(load_explainer(config, threads, weights), Path(os.environ["MARK"]))


def main(source: str, out: str, mark: str) -> None:
    os.environ["MARK"] = mark  # before Ray starts: its workers inherit it
    from ihcli.corpus.batch_run import BatchJob, run
    from ihcli.corpus.cluster import RayEngine
    from ihcli.pipeline import Explainer

    explainer = Explainer(CONFIG)
    tally = run(BatchJob(source, Path(out)), explainer, RayEngine(explainer, 2, load))
    print(tally.done, tally.failed)  # noqa: T201  (the test reads it)


if __name__ == "__main__":
    main(*sys.argv[1:])
