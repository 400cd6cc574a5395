"""Schedules: every step finds its arguments, and what runs in blocks is cut as its segment says."""

import pytest
from curvature_functions import FUNCTIONS, D, T, mixed, squash, transformer, weights

from ihcli.curvature import trace
from ihcli.curvature.segments import Segment

CASES = {**FUNCTIONS, "transformer": transformer}


def flat(steps):
    for step in steps:
        if isinstance(step, Segment):
            yield from flat(step.steps)
        else:
            yield step


@pytest.mark.parametrize("name", CASES)
def test_every_step_follows_what_it_reads(name):
    program = trace(lambda x: squash(CASES[name](mixed(x))), weights(1, T, D))
    order = list(flat(program.steps))
    assert sorted(map(id, order)) == sorted(map(id, program.graph.dependent()))
    done = {id(program.graph.source)}
    for node in order:
        assert all(id(source) in done for source in node.sources() if source.depends)
        done.add(id(node))


def test_segments_read_no_result_of_theirs_from_outside():
    program = trace(transformer, weights(1, T, D))
    segments = [step for step in program.steps if isinstance(step, Segment)]
    assert segments
    for segment in segments:
        inside = {id(node) for node in segment.nodes}
        assert segment.outputs <= inside
        assert not inside & {id(node) for node in segment.inputs}
        for node in segment.nodes:
            assert node.shape[segment.cuts[id(node)]] == segment.size
