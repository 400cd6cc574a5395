"""The only assembler of models and attribution: text and configuration in, `Explanation` out."""

import copy
import dataclasses
import functools
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import numpy as np
import torch
import transformers

from ihcli import __version__, mixed_units, text_games
from ihcli.attribution.estimate import Estimate, Work, estimate
from ihcli.attribution.evaluation import Engine, Progress
from ihcli.attribution.forward import EngineChoice, ForwardEngine, choose_engine
from ihcli.attribution.integrated import Interactions, Options, check_tolerance, integrate_paths
from ihcli.attribution.reverse import ReverseEngine, differentiable
from ihcli.attribution.time_limit import TimeLimit
from ihcli.baseline_choice import marked, with_other
from ihcli.config import BaselineSection, RunConfig, UnitsSection, load, parse_size
from ihcli.errors import BaselineError, ConfigError, IhError, InputError, ModelError, TargetError, UsageError
from ihcli.models import EncodedText, LoadedClassifier, Presence, Report, load_classifier, preflight
from ihcli.models.deletion import DeletionGame
from ihcli.models.in_memory import NAME, ModelInMemory
from ihcli.models.score import LabelledScore
from ihcli.models.targets import ALL, find_label, several
from ihcli.models.units import Place
from ihcli.models.units import sentences as sentence_spans
from ihcli.removal_check import COMPARED, check_by_removal, coalitions
from ihcli.results import Environment, Explanation, PathProfile, Prediction, Surrogate, Target
from ihcli.runtime.memory import memory_limit

SURROGATE_SHARE = 0.01
"""A surrogate gap above this share of f(x) - f(x') is worth a warning."""
TRACES = 64
"""Traced computations kept (one a length of text)."""
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PreparedText:
    """One text, ready to integrate."""

    encoded: EncodedText
    """Its tokens and units."""
    prediction: Prediction
    """What the model predicts for it."""
    target: Target
    """The explained scalar f."""
    presence: Presence | None
    """F of the text; None for the game of deletion, which has no switches."""

    @property
    def key(self) -> Any:
        """Equal for texts whose nodes may share forward passes."""
        presence = self.switched
        path = presence.paths[0]
        return presence.score.key, path.delta.shape, path.delta.dtype, path.delta.device

    @property
    def switched(self) -> Presence:
        """The presence of a text that has one."""
        assert self.presence is not None  # noqa: S101  (asked of texts whose baseline has switches)
        return self.presence


def one_at_a_time(method: Callable[Concatenate["Explainer", P], R]) -> Callable[Concatenate["Explainer", P], R]:
    """A method that waits until no other thread uses the model of its explainer."""

    @functools.wraps(method)
    def waiting(own: "Explainer", /, *arguments: P.args, **named: P.kwargs) -> R:
        with own.lock:
            return method(own, *arguments, **named)

    return waiting


class Explainer:
    """A classifier loaded once, to explain many texts under one configuration; threads wait for each other.

    Γ_uv = ∫₀¹ −t ln t · H_uv(t) dt + [u = v] ∫₀¹ −ln t · g_u(t) dt (Janizek, Sturmfels and Lee, JMLR 2021) for the
    score f that `target` names.  `from_model` takes a classifier that is already in memory.

    Args:
        config: A `RunConfig`, nested values such as `{"model": {"name": "./my-model"}}`, or a YAML file's path; by
            default the bundled sentiment model.

    Raises:
        ConfigError: The configuration holds a value that is not allowed.
        ModelError: The model cannot be loaded.
        DeviceError: The device does not exist.

    Example:
        >>> import ihcli
        >>> explainer = ihcli.Explainer({"target": {"label": "POSITIVE"}})
        >>> [result.prediction.label for result in explainer.explain(["not bad", "a dull film"])]
        ['POSITIVE', 'NEGATIVE']
    """

    @differentiable
    def __init__(self, config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None) -> None:
        """Load the model that `config` names."""
        self._begin(as_config(config), None)

    @classmethod
    @differentiable
    def from_model(
        cls,
        model: Any,
        tokenizer: Any = None,
        config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    ) -> "Explainer":
        """Explain a classifier that is in memory, which is never changed.

        Its texts are explained through a twin that shares the memory of its weights, in evaluation mode and with
        explicit attention; a model in half precision is computed in a float32 copy (`model.dtype`).  Weights that were
        trained further are noticed at the next explanation.  Hooks of the model run as in any call of it.

        Args:
            model: A model of transformers for sequence classification, with or without an adapter of PEFT, or a
                `transformers.pipeline("text-classification")`.
            tokenizer: The tokenizer of the model; of a pipeline its own.
            config: As for `Explainer`, without a model's name.

        Returns:
            An explainer on the device of the model, unless `runtime.device` names another.

        Raises:
            UsageError: The model or the tokenizer is missing or of another type, or the configuration names a model.
            ModelError: The model is no sequence classifier, is quantised, or lies on several devices.
            ConfigError: The configuration holds a value that is not allowed.

        Example:
            >>> import ihcli
            >>> loaded = ihcli.Explainer().classifier  # a model and a tokenizer, as transformers loads them
            >>> explainer = ihcli.Explainer.from_model(loaded.model, loaded.tokenizer)
            >>> explainer.explain("not bad").prediction.label
            'POSITIVE'
        """
        settings = as_config(config)
        in_memory = ModelInMemory.of(model, tokenizer, settings)
        own = cls.__new__(cls)
        named = settings.model.model_copy(update={"name": NAME})
        own._begin(settings.model_copy(update={"model": named}), in_memory)  # noqa: SLF001  (of this class)
        return own

    def _begin(self, config: RunConfig, in_memory: ModelInMemory | None) -> None:
        """Load the classifier of a configuration, or take the one in memory."""
        self.config = config
        check_tolerance(config.attribution.tolerance, getattr(torch, config.model.dtype))
        if config.units.kind == "auto" and config.baseline.others:
            message = (
                "units auto and several baselines exclude each other: each baseline would open sentences of its own. "
                "Use word or sentence, or one baseline."
            )
            raise UsageError(message)
        if config.runtime.threads is not None:
            torch.set_num_threads(config.runtime.threads)
        self.lock = threading.RLock()
        """Held while the model is in use; variants share it."""
        self._in_memory = in_memory
        self.classifier: LoadedClassifier = load_classifier(config) if in_memory is None else in_memory.classifier()
        self._choices: dict[Any, EngineChoice] = {}
        self.deleted: dict[bytes, Any] | None = None
        """Logits of cut texts by their token ids, where a caller wants them kept from one explanation to the next."""

    def _renew(self) -> None:
        """Follow a model in memory that was changed since the last explanation."""
        if self._in_memory is None:
            return
        current = self._in_memory.classifier()
        if current is not self.classifier:
            self.classifier, self._choices = current, {}
            self.deleted = None if self.deleted is None else {}

    def at_tolerance(self, tolerance: float) -> "Explainer":
        """The same classifier and traces under another tolerance.

        Args:
            tolerance: Largest error of an entry as a share of the largest entry, in (0, 1]; in float32 at least 3e-4.

        Returns:
            Another explainer of the same model.

        Raises:
            UsageError: The tolerance is of another type or outside of what is allowed.

        Example:
            >>> import ihcli
            >>> ihcli.Explainer().at_tolerance(0.05).explain("not bad").certificate.tolerance
            0.05
        """
        check_tolerance(tolerance, getattr(torch, self.config.model.dtype))
        return self.variant(attribution={"tolerance": tolerance})

    def variant(
        self, *, attribution: Mapping[str, Any] | None = None, baseline: BaselineSection | None = None
    ) -> "Explainer":
        """The same classifier and traces under other settings of attribution and another baseline.

        Args:
            attribution: Settings of the section `attribution` that differ, by name; they are not checked.
            baseline: The section `baseline` that takes the place of the present one.

        Returns:
            Another explainer of the same model.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer().variant(attribution={"removal": False})
            >>> explainer.explain("not bad").removal is None
            True
        """
        other = copy.copy(self)
        changes: dict[str, Any] = {"attribution": self.config.attribution.model_copy(update=dict(attribution or {}))}
        if baseline is not None:
            changes["baseline"] = baseline
        other.config = self.config.model_copy(update=changes)
        return other

    @differentiable
    def prepare(self, text: str, text_pair: str | None = None, opened: Sequence[Place] | None = None) -> PreparedText:
        """Everything but the integral: tokens, units, the prediction, the target and F.

        Args:
            text: The text.
            text_pair: A second text, for models that read two.
            opened: Sentences, as (side, start, end), whose words are units where each other sentence is one.

        Returns:
            The text, ready to integrate.

        Raises:
            InputError: The text cannot be explained.
            TargetError: The model lacks the label or the output.
            BaselineError: The text or the tokenizer cannot have the baseline.
            PreflightError: The model cannot be explained faithfully.

        Example:
            >>> import ihcli
            >>> [unit.text for unit in ihcli.Explainer().prepare("not bad").encoded.units]
            ['not', 'bad']
        """
        config, classifier = self.config, self.classifier
        encoded = classifier.encode(
            text, text_pair, units=config.units, truncation=config.text.truncation, opened=opened
        )
        game = text_games.is_game(config)
        baseline = _baseline(config)
        kind = text_games.kind_of(config) if game else baseline.kind
        if kind != "deletion":  # deletion needs neither embeddings nor derivatives
            preflight.inspect(classifier, encoded, thorough=False, derivatives=not game).require()
        prediction = classifier.predict(encoded)
        target = classifier.target(config.target, prediction)
        presence = None if kind == "deletion" else classifier.presence(encoded, target, baseline)
        return PreparedText(encoded, prediction, target, presence)

    @overload
    def explain(  # type: ignore[overload-overlap]  # a str is an iterable of str too
        self,
        text: str,
        text_pair: str | None = None,
        *,
        progress: bool | Progress | None = None,
        limit: TimeLimit | None = None,
    ) -> Explanation: ...

    @overload
    def explain(
        self,
        text: Iterable[str | tuple[str, str]],
        text_pair: Iterable[str | None] | None = None,
        *,
        progress: bool | Progress | None = None,
        limit: TimeLimit | None = None,
    ) -> list[Explanation]: ...

    def explain(
        self,
        text: str | Iterable[str | tuple[str, str]],
        text_pair: str | Iterable[str | None] | None = None,
        *,
        progress: bool | Progress | None = None,
        limit: TimeLimit | None = None,
    ) -> Explanation | list[Explanation]:
        """Explain one text or several, by default within the time of the configuration.

        Args:
            text: A text, or several; for models that read two texts, several may be tuples (text, pair).
            text_pair: The second text of one text, or the second texts of several.
            progress: True for a bar in the terminal or the notebook, or a function called as (phase, nodes done, nodes
                of the phase).
            limit: Time that takes the place of the configuration's.

        Returns:
            The explanation of one text, or a list in the order of several. One that missed its tolerance has
            `.converged` false.

        Raises:
            InputError: A text cannot be explained; of several the message says which.
            TargetError: The model lacks the label or the output.
            BaselineError: The text or the tokenizer cannot have the baseline.
            UsageError: An argument is of the wrong type.
            IhError: Any other failure, by the kind that fits.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer()
            >>> explainer.explain("not bad").ih.shape
            (2, 2)
            >>> [len(result.units) for result in explainer.explain(["not bad", "not bad at all"])]
            [2, 4]
        """
        texts, single = _texts(text, text_pair)
        with _shown(progress) as report:
            outcomes = self.explain_together(texts, progress=report, limit=limit)
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, IhError):
                if single:
                    raise outcome
                message = f"Text {place + 1} of {len(texts)}: {outcome}"
                raise type(outcome)(message) from outcome
        results = [outcome for outcome in outcomes if isinstance(outcome, Explanation)]
        return results[0] if single else results

    @one_at_a_time
    @differentiable
    def explain_labels(
        self,
        text: str,
        text_pair: str | None = None,
        labels: str | Sequence[str | int] = ALL,
        *,
        progress: bool | Progress | None = None,
        limit: TimeLimit | None = None,
    ) -> list[Explanation]:
        """Explain several labels of one text, from one traced computation and one check by removal.

        Logits of all labels are integrated together, in shared batches of one traced function; probabilities and
        log-odds one after the other.  All of them share the logits of cut texts, which removal needs.

        Args:
            text: The text.
            text_pair: A second text, for models that read two.
            labels: `all`, names with commas between, or a list of names and indices.
            progress: As for `explain`.
            limit: Time that takes the place of the configuration's, which all labels share.

        Returns:
            An explanation for each label, in the order named, each as `explain` gives it up to rounding.

        Raises:
            TargetError: The model lacks a label, one is named twice, or the target is a difference.
            InputError: The text cannot be explained.
            IhError: Any other failure, by the kind that fits.

        Example:
            >>> import ihcli
            >>> found = ihcli.Explainer().explain_labels("not bad")
            >>> [result.target.label for result in found]
            ['NEGATIVE', 'POSITIVE']
        """
        self._renew()
        _texts(text, text_pair)
        classifier, config = self.classifier, self.config
        if config.target.against is not None:
            message = "Several labels and a label to compare against exclude each other. Leave `against` out."
            raise TargetError(message)
        chosen = several(labels, classifier.labels)
        if chosen is None:
            chosen = [find_label(str(labels), classifier.labels, "label")]
        limit = limit or self.time_limit(len(chosen))
        own = [self._of_label(index) for index in chosen]
        with _shown(progress) as report:
            if text_games.is_game(config) or config.baseline.others or config.target.output != "logit":
                return self._labels_apart(text, text_pair, own, report, limit)
            return self._labels_together(text, text_pair, own, report, limit)

    def _of_label(self, index: int) -> "Explainer":
        """The same explainer of one label, which keeps the logits of cut texts with the others."""
        other = copy.copy(self)
        label: str | int = self.classifier.labels[index]
        if self.classifier.labels.count(str(label)) > 1 or str(label).isdecimal() or label in {"predicted", ALL}:
            label = f"index:{index}"
        other.config = self.config.model_copy(update={"target": self.config.target.model_copy(update={"label": label})})
        return other

    def _labels_apart(
        self, text: str, text_pair: str | None, own: Sequence["Explainer"], progress: Progress | None, limit: TimeLimit
    ) -> list[Explanation]:
        """Each label integrated by itself; cut texts are shared."""
        kept: dict[bytes, Any] = {} if self.deleted is None else self.deleted
        found: list[Explanation] = []
        for one in own:
            one.deleted = kept
            found.append(one.explain(text, text_pair, progress=progress, limit=limit))
        return found

    def _labels_together(
        self, text: str, text_pair: str | None, own: Sequence["Explainer"], progress: Progress | None, limit: TimeLimit
    ) -> list[Explanation]:
        """The logits of all labels integrated in shared batches of one traced computation."""
        kept: dict[bytes, Any] = {} if self.deleted is None else self.deleted
        first = own[0].prepare(text, text_pair, own[0]._opened(text, text_pair, progress, limit))  # noqa: SLF001
        prepared = [first]
        for one in own[1:]:
            target = self.classifier.target(one.config.target, first.prediction)
            presence = self.classifier.presence(first.encoded, target, _baseline(self.config))
            prepared.append(PreparedText(first.encoded, first.prediction, target, presence))
        score = first.switched.score
        if any(one.switched.score.beta != score.beta for one in prepared):  # smoothed differently
            return self._labels_apart(text, text_pair, own, progress, limit)
        tasks = [
            [
                dataclasses.replace(
                    path, parameters=(*path.parameters, _one_hot(one, len(self.classifier.labels), path.delta))
                )
                for path in one.switched.paths
            ]
            for one in prepared
        ]
        weighted = LabelledScore(score)
        reverse = ReverseEngine(weighted, self.memory)
        program = choose_engine(weighted, tasks[0][0], self.config.attribution.engine).program
        engine: Engine = reverse
        if program is not None:
            forward = ForwardEngine(program, memory_limit(tasks[0][0].delta.device, self.memory), reverse)
            engine = forward if self.config.attribution.engine == "forward" or forward.pays(tasks[0][0]) else reverse
        results = integrate_paths(tasks, engine, self._options(first), progress, limit)
        found: list[Explanation] = []
        for one, ready, result in zip(own, prepared, results, strict=True):
            if isinstance(result, IhError):
                raise result
            one.deleted = kept
            found.append(one._record(ready, result, limit))  # noqa: SLF001
        return found

    @one_at_a_time
    @differentiable
    def explain_together(
        self,
        texts: Sequence[tuple[str, str | None]],
        *,
        progress: Progress | None = None,
        limit: TimeLimit | None = None,
    ) -> list[Explanation | IhError]:
        """Explain several texts (and their pairs), those that one score function serves in shared forward passes.

        Each gets what `explain` gives it up to rounding, or the error that it met alone.  The seconds of the
        configuration are for one text, and all texts share those of all.

        Args:
            texts: Tuples (text, its pair or None).
            progress: Called as (phase, nodes done, nodes of the phase).
            limit: Time that takes the place of the configuration's.

        Returns:
            For each text its explanation, or the `IhError` that it met.

        Example:
            >>> import ihcli
            >>> found = ihcli.Explainer().explain_together([("not bad", None), (" ", None)])
            >>> [type(one).__name__ for one in found]
            ['Explanation', 'InputError']
        """
        self._renew()
        limit = limit or self.time_limit(len(texts))
        outcomes: dict[int, Explanation | IhError] = {}
        shared: dict[Any, list[tuple[int, PreparedText]]] = {}
        for place, (text, text_pair) in enumerate(texts):
            try:
                prepared = self.prepare(text, text_pair, self._opened(text, text_pair, progress, limit))
                if text_games.is_game(self.config):
                    outcomes[place] = self._by_game(prepared)
                    continue
            except IhError as error:
                outcomes[place] = error
            else:
                shared.setdefault(prepared.key, []).append((place, prepared))
        for group in shared.values():
            first = group[0][1]
            tasks = [one.switched.paths for _, one in group]
            try:
                results = integrate_paths(tasks, self.engine(first), self._options(first), progress, limit)
            except IhError as error:
                if len(group) > 1:
                    raise
                outcomes[group[0][0]] = error
                continue
            for (place, prepared), result in zip(group, results, strict=True):
                outcomes[place] = result if isinstance(result, IhError) else self._record(prepared, result, limit)
        found = [outcomes[place] for place in range(len(texts))]
        return self._with_others(texts, found) if self.config.baseline.others else found

    def _opened(
        self, text: str, text_pair: str | None, progress: Progress | None, limit: TimeLimit
    ) -> Sequence[Place] | None:
        """The sentences of a long text whose words are units of their own; None for other texts and settings."""
        settings = self.config
        if settings.units.kind != "auto":
            return None
        encoded = self.classifier.encode(text, text_pair, units=settings.units, truncation=settings.text.truncation)
        if not mixed_units.is_long(encoded):
            return None
        tolerance = max(settings.attribution.tolerance, mixed_units.SENTENCE_TOLERANCE)
        own = self.variant(attribution={"removal": False, "top": None, "tolerance": tolerance})
        changes = {
            "units": UnitsSection(kind="sentence"),
            "baseline": settings.baseline.model_copy(update={"others": ()}),
        }
        own.config = own.config.model_copy(update=changes)
        return mixed_units.opened(own.explain(text, text_pair, progress=progress, limit=limit))

    def _with_others(
        self, texts: Sequence[tuple[str, str | None]], found: Sequence[Explanation | IhError]
    ) -> list[Explanation | IhError]:
        """The explanations with those by the further baselines of the configuration, and what depends on the choice."""
        completed = list(found)
        for kind in self.config.baseline.others:
            own = self.variant(attribution={"removal": False}, baseline=BaselineSection(kind=kind))
            for place, other in enumerate(own.explain_together(texts)):
                first = completed[place]
                if isinstance(first, Explanation) and isinstance(other, Explanation):
                    completed[place] = with_other(first, other)
                elif isinstance(first, Explanation):
                    completed[place] = other
        return [marked(one) if isinstance(one, Explanation) else one for one in completed]

    def _by_game(self, prepared: PreparedText) -> Explanation:
        """The explanation of one text by a method that evaluates coalitions alone."""
        kind = text_games.kind_of(self.config)
        game = text_games.game_of(
            self.classifier, prepared.encoded, prepared.target, kind, prepared.presence, self.deleted
        )
        return self._record(prepared, text_games.explain(game, len(prepared.encoded.units), self.config))

    def _removal(self, explanation: Explanation, prepared: PreparedText) -> Explanation:
        """The explanation with its check by removal."""
        try:
            kept = {} if self.deleted is None else self.deleted
            game = DeletionGame(self.classifier, prepared.encoded, prepared.target, kept)
            removal = check_by_removal(explanation, game)
        except (BaselineError, InputError, ModelError) as error:
            warning = f"The check by removal was not possible: {error}"
            return dataclasses.replace(explanation, warnings=(*explanation.warnings, warning))
        contradicted = [pair for pair in removal.pairs if not pair.agrees]
        units = explanation.units
        warnings = [
            f"Removing words contradicts the sign of {units[pair.i].text} · {units[pair.j].text} "
            f"({pair.interaction:+.3g} by the matrix, {pair.effect:+.3g} by removal)."
            for pair in contradicted
        ]
        return dataclasses.replace(explanation, removal=removal, warnings=(*explanation.warnings, *warnings))

    def _options(self, prepared: PreparedText) -> Options:
        settings = self.config.attribution
        return Options(
            settings.tolerance, settings.formulation, settings.max_nodes, settings.top, settings.seed,
            prepared.switched.plan,
        )  # fmt: skip

    @one_at_a_time
    @differentiable
    def estimate(self, text: str, text_pair: str | None = None) -> Estimate:
        """The expected cost of explaining the text, from one timed gradient.

        Args:
            text: The text.
            text_pair: A second text, for models that read two.

        Returns:
            Seconds, memory and evaluations to expect.

        Raises:
            UsageError: The method evaluates coalitions, whose number is known.
            InputError: The text cannot be explained.

        Example:
            >>> import ihcli
            >>> ihcli.Explainer().estimate("not bad").units
            2
        """
        self._renew()
        if text_games.is_game(self.config):
            message = (
                "The cost of a game is the number of texts that are evaluated, which --evaluations bounds; it is not "
                "estimated. Leave --dry-run out."
            )
            raise UsageError(message)
        started = time.perf_counter()
        encoded = self.classifier.encode(
            text, text_pair, units=self.config.units, truncation=self.config.text.truncation
        )
        mixed = self.config.units.kind == "auto" and mixed_units.is_long(encoded)
        prepared = self.prepare(text, text_pair, () if mixed else None)
        then = mixed_units.MOST_UNITS if mixed else None
        found = self._estimate(prepared, time.perf_counter() - started, then)
        for kind in self.config.baseline.others:
            own = self.variant(attribution={"removal": False}, baseline=BaselineSection(kind=kind))
            found = found.with_another(own.estimate(text, text_pair))
        return found

    def _work(self, text: str, units: int, preparation: float) -> Work:
        """What besides the matrix of so many units an explanation of the text takes."""
        settings = self.config.attribution
        sentences = len(sentence_spans(text)) if self.config.units.kind == "word" else None
        removed = coalitions(units) + 3 * COMPARED if settings.removal else 0
        return Work(settings.top, removed, preparation, sentences)

    def _estimate(self, prepared: PreparedText, preparation: float = 0.0, then: int | None = None) -> Estimate:
        started = time.perf_counter()
        paths, engine = prepared.switched.paths, self.engine(prepared)
        preparation += time.perf_counter() - started
        reverse = engine.reverse if isinstance(engine, ForwardEngine) else engine
        assert isinstance(reverse, ReverseEngine)  # noqa: S101  (there are two engines)
        tolerance, smooth = self.config.attribution.tolerance, prepared.switched.plan.smooth
        units = prepared.encoded.units
        work = self._work(prepared.encoded.text, max(len(units), then or 0), preparation)
        work = dataclasses.replace(work, then=then)
        return estimate(paths[0], tolerance, len(paths), engine, reverse, smooth=smooth, work=work)

    @one_at_a_time
    @differentiable
    def inspect(self, text: str | None = None) -> tuple[Report, EngineChoice | None, Estimate | None]:
        """All checks of the model on a text of the user's or a sample, its engine, and what an explanation costs.

        Args:
            text: The text to check it on; by default a sample.

        Returns:
            The checks; the engine and the cost, None where a check failed.

        Example:
            >>> import ihcli
            >>> report, engine, cost = ihcli.Explainer().inspect()
            >>> report.ok, engine.name
            (True, 'forward')
        """
        self._renew()
        classifier = self.classifier
        encoded = preflight.sample(classifier) if text is None else classifier.encode(text, units=self.config.units)
        report = preflight.inspect(classifier, encoded, thorough=True)
        if not report.ok:
            return report, None, None
        prediction = classifier.predict(encoded)
        target = Target(prediction.label, prediction.index, "logit")
        baseline = (
            BaselineSection(kind="auto") if classifier.value_plan().refusal is None else BaselineSection(kind="zero")
        )
        prepared = PreparedText(encoded, prediction, target, classifier.presence(encoded, target, baseline))
        return report, self._choice(prepared), self._estimate(prepared)

    def time_limit(self, texts: int = 1) -> TimeLimit:
        """The time that the configuration gives, from now on.

        Args:
            texts: The number of texts that share it.

        Returns:
            The limit, to hand to `explain`; its `stop` ends an explanation early.

        Example:
            >>> import ihcli
            >>> ihcli.Explainer({"attribution": {"max_seconds": 60}}).time_limit(2).seconds
            120.0
        """
        seconds = self.config.attribution.max_seconds
        return TimeLimit(None if seconds is None else seconds * texts)

    @property
    def memory(self) -> int | None:
        """The memory limit in bytes; None leaves it to the engine."""
        return None if self.config.runtime.memory == "auto" else parse_size(self.config.runtime.memory)

    def engine(self, prepared: PreparedText) -> Engine:
        """The forward engine where the computation can be traced and it is faster; else reverse over reverse.

        Args:
            prepared: A text, which says what the engine must serve.

        Returns:
            What evaluates F and its derivatives for texts of this length.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer()
            >>> explainer.engine(explainer.prepare("not bad")).name
            'forward'
        """
        path = prepared.switched.paths[0]
        reverse = ReverseEngine(prepared.switched.score, self.memory)
        program = self._choice(prepared).program
        if program is None:
            return reverse
        forward = ForwardEngine(program, memory_limit(path.delta.device, self.memory), reverse)
        return forward if self.config.attribution.engine == "forward" or forward.pays(path) else reverse

    def _choice(self, prepared: PreparedText) -> EngineChoice:
        """The engine for texts of this key, traced once."""
        if prepared.key not in self._choices:
            if len(self._choices) >= TRACES:
                self._choices.pop(next(iter(self._choices)))
            wanted = self.config.attribution.engine
            path = prepared.switched.paths[0]
            self._choices[prepared.key] = choose_engine(prepared.switched.score, path, wanted)
        return self._choices[prepared.key]

    def _record(
        self,
        prepared: PreparedText,
        result: Interactions | text_games.GameExplanation,
        limit: TimeLimit | None = None,
    ) -> Explanation:
        """The record of one explanation, and its check by removal where there is time for it."""
        encoded, presence = prepared.encoded, prepared.presence
        surrogate = None if presence is None else presence.surrogate
        certificate = dataclasses.replace(
            result.certificate,
            surrogate=surrogate,
            surrogate_gap=None if surrogate is None else abs(surrogate.difference_change),
        )
        integral = result if isinstance(result, Interactions) else None
        explanation = Explanation(
            text=encoded.text,
            text_pair=encoded.text_pair,
            model=self.classifier.info,
            prediction=prepared.prediction,
            target=prepared.target,
            baseline={"kind": "deletion"} if presence is None else presence.description,
            units=encoded.units,
            f_input=result.f_input,
            f_baseline=result.f_baseline,
            ig=result.ig,
            ih=result.ih,
            certificate=certificate,
            quadrature=result.quadrature,
            environment=environment(self.classifier.device),
            path=None if integral is None else integral.path,
            config=self.config.to_dict(),
            ih_spread=None if integral is None else integral.ih_spread,
            method=self.config.attribution.method,
        )
        found = _warnings(explanation, surrogate, truncated=encoded.truncated)
        if integral is not None and integral.stopped:
            found.insert(0, _stopped(explanation))
        if self.config.units.kind == "auto" and (note := mixed_units.closed_note(explanation)) is not None:
            found.append(note)
        in_time = limit is None or limit.left > 0
        if self.config.attribution.removal and not in_time:
            found.append("The check by removal was left out: the time was over.")
        warnings = (*self.classifier.notes, *encoded.notes, *found)
        explanation = dataclasses.replace(explanation, warnings=warnings)
        return self._removal(explanation, prepared) if self.config.attribution.removal and in_time else explanation


def _warnings(explanation: Explanation, surrogate: Surrogate | None, *, truncated: bool) -> list[str]:
    warnings: list[str] = []
    difference = abs(explanation.f_input - explanation.f_baseline)
    if truncated:
        warnings.append("The text was cut to what the model reads; the prediction and the matrix are of that part.")
    if surrogate is not None:
        if abs(surrogate.difference_change) > SURROGATE_SHARE * difference:
            warnings.append(
                f"Smoothing the kinks ({', '.join(surrogate.kinks)}) changed f(x) - f(x') by "
                f"{surrogate.difference_change:.3g} of {difference:.3g}: the matrix explains the smoothed model."
            )
        if surrogate.label_changed:
            warnings.append("Smoothing the kinks changed the predicted label: the matrix explains the smoothed model.")
    if not explanation.converged:
        warnings.append("The tolerance was not met: entries may be off by more than it allows.")
        if explanation.path is not None and _turns_at_baseline(explanation.path):
            warnings.append(
                "f turns sharply right at the baseline, as where a normalisation meets a zero vector (an embedding of "
                "pad is often one). Another baseline, such as mask, makes the path smoother."
            )
    return warnings


def _stopped(explanation: Explanation) -> str:
    """What to say of a matrix whose integration was ended early."""
    error, largest = explanation.certificate.quadrature_error, float(np.nanmax(np.abs(explanation.ih)))
    rows = (
        " Only some rows were computed, and pairs of others may be stronger." if np.isnan(explanation.ih).any() else ""
    )
    return (
        f"Ended early, after {explanation.quadrature.nodes} Hessians: entries may be off by about {error:.3g}, "
        f"{error / largest:.2g} of the largest.{rows}"
    )


def _turns_at_baseline(path: PathProfile) -> bool:
    """Whether more than a quarter of what f does along the path happens in its first hundredth."""
    near = np.abs(path.f - path.f[np.argmin(path.t)])[path.t <= 0.01]  # noqa: PLR2004
    return bool(near.max() > np.ptp(path.f) / 4)


def environment(device: torch.device) -> Environment:
    """Versions and device of this process."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(__version__, torch.__version__, transformers.__version__, platform.python_version(), name)


def _baseline(config: RunConfig) -> BaselineSection:
    """The baseline of a configuration: for the article's definitions its own, pad, where none is named.

    Raises `UsageError` for a definition that is told of embeddings together with switches of values.
    """
    formulation, baseline = config.attribution.formulation, config.baseline
    if formulation == "paper":
        return baseline
    if baseline.kind == "auto":
        return BaselineSection(kind="pad")
    if baseline.kind in {"value-zeroing", "deletion", "masked-attention"}:
        message = (
            f"formulation {formulation} is defined on embeddings and baseline is {baseline.kind}. Use pad, mask, unk, "
            "zero or a text, or the formulation paper."
        )
        raise UsageError(message)
    return baseline


def as_config(config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None) -> RunConfig:
    """A configuration from a record, nested values, a file's path, or nothing; raises `ConfigError`."""
    if isinstance(config, RunConfig):
        return config
    if config is None or isinstance(config, Mapping):
        return RunConfig.of(config)
    if not isinstance(config, str | os.PathLike):
        message = (  # type: ignore[unreachable]
            f"config is a {type(config).__name__}; it must be a RunConfig, nested values such as "
            '{"target": {"label": "POSITIVE"}}, the path of a YAML file, or None.'
        )
        raise ConfigError(message)
    return load(config, environ={}).config


def _one_hot(prepared: PreparedText, labels: int, like: torch.Tensor) -> torch.Tensor:
    """1 for the label of the target, else 0, (C,)."""
    weights = like.new_zeros(labels)
    weights[prepared.target.index] = 1.0
    return weights


def _texts(
    text: str | Iterable[str | tuple[str, str]], text_pair: str | Iterable[str | None] | None
) -> tuple[list[tuple[str, str | None]], bool]:
    """The texts with their pairs, and whether one was given alone; raises `UsageError` for other types."""
    if isinstance(text, str):
        if text_pair is not None and not isinstance(text_pair, str):
            message = f"text_pair is a {type(text_pair).__name__}; beside one text it must be one text (str) or None."
            raise UsageError(message)
        return [(text, text_pair)], True
    if isinstance(text, bytes | bytearray | Mapping) or not isinstance(text, Iterable):
        message = f"text is a {type(text).__name__}; it must be a text (str), or several in a list."
        raise UsageError(message)
    given = list(text)
    if text_pair is None:
        return [_of_several(one, place) for place, one in enumerate(given)], False
    pairs = None if isinstance(text_pair, str | bytes | Mapping) or not isinstance(text_pair, Iterable) else (
        list(text_pair)
    )  # fmt: skip
    if pairs is None or len(pairs) != len(given):
        seen = type(text_pair).__name__ if pairs is None else f"list of {len(pairs)}"
        message = f"text_pair is a {seen} beside {len(given)} texts; it must be a list with one text for each, or None."
        raise UsageError(message)
    found = []
    for place, (one, pair) in enumerate(zip(given, pairs, strict=True)):
        words, own = _of_several(one, place)
        if own is not None or not (pair is None or isinstance(pair, str)):
            message = f"text_pair {place} is a {type(pair).__name__}; it must be a text (str), given once."
            raise UsageError(message)
        found.append((words, pair))
    return found, False


def _of_several(one: Any, place: int) -> tuple[str, str | None]:
    """One of several texts, alone or with its pair; raises `UsageError` for another type."""
    if isinstance(one, str):
        return one, None
    if isinstance(one, tuple | list) and len(one) == 2 and all(isinstance(side, str) for side in one):  # noqa: PLR2004
        return one[0], one[1]
    message = f"text {place} is a {type(one).__name__}; it must be a text (str), or a tuple of a text and its pair."
    raise UsageError(message)


@contextmanager
def _shown(progress: bool | Progress | None) -> Iterator[Progress | None]:
    """What reports progress: a bar of the terminal or the notebook where True is given."""
    if progress is True:
        from ihcli.output.notebook_progress import bar

        with bar() as shown:
            yield shown
        return
    if not (progress is None or progress is False or isinstance(progress, Callable)):  # type: ignore[arg-type]
        message = f"progress is {progress!r:.40}; it must be True, False, None or a function of three arguments."
        raise UsageError(message)
    yield progress or None


@lru_cache(maxsize=1)
def _explainer(config: RunConfig) -> Explainer:
    return Explainer(config)


@overload
def explain(  # type: ignore[overload-overlap]  # a str is an iterable of str too
    text: str,
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    text_pair: str | None = None,
    progress: bool | Progress | None = None,
) -> Explanation: ...


@overload
def explain(
    text: Iterable[str | tuple[str, str]],
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    text_pair: Iterable[str | None] | None = None,
    progress: bool | Progress | None = None,
) -> list[Explanation]: ...


def explain(
    text: str | Iterable[str | tuple[str, str]],
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    text_pair: Any = None,
    progress: bool | Progress | None = None,
) -> Explanation | list[Explanation]:
    """Explain one text or several: Integrated Gradients and Integrated Hessians of the classifier of a configuration.

    Γ_uv = ∫₀¹ −t ln t · H_uv(t) dt + [u = v] ∫₀¹ −ln t · g_u(t) dt (Janizek, Sturmfels and Lee, JMLR 2021).  The model
    stays loaded between calls with an equal configuration, also when its files have changed: an `Explainer` of your own
    reads them anew.

    Args:
        text: A text, or several; for models that read two texts, several may be tuples (text, pair).
        config: A `RunConfig`, nested values such as `{"target": {"label": "POSITIVE"}}`, or a YAML file's path; by
            default the bundled sentiment model.
        text_pair: The second text of one text, or the second texts of several.
        progress: True for a bar in the terminal or the notebook, or a function called as (phase, nodes done, nodes of
            the phase).

    Returns:
        The explanation of one text, or a list in the order of several. One that missed its tolerance has `.converged`
        false.

    Raises:
        ConfigError: The configuration holds a value that is not allowed.
        ModelError: The model cannot be loaded or explained.
        InputError: A text cannot be explained; of several the message says which.
        UsageError: An argument is of the wrong type.
        IhError: Any other failure, by the kind that fits.

    Example:
        >>> import ihcli
        >>> result = ihcli.explain("this movie was not bad")
        >>> result.prediction.label, result.converged
        ('POSITIVE', True)
        >>> [one.prediction.label for one in ihcli.explain(["a fine film", "a dull film"])]
        ['POSITIVE', 'NEGATIVE']
    """
    _texts(text, text_pair)  # before a model is loaded
    return _explainer(as_config(config)).explain(text, text_pair, progress=progress)
