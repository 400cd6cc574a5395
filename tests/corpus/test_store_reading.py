"""A store that is read: its rows, their names, and what reading does to the process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from corpora import go, stored

from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns

TEXTS = ["not a bad film", "fine", "is nan", "fine", "a slow one"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("reading"), TEXTS)


READS = """
import json, os, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from ihcli.corpus.readers import read_rows
from ihcli.corpus.store_reading import ReadOnlyStore

def threads():
    return len(os.listdir("/proc/self/task"))

pq.write_table(pa.table({"text": ["one", "two"]}), sys.argv[2])
before = threads()
read = [len(list(ReadOnlyStore(Path(sys.argv[1])).outcomes())), len(list(read_rows(sys.argv[2])))]
print(json.dumps({"read": read, "more": threads() - before}))
"""


def test_rows_of_several_inputs_with_one_name_are_kept_apart(tmp_path: Path) -> None:
    for name, text in (("one", "so it goes"), ("two", "so it went")):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"id,text\n7,{text}\n", encoding="utf-8")
        go(file, tmp_path / "run", columns=Columns(id="id"))
    found = dict(iter_explanations(tmp_path / "run"))
    assert len(found) == 2
    assert "7" in found


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not list a process's threads")
def test_reading_starts_no_thread_that_could_abort_the_process_at_its_end(store: Path, tmp_path: Path) -> None:
    # One that lets go of a Python buffer while the interpreter ends aborts it, one time in three on a busy machine.
    ran = subprocess.run(
        [sys.executable, "-c", READS, store, tmp_path / "in.parquet"], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == {"read": [5, 2], "more": 0}
