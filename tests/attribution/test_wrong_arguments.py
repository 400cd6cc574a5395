"""Arguments of the wrong type: one clear error of the kind that callers catch, before anything is computed."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ihcli import integrated_gradients, integrated_hessians, integrated_hessians_of_game
from ihcli.errors import UsageError

X, ZERO = torch.arange(1.0, 9.0).view(2, 4), torch.zeros(2, 4)
BOTH = (integrated_gradients, integrated_hessians)


def squares(x: Tensor) -> Tensor:
    return (x**2).sum((1, 2))


WRONG: dict[str, list[Any]] = {
    "tolerance": ["0.01", None, [0.01], 1j, True, float("nan"), 0, 2],
    "memory": ["1", 1.5, -1, 0, True, [1], float("inf")],
}
WRONG_OF_MATRICES: dict[str, list[Any]] = {
    "seed": ["1", None, 1.5, True, -1, [1]],
    "max_nodes": ["1", None, 1.5, True, 0, [1]],
    "top": ["1", 1.5, True, 0, [1]],
    "formulation": [None, 1, ["paper"], {}, "unknown"],
    "progress": [1, "x"],
    "engine": [1, "x"],
}


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_setting_of_the_wrong_type_is_named(function: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name} is "):
        function(squares, X, ZERO, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name in WRONG_OF_MATRICES for one in WRONG_OF_MATRICES[name]]
)
def test_a_setting_of_matrices_of_the_wrong_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name} is "):
        integrated_hessians(squares, X, ZERO, **{name: value})


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, X, ZERO), "^f is a NoneType"),
        ((squares, [1.0], ZERO), "^x is a list"),
        ((squares, None, ZERO), "^x is a NoneType"),
        ((squares, X.to(torch.complex64), ZERO), "^x is a complex tensor"),
        ((squares, X, None), "^baseline is a NoneType"),
        ((squares, X, ZERO, [0, 1]), "^groups is a list"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(function: Callable[..., Any], arguments: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        function(*arguments)


@pytest.mark.parametrize("function", BOTH)
@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: squares(x) * 1j, "complex numbers"),
        (lambda x: squares(x).long(), "no derivative"),
        (lambda x: squares(x).detach(), "no derivative"),
        (lambda _: None, "made NoneType"),
        (lambda x: squares(x).tolist(), "made list"),
        (lambda x: squares(x).detach().numpy(), "made ndarray"),
        (lambda x: x, "a tensor of shape"),
    ],
)
def test_what_is_no_real_differentiable_function_is_refused(
    function: Callable[..., Any], f: Callable[[Tensor], Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        function(f, X, ZERO)


def test_fused_attention_is_told_with_the_setting_to_change() -> None:
    def f(x: Tensor) -> Tensor:
        q = x.view(len(x), 1, 4, 2)
        return functional.scaled_dot_product_attention(q, q, q).sum((1, 2, 3))

    with pytest.raises(UsageError, match='attn_implementation="eager"'):
        integrated_hessians(f, X, ZERO)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # as the message says
        assert integrated_hessians(f, X, ZERO).certificate.converged


def test_an_error_of_the_function_itself_is_not_hidden() -> None:
    def f(_: Tensor) -> Tensor:
        message = "own"
        raise KeyError(message)

    with pytest.raises(KeyError, match="own"):
        integrated_hessians(f, X, ZERO)


@pytest.mark.parametrize(
    ("game", "settings", "words"),
    [
        (None, {}, "^game is a NoneType"),
        (lambda coalitions: coalitions.sum(1) * 1j, {}, "real numbers"),
        (lambda _: "a", {}, "real numbers"),
        (lambda coalitions: [{}] * len(coalitions), {}, "real numbers"),
        (lambda coalitions: coalitions.sum(1), {"seed": -1}, "^seed is -1"),
        (lambda coalitions: coalitions.sum(1), {"seed": "1"}, "^seed is '1'"),
        (lambda coalitions: coalitions.sum(1), {"top": "1"}, "^top is '1'"),
        (lambda coalitions: coalitions.sum(1), {"evaluations": 1.5}, "^evaluations is 1.5"),
    ],
)
def test_a_game_of_the_wrong_kind_is_refused(game: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        integrated_hessians_of_game(game, 3, **settings)
