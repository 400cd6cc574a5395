"""The only assembler of models and attribution: text and configuration in, `Explanation` out."""

import copy
import dataclasses
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import transformers

from ihcli import __version__
from ihcli.attribution import Interactions, integrated_hessians
from ihcli.attribution.estimate import Estimate, estimate
from ihcli.attribution.evaluator import Engine, Progress
from ihcli.attribution.forward import Choice, ForwardEngine, choose
from ihcli.attribution.integrated import check_tolerance
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import differentiable
from ihcli.attribution.together import Task, integrated_hessians_together
from ihcli.config import RunConfig, load, parse_size
from ihcli.errors import IhError
from ihcli.models import Baselines, EncodedText, LoadedClassifier, Score, load_classifier
from ihcli.results import Environment, Explanation, PathProfile, Prediction, Surrogate, Target
from ihcli.runtime.memory import memory_limit

SURROGATE_SHARE = 0.01
"""A surrogate gap above this share of f(x) - f(x') is worth a warning."""
TRACES = 64
"""Traced computations kept (one a length of text)."""


@dataclass(frozen=True, slots=True)
class PreparedText:
    """One text, ready to integrate: its encoding, prediction, target, score, paths and what smoothing changed."""

    encoded: EncodedText
    prediction: Prediction
    target: Target
    score: Score
    x: torch.Tensor
    baselines: Baselines
    surrogate: Surrogate | None


class Explainer:
    """A classifier loaded once, to explain many texts under one configuration; of use to one thread at a time."""

    @differentiable
    def __init__(self, config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None) -> None:
        """Load the model that `config` names; raises `ConfigError`, `ModelError`, `DeviceError`."""
        self.config = as_config(config)
        check_tolerance(self.config.attribution.tolerance, getattr(torch, self.config.model.dtype))
        if self.config.runtime.threads is not None:
            torch.set_num_threads(self.config.runtime.threads)
        self.classifier: LoadedClassifier = load_classifier(self.config)
        self._choices: dict[Any, Choice] = {}

    def at_tolerance(self, tolerance: float) -> "Explainer":
        """The same classifier and traces under another tolerance; raises `UsageError`."""
        check_tolerance(tolerance, getattr(torch, self.config.model.dtype))
        other = copy.copy(self)
        attribution = self.config.attribution.model_copy(update={"tolerance": tolerance})
        other.config = self.config.model_copy(update={"attribution": attribution})
        return other

    @differentiable
    def prepare(self, text: str, text_pair: str | None = None) -> PreparedText:
        """Everything but the integral; raises `InputError`, `TargetError`, `BaselineError`, `PreflightError`."""
        config, classifier = self.config, self.classifier
        encoded = classifier.encode(text, text_pair, units=config.units, truncation=config.text.truncation)
        classifier.preflight(encoded, thorough=False).require()
        prediction = classifier.predict(encoded)
        target = classifier.target(config.target, prediction)
        baselines = classifier.baselines(encoded, config.baseline)
        surrogate = classifier.surrogate(encoded, target, baselines)
        return PreparedText(
            encoded,
            prediction,
            target,
            classifier.score(encoded, target, baselines),
            classifier.embed(encoded),
            baselines,
            surrogate,
        )

    @differentiable
    def explain(self, text: str, text_pair: str | None = None, *, progress: Progress | None = None) -> Explanation:
        """Explain one text; raises `IhError` of the kind that fits."""
        problem = self.prepare(text, text_pair)
        settings = self.config.attribution
        found = integrated_hessians(
            problem.score,
            problem.x,
            problem.baselines.embeddings,
            problem.encoded.groups,
            tolerance=settings.tolerance,
            formulation=settings.formulation,
            max_nodes=settings.max_nodes,
            top=settings.top,
            memory=self.memory,
            seed=settings.seed,
            engine=self.engine(problem),
            progress=progress,
        )
        return self._record(problem, found)

    @differentiable
    def explain_together(self, texts: Sequence[tuple[str, str | None]]) -> list[Explanation | IhError]:
        """Explain several texts (and their pairs), those that one score function serves in shared forward passes.

        Each gets what `explain` gives it up to rounding, or the error that it met alone.
        """
        if self.config.attribution.top is not None:  # each text chooses rows of its own
            return [self._outcome(text, text_pair) for text, text_pair in texts]
        found: dict[int, Explanation | IhError] = {}
        shared: dict[Any, list[tuple[int, PreparedText]]] = {}
        for place, (text, text_pair) in enumerate(texts):
            try:
                problem = self.prepare(text, text_pair)
            except IhError as error:
                found[place] = error
            else:
                shared.setdefault((problem.score.key, problem.x.shape), []).append((place, problem))
        settings = self.config.attribution
        for group in shared.values():
            first = group[0][1]
            tasks = [Task(one.x, one.baselines.embeddings, one.encoded.groups) for _, one in group]
            outcomes = integrated_hessians_together(
                first.score,
                tasks,
                tolerance=settings.tolerance,
                formulation=settings.formulation,
                max_nodes=settings.max_nodes,
                memory=self.memory,
                seed=settings.seed,
                engine=self.engine(first),
            )
            for (place, problem), outcome in zip(group, outcomes, strict=True):
                found[place] = outcome if isinstance(outcome, IhError) else self._record(problem, outcome)
        return [found[place] for place in range(len(texts))]

    def _outcome(self, text: str, text_pair: str | None) -> Explanation | IhError:
        try:
            return self.explain(text, text_pair)
        except IhError as error:
            return error

    @differentiable
    def estimate(self, text: str, text_pair: str | None = None) -> Estimate:
        """What explaining the text would cost, from one timed gradient."""
        problem = self.prepare(text, text_pair)
        path = Path.between(problem.x, problem.baselines.embeddings[0], problem.encoded.groups)
        return estimate(problem.score, path, self.config.attribution.tolerance, self.memory,
                        len(problem.baselines.embeddings), self.engine(problem))  # fmt: skip

    @property
    def memory(self) -> int | None:
        """The memory limit in bytes; None leaves it to the engine."""
        return None if self.config.runtime.memory == "auto" else parse_size(self.config.runtime.memory)

    def engine(self, problem: PreparedText) -> Engine | None:
        """The forward engine where the computation can be traced; None for reverse-over-reverse."""
        wanted = self.config.attribution.engine
        if wanted == "reverse":
            return None
        key = (problem.score.key, problem.x.shape, problem.x.dtype, problem.x.device)
        if key not in self._choices:
            if len(self._choices) >= TRACES:
                self._choices.pop(next(iter(self._choices)))
            self._choices[key] = choose(problem.score, problem.x, wanted)
        program = self._choices[key].program
        if program is None:
            return None
        path = Path.between(problem.x, problem.baselines.embeddings[0], problem.encoded.groups)
        engine = ForwardEngine(program, memory_limit(problem.x.device, self.memory))
        return engine if wanted == "forward" or engine.pays(path) else None

    def _record(self, problem: PreparedText, found: Interactions) -> Explanation:
        encoded, surrogate = problem.encoded, problem.surrogate
        certificate = dataclasses.replace(
            found.certificate,
            surrogate=surrogate,
            surrogate_gap=None if surrogate is None else abs(surrogate.difference_change),
        )
        return Explanation(
            text=encoded.text,
            text_pair=encoded.text_pair,
            model=self.classifier.info,
            prediction=problem.prediction,
            target=problem.target,
            baseline=problem.baselines.description,
            units=encoded.units,
            f_input=found.f_input,
            f_baseline=found.f_baseline,
            ig=found.ig,
            ih=found.ih,
            certificate=certificate,
            quadrature=found.quadrature,
            environment=environment(self.classifier.device),
            path=found.path,
            config=self.config.to_dict(),
            ih_spread=found.ih_spread,
            warnings=tuple(_warnings(found, surrogate, truncated=encoded.truncated)),
        )


def _warnings(found: Interactions, surrogate: Surrogate | None, *, truncated: bool) -> list[str]:
    warnings: list[str] = []
    if truncated:
        warnings.append("The text was cut to what the model reads; the prediction and the matrix are of that part.")
    if surrogate is not None:
        difference = abs(found.f_input - found.f_baseline)
        if abs(surrogate.difference_change) > SURROGATE_SHARE * difference:
            warnings.append(
                f"Smoothing the kinks ({', '.join(surrogate.kinks)}) changed f(x) - f(x') by "
                f"{surrogate.difference_change:.3g} of {difference:.3g}: the matrix explains the smoothed model."
            )
        if surrogate.label_changed:
            warnings.append("Smoothing the kinks changed the predicted label: the matrix explains the smoothed model.")
    if not found.certificate.converged:
        warnings.append("The tolerance was not met: entries may be off by more than it allows.")
        if _turns_at_baseline(found.path):
            warnings.append(
                "f turns sharply right at the baseline, as where a normalisation meets a zero vector (an embedding of "
                "pad is often one). Another baseline, such as mask, makes the path smoother."
            )
    return warnings


def _turns_at_baseline(path: PathProfile) -> bool:
    """Whether more than a quarter of what f does along the path happens in its first hundredth."""
    near = np.abs(path.f - path.f[np.argmin(path.t)])[path.t <= 0.01]  # noqa: PLR2004
    return bool(near.max() > np.ptp(path.f) / 4)


def environment(device: torch.device) -> Environment:
    """Versions and device of this process."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(__version__, torch.__version__, transformers.__version__, platform.python_version(), name)


def as_config(config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None) -> RunConfig:
    """A configuration from a record, nested values, a file's path, or nothing; raises `ConfigError`."""
    if isinstance(config, RunConfig):
        return config
    if config is None or isinstance(config, Mapping):
        return RunConfig.of(config)
    return load(config, environ={}).config


@lru_cache(maxsize=1)
def _explainer(config: RunConfig) -> Explainer:
    return Explainer(config)


def explain(
    text: str,
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    text_pair: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Explain one text: Integrated Gradients and Integrated Hessians of the classifier that `config` names.

    `config` is a `RunConfig`, nested values such as `{"target": {"label": "POSITIVE"}}`, or a YAML file's path; the
    default is the bundled sentiment model.  The model stays loaded between calls with an equal configuration, also
    when its files have changed: an `Explainer` of your own reads them anew.  Raises
    `IhError` of the kind that fits; a result that missed its tolerance comes back with `.converged` false.
    """
    return _explainer(as_config(config)).explain(text, text_pair, progress=progress)
