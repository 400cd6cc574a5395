"""A batch of the stand-in that takes its time and writes often, to be killed: `python killed_run.py FILE RUN`."""

import functools
import sys
from pathlib import Path

from corpora import StandIn

from ihcli.corpus import batch_run as running
from ihcli.corpus.part_writer import PartWriter
from ihcli.results import Environment


def main(source: str, out: str, *_: str) -> None:
    running._require_explainable = lambda *_, **__: None  # type: ignore[assignment]
    running._environment = lambda _: Environment("0", "0", "0", "0", "cpu")  # or transformers would be loaded
    running.PartWriter = functools.partial(PartWriter, seconds=0.03)  # type: ignore[assignment,misc]
    running.run(running.BatchJob(source, Path(out)), StandIn(pause=0.05))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
