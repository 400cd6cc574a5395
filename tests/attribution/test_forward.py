"""Which engine computes second derivatives, and the reason that is given for it."""

import logging

import numpy as np
import pytest
import torch

from ihcli.attribution.forward import EngineChoices, ForwardEngine, choose_engine, fastest
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine
from ihcli.curvature.tracer import Untraceable


def path(tokens: int = 3, width: int = 2) -> Path:
    x = torch.linspace(0.5, 1.5, tokens * width).reshape(tokens, width)
    return Path.between(x, torch.zeros_like(x), torch.arange(tokens))


def smooth(x: torch.Tensor) -> torch.Tensor:
    return (x.sum(-1).tanh() ** 2).sum(-1)


def branching(x: torch.Tensor) -> torch.Tensor:
    """What is computed depends on a value of the input."""
    return (x * 2 if bool((x.sum() > 0).item()) else x).sum((-1, -2))


@pytest.mark.parametrize("wanted", ["auto", "forward"])
def test_a_function_of_known_operations_gets_the_forward_engine(wanted) -> None:
    choice = choose_engine(smooth, path(), wanted)
    assert choice.name == "forward"
    assert choice.program is not None
    assert "operations of" in choice.reason
    assert "all with rules" in choice.reason


def test_reverse_is_not_traced_at_all() -> None:
    def never(_: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    choice = choose_engine(never, path(), "reverse")
    assert (choice.name, choice.reason, choice.program) == ("reverse", "asked for", None)


def test_auto_falls_back_and_says_why(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        choice = choose_engine(branching, path())
    assert (choice.name, choice.program) == ("reverse", None)
    with pytest.raises(Untraceable) as obstacle:
        choose_engine(branching, path(), "forward")
    assert choice.reason == str(obstacle.value)
    assert any(choice.reason in record.getMessage() for record in caplog.records)


def test_choices_are_made_once_and_the_longest_unused_one_is_dropped() -> None:
    made: list[str] = []

    def named(name: str):
        def f(x: torch.Tensor) -> torch.Tensor:
            made.append(name)
            return smooth(x)

        return f

    choices = EngineChoices(most=2)

    def traced(name: str) -> bool:
        before = len(made)
        assert choices.of(name, named(name), path(), "auto").name == "forward"
        return len(made) > before

    assert [traced(name) for name in "abab"] == [True, True, False, False]
    assert traced("a") is False  # so b is the longest unused
    assert traced("c")
    assert traced("a") is False
    assert traced("b")


def test_an_operation_without_a_rule_is_named() -> None:
    choice = choose_engine(lambda x: torch.special.i0(x).sum((-1, -2)), path())
    assert choice.name == "reverse"
    assert "i0" in choice.reason


def test_few_units_of_a_path_that_is_too_large_as_a_whole_are_carried_forward(monkeypatch) -> None:
    def mixed(x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(x @ torch.eye(2))
        return torch.softmax(hidden @ hidden.mT, -1).square().sum((-1, -2))

    own = path(tokens=24)
    choice = choose_engine(mixed, own)
    assert choice.program is not None
    limit = choice.program.bytes_per_node(4)
    assert fastest(mixed, own, choice, "auto", limit).name == "reverse"
    engine = fastest(mixed, own, choice, "auto", limit, some_units=True)
    assert isinstance(engine, ForwardEngine)
    reverse = ReverseEngine(mixed, 1 << 30)
    seen: list[int] = []
    asked = engine.reverse.evaluate
    monkeypatch.setattr(engine.reverse, "evaluate", lambda path, *rest: seen.append(path.units) or asked(path, *rest))
    t = torch.tensor([0.3, 0.8])
    for some in (own, own.merged([3, 7, 20])):
        found, expected = engine.evaluate(some, t, 2).hessian, reverse.evaluate(some, t, 2).hessian
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    first, expected_first = engine.evaluate(own, t, 1), reverse.evaluate(own, t, 1)
    np.testing.assert_allclose(first.gradient, expected_first.gradient, rtol=0, atol=1e-5)
    assert seen == [24]  # the whole Hessian by reverse over reverse, four units by the forward engine
    assert engine.peak_bytes(own, 2, 4) <= limit


def test_an_engine_that_is_asked_for_is_kept() -> None:
    own = path(tokens=24)
    choice = choose_engine(smooth, own, "forward")
    assert choice.program is not None
    engine = fastest(smooth, own, choice, "forward", choice.program.bytes_per_node(3))
    assert isinstance(engine, ForwardEngine)
    assert engine.always
