"""One recorded run: its steps, what they were computed from, and reads that would make it valid for one input only."""

import pytest
import torch
from curvature_functions import W, weights

from ihcli.curvature.decompositions import decomposition
from ihcli.curvature.tracer import Reference, Tracer, Untraceable, memory_key


def recorded(f, *parameters: torch.Tensor):
    """The trace of f at two samples of three numbers."""
    return Tracer(weights(2, 3, seed=1), parameters, lambda _: None).run(f)


def test_operations_are_recorded_whole_and_in_order() -> None:
    trace = recorded(lambda x: torch.softmax(torch.nn.functional.linear(x, W[:2, :3]), -1).sum(1))
    names = [step.name for step in trace.steps if step.name not in {"input", "constant", "slice"}]
    assert names == ["linear", "softmax", "sum"]
    last = trace.steps[trace.result]
    assert (last.name, last.depends) == ("sum", True)
    assert isinstance(last.args[0], Reference)
    assert trace.steps[last.args[0].step].name == "softmax"


def test_a_step_knows_whether_points_or_parameters_went_into_it() -> None:
    trace = recorded(lambda x, p: (x * p.exp() + W.sum()).sum(1), weights(2, 3, seed=2))
    by_name = {step.name: (step.depends, step.parametric) for step in trace.steps}
    assert by_name["exp"] == (False, True)
    assert by_name["mul"] == by_name["add"] == (True, True)
    assert by_name["constant"] == (False, False)


def test_what_is_written_into_memory_carries_what_it_depends_on() -> None:
    def f(x):
        y = torch.zeros(2, 3, dtype=x.dtype)
        y[:, 1] = x[:, 0]
        return y.sum(1)

    trace = recorded(f)
    assert trace.steps[trace.result].depends


def test_a_tuple_is_recorded_with_each_of_its_parts() -> None:
    trace = recorded(lambda x: torch.unbind(x, 1)[2] * 2)
    parts = [step for step in trace.steps if step.name == "getitem"]
    assert [part.args[1] for part in parts] == [0, 1, 2]
    assert all(part.depends for part in parts)


def test_a_decomposition_is_recorded_in_place_of_the_operation() -> None:
    points = weights(2, 3, seed=1)
    trace = Tracer(points, (), decomposition).run(lambda x: x.var(1))
    names = {step.name for step in trace.steps}
    assert "var" not in names
    assert {"mean", "sub", "pow"} <= names


READS = {
    "item": lambda x: x.sum(1) * x.sum().item(),
    "bool": lambda x: x.sum(1) if x.sum() > 0 else x.mean(1),
    "tolist": lambda x: x.sum(1) * x.tolist()[0][0],
    "numpy": lambda x: x.sum(1) * float(x.detach().numpy()[0, 0]),
    "int": lambda x: x[:, : 1 + int(x.abs().sum() * 0)].sum(1),
}


@pytest.mark.parametrize("name", READS)
def test_reading_a_value_that_depends_on_the_input_is_refused(name: str) -> None:
    with pytest.raises(Untraceable, match="reads a value that depends on the input"):
        recorded(READS[name])


def test_reading_a_constant_is_not() -> None:
    trace = recorded(lambda x: x.sum(1) * W.sum().item())
    assert trace.steps[trace.result].name == "mul"


def test_autocast_is_refused() -> None:
    def f(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (x @ W[:3, :3]).sum(1)

    with pytest.raises(Untraceable, match="autocast"):
        recorded(f)


def test_a_result_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(Untraceable, match="it returned list"):
        recorded(lambda x: [x])


def test_keys_of_memory_tell_views_apart_and_find_the_same_view_again() -> None:
    x = torch.arange(6.0).view(2, 3)
    assert memory_key(x) == memory_key(x.view(2, 3))
    assert memory_key(x) != memory_key(x.t())
    assert memory_key(x[0]) != memory_key(x[1])
    assert memory_key(x)[0] == memory_key(x[1])[0]
    assert memory_key(x)[0] != memory_key(x.clone())[0]
