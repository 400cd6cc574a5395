"""Try commands of `ih` on mutated results, stores, configurations, inputs and options for a while.

``python -m tests.studies.fuzz --seconds 600 --seed 1`` prints each command line that ended in a traceback, hung, or
changed what it was not asked to, and at the end how many cases of each kind ended with which exit code.
"""

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

from fuzzing import KINDS, fuzz, good_files, stand_in


def main() -> int:
    """Run for so many seconds of processor time; 1 where something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="processor time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=list(KINDS), help="one kind of case only")
    arguments = parser.parse_args()
    counts: Counter[tuple[str, int]] = Counter()
    failures, seed = 0, arguments.seed * 10**6
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory() as place, stand_in():
        good = good_files(Path(place))
        while time.process_time() < arguments.seconds:
            kind = arguments.kind or list(KINDS)[seed % len(KINDS)]
            with tempfile.TemporaryDirectory() as folder:
                try:
                    _, ran = fuzz(kind, random.Random(seed), good, Path(folder) / "case")  # noqa: S311
                    counts[kind, ran.exit_code] += 1
                except Exception as error:  # noqa: BLE001 - the study counts whatever happens
                    failures += 1
                    print(f"{kind} {seed}: {type(error).__name__}: {str(error)[:4000]}", flush=True)  # noqa: T201
            seed += 1
    for (kind, code), count in sorted(counts.items()):
        print(f"{kind}: {count} ended with {code}")  # noqa: T201
    print(f"{sum(counts.values())} cases held, {failures} did not")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
