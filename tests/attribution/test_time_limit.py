"""A limited time: what comes back is a matrix whose stated error holds, and nothing is begun that does not fit."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from ihcli.attribution.evaluation import Evaluations
from ihcli.attribution.integrated import Interactions, Options, integrate_paths, integrated_hessians
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine
from ihcli.attribution.sampling import ANY_FUNCTION, VALUE_ZEROING
from ihcli.attribution.time_limit import Pace, TimeLimit
from ihcli.errors import ExitCode, TimeLimitError

UNITS = 7
GRADIENT, ROW = 0.01, 0.02
"""Seconds that a gradient and a row of a Hessian take on the clock of these tests."""


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Timed(ReverseEngine):
    """An engine whose evaluations take time by a clock of their own; and a user who stops it after some calls."""

    def __init__(self, f, clock: Clock, limit: TimeLimit | None = None, patience: float = np.inf) -> None:
        super().__init__(f, 1 << 30)
        self.clock, self.time, self.patience = clock, limit, patience

    def nodes_at_once(self, path: Path, order: int, rows: int | None = None) -> int:
        return min(3, super().nodes_at_once(path, order, rows))

    def evaluate(self, path: Path, t: Tensor, order: int, vectors: Tensor | None = None) -> Evaluations:
        found = super().evaluate(path, t, order, vectors)
        rows = 0 if order == 1 else path.units if vectors is None else len(vectors)
        self.clock.now += len(t) * (GRADIENT + ROW * rows)
        self.patience -= order - 1
        if self.patience <= 0 and self.time is not None:
            self.time.stop()
        return found


def steep(points: Tensor) -> Tensor:
    """A function of (B, 7) that needs many nodes."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(UNITS, 4, generator=generator, dtype=torch.float64)
    return torch.tanh(4 * (points @ first) - 2).sum(1) + points[:, 0] * points[:, 1] ** 2


def path(units: int = UNITS) -> Path:
    x = torch.ones(units, dtype=torch.float64)
    return Path.between(x, torch.zeros_like(x))


def integrated(seconds: float | None, *, patience: float = np.inf, tasks: int = 1, afterwards: float = 0.0, **options):
    clock = Clock()
    limit = TimeLimit(seconds, clock)
    engine = Timed(steep, clock, limit, patience)
    outcomes = integrate_paths([[path()]] * tasks, engine, Options(**options), limit=limit, afterwards=afterwards)
    return outcomes, clock.now


@pytest.fixture(scope="module")
def reference() -> Interactions:
    ((found,), _) = integrated(None, tolerance=1e-7)
    assert isinstance(found, Interactions)
    assert found.certificate.converged
    return found


@pytest.mark.parametrize("plan", [ANY_FUNCTION, VALUE_ZEROING])
@pytest.mark.parametrize("seconds", [2.5, 4, 6, 8])
def test_a_matrix_comes_back_in_time_and_its_error_is_at_most_what_it_says(reference, seconds, plan) -> None:
    ((found,), spent) = integrated(seconds, tolerance=1e-6, plan=plan)
    assert isinstance(found, Interactions)
    assert found.stopped
    assert not found.certificate.converged
    assert spent <= seconds
    assert np.abs(found.ih - reference.ih).max() <= found.certificate.quadrature_error
    assert found.certificate.quadrature_error <= 2 * np.abs(found.ih).max()  # it says something


def test_more_time_gives_a_smaller_error() -> None:
    errors = [integrated(seconds, tolerance=1e-6)[0][0].certificate.quadrature_error for seconds in (2.5, 5, 12)]
    assert errors[0] > errors[1] > errors[2]


def test_enough_time_changes_nothing() -> None:
    ((free,), _), ((limited,), _) = integrated(None, tolerance=1e-3), integrated(1e6, tolerance=1e-3)
    assert not limited.stopped
    assert limited.certificate.converged
    np.testing.assert_allclose(limited.ih, free.ih, rtol=0, atol=1e-12)
    assert limited.quadrature == free.quadrature


def test_a_time_without_a_matrix_is_an_error_that_says_what_it_takes() -> None:
    ((error,), spent) = integrated(0.5, tolerance=1e-2)
    assert isinstance(error, TimeLimitError)
    assert error.exit_code == ExitCode.NOT_CONVERGED
    assert spent <= 0.5
    for part in ("0.5 s are too short", "7 units", "--max-seconds", "--units sentence"):
        assert part in str(error)
    assert "--top" not in str(error)
    needed = float(str(error).split("end about ")[1].split()[0])
    ((found,), _) = integrated(1.3 * needed, tolerance=1e-2)
    assert isinstance(found, Interactions)


def test_a_time_over_before_the_first_value_is_an_error_too() -> None:
    ((error,), spent) = integrated(0.0, tolerance=1e-2)
    assert isinstance(error, TimeLimitError)
    assert spent == 0


@pytest.mark.parametrize("tasks", [1, 3])
def test_time_is_kept_for_what_follows(tasks) -> None:
    seconds, follows = 6.0 * tasks, 120 * tasks
    _, all_of_it = integrated(seconds, tasks=tasks, tolerance=1e-6)
    outcomes, spent = integrated(seconds, tasks=tasks, tolerance=1e-6, afterwards=follows)
    assert seconds - all_of_it < follows * GRADIENT  # else nothing would have to be kept
    assert spent <= seconds - follows * GRADIENT
    assert all(isinstance(one, Interactions) and one.stopped for one in outcomes)


def test_no_more_than_a_quarter_is_kept() -> None:
    ((found,), spent) = integrated(12.0, tolerance=1e-9, afterwards=1e6)
    assert isinstance(found, Interactions)
    assert 6 < spent <= 9


def test_the_first_matrix_comes_before_what_follows() -> None:
    just_enough = next(s for s in np.arange(0.5, 5, 0.1) if isinstance(integrated(s)[0][0], Interactions))
    ((found,), spent) = integrated(just_enough, afterwards=1e6)
    assert isinstance(found, Interactions)
    assert spent > 0.75 * just_enough


def test_several_texts_share_the_time() -> None:
    outcomes, spent = integrated(9.0, tasks=3, tolerance=1e-6)
    assert spent <= 9
    assert all(isinstance(one, Interactions) and one.stopped for one in outcomes)


def test_the_user_may_end_it_once_there_is_a_matrix(reference) -> None:
    (_, all_of_it) = integrated(None, tolerance=1e-6)
    ((found,), spent) = integrated(None, tolerance=1e-6, patience=15)
    assert isinstance(found, Interactions)
    assert found.stopped
    assert spent < all_of_it
    assert np.abs(found.ih - reference.ih).max() <= found.certificate.quadrature_error


def test_without_a_matrix_the_user_ends_the_whole() -> None:
    with pytest.raises(KeyboardInterrupt):
        integrated(None, tolerance=1e-6, patience=0)


def test_strongest_pairs_come_back_with_the_matrix_that_was_computed() -> None:
    units, clock = 72, Clock()
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(units, units, generator=generator, dtype=torch.float64) / 50

    def f(z: Tensor) -> Tensor:
        return torch.einsum("bi,ij,bj->b", z, matrix, z) + 4 * torch.tanh(9 * (z[:, :4].prod(1) - 0.4))

    x = torch.ones(units, dtype=torch.float64)
    exact = integrated_hessians(f, x, torch.zeros_like(x), tolerance=1e-3).ih
    limit = TimeLimit(10.0, clock)
    options = Options(top=3, tolerance=1e-6)
    (found,) = integrate_paths([[path(units)]], Timed(f, clock, limit), options, limit=limit)
    assert isinstance(found, Interactions)
    assert found.stopped
    assert not found.certificate.converged
    assert clock.now <= 10
    known = ~np.isnan(found.ih)
    assert 0 < known.any(axis=1).sum() < units
    allowed = found.certificate.quadrature_error + 1e-3 * np.abs(exact).max()
    assert np.abs(found.ih - exact)[known].max() <= allowed

    limit = TimeLimit(1.0, Clock())
    (error,) = integrate_paths([[path(units)]], Timed(f, limit.clock, limit), options, limit=limit)
    assert isinstance(error, TimeLimitError)
    assert "first rows of 72 units" in str(error)


def test_what_second_derivatives_will_take_is_told_before_they_begin() -> None:
    clock, told = Clock(), []
    limit = TimeLimit(None, clock, lambda seconds: told.append((clock.now, seconds)))
    engine = Timed(steep, clock)
    (found,) = integrate_paths([[path()]], engine, Options(tolerance=1e-3), limit=limit)
    assert isinstance(found, Interactions)
    (first, expected), *_ = told
    assert first == pytest.approx(GRADIENT * found.quadrature.gradients, rel=0.7)  # nothing but gradients before
    assert 0 < expected < clock.now - first + 1


def test_a_time_too_short_for_many_units_names_the_strongest_pairs() -> None:
    pace = Pace(TimeLimit(0.5, Clock()), "forward")
    assert "the strongest pairs (--top 10)" in str(pace.too_short(5, 65))
    assert "--top" not in str(pace.too_short(5, 64))
