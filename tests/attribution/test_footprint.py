"""Memory: what a node keeps is measured, chunks keep within the limit, too little is said with the least that works."""

import gc
import re
import weakref

import pytest
import torch

from ihcli.attribution import integrated_hessians
from ihcli.attribution.footprint import GRAPH, ROW, Footprint
from ihcli.attribution.path import Path
from ihcli.errors import DeviceError, NonFiniteError

X, B = torch.ones(4, 8, dtype=torch.float64), torch.zeros(4, 8, dtype=torch.float64)
GROUPS = torch.arange(4)


def field(z):
    return torch.tanh(z.flatten(1) @ torch.ones(32, 16, dtype=z.dtype) / 8).sum(1)


def test_what_a_forward_pass_keeps_is_counted():
    # tanh keeps its output (16 numbers), the matrix product its constant right side only, which needs no gradient
    path = Path.between(X, B, GROUPS)
    found = Footprint.measure(lambda z: torch.tanh(z.flatten(1)).sum(1), path, 1 << 30)
    assert 32 * 8 <= found.saved <= 2 * 32 * 8 + 1


def test_what_was_counted_is_freed():
    made = []

    def f(z):
        hidden = torch.tanh(z.flatten(1))
        made.append(weakref.ref(hidden))
        return hidden.sum(1)

    Footprint.measure(f, Path.between(X, B, GROUPS), 1 << 30)
    gc.collect()
    assert [one() for one in made] == [None]


def test_too_little_is_refused_with_the_least_that_works():
    big = torch.ones(64, 512, dtype=torch.float64)
    f = lambda z: torch.tanh(torch.sin(z)).sum((1, 2))  # noqa: E731
    with pytest.raises(DeviceError, match="one row of one node") as refused:
        integrated_hessians(f, big, 0 * big, torch.arange(64), memory=200_000)
    least = int(re.search(r"--memory (\d+)MB", str(refused.value))[1])
    found = integrated_hessians(f, big, 0 * big, torch.arange(64), memory=least * 10**6)
    assert found.certificate.converged
    with pytest.raises(DeviceError):
        integrated_hessians(f, big, 0 * big, torch.arange(64), memory=(least - 1) * 10**6 // 2)


@pytest.mark.parametrize("limit", [10_000, 40_000, 1 << 20])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_chunk_is_within_the_limit(limit, rows):
    found = Footprint(saved=1000, limit=limit)
    nodes, together = found.nodes_second_order(rows), found.rows_second_order(rows)
    assert 1 <= together <= rows
    assert nodes * 1000 * (GRAPH + ROW * together) <= max(limit, 1000 * (GRAPH + ROW))
    assert found.nodes_first_order() * 2000 <= limit


def test_no_batch_is_larger_than_the_limit_allows():
    path = Path.between(X, B, GROUPS)
    seen = []

    def watched(z):
        seen.append(len(z))
        return field(z)

    found = Footprint.measure(field, path)
    integrated_hessians(watched, X, B, GROUPS, memory=found.bytes(1, 2))
    small = max(seen)
    seen.clear()
    integrated_hessians(watched, X, B, GROUPS)
    assert small < max(seen)
    assert small <= found.bytes(1, 2) // (2 * found.saved)


def test_nan_inside_the_path_names_its_node_and_nothing_is_a_result():
    f = lambda z: torch.where(z.mean((1, 2)) > 0.3, torch.nan, 1.0) * z.sum((1, 2)) ** 2  # noqa: E731
    with pytest.raises(NonFiniteError, match=r"t = 0\.3") as found:
        integrated_hessians(f, X, B, GROUPS)
    assert 0.3 < float(re.search(r"t = ([\d.]+)", str(found.value))[1]) < 0.4
