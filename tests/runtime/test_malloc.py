"""Memory that is kept between operations."""

import json
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource, sys
from pathlib import Path
import torch
from ihcli.runtime.malloc import held_memory
from ihcli.runtime.onednn import fast_products

def resident():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()

def use():  # take 160 MB in four tensors, fill them, and free them
    tensors = [torch.ones(10 << 20) for _ in range(4)]
    del tensors

use()  # what the first use loads does not count
before = resident()
with {"held_memory": held_memory, "fast_products": fast_products}[sys.argv[1]]():
    for k in range(4):  # blocks of 160 MB and more, each a little larger than the gap that the last one would leave
        torch.ones((40 + k) << 20)
    gaps = resident() - before
    for _ in range(4):  # until the heap has its size
        use()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    inside = resident()
print(json.dumps({"faults": faults, "inside": inside - before, "gaps": gaps, "after": resident() - before}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("context", ["held_memory", "fast_products"])
def test_freed_memory_stays_inside_but_for_large_blocks_and_is_returned_after(context):
    # In a process of its own, since free memory of another test would serve here, and the process would not grow.
    run = subprocess.run([sys.executable, "-c", PROGRAM, context], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["faults"] < 1000  # 40,960 pages were filled
    assert found["inside"] > 100e6
    assert found["gaps"] < 60e6
    assert found["after"] < 60e6
