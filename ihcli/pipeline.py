"""The only assembler of models and attribution: text and configuration in, `Explanation` out."""

import copy
import dataclasses
import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import torch

from ihcli import mixed_units, text_games, windows
from ihcli.arguments import as_config, reporting, texts_with_pairs
from ihcli.attribution.cost import REMOVED_TEXT
from ihcli.attribution.estimate import Estimate, Work, estimate
from ihcli.attribution.evaluation import Engine, Progress
from ihcli.attribution.forward import EngineChoice, EngineChoices, fastest
from ihcli.attribution.integrated import Interactions, Options, check_tolerance, integrate_paths
from ihcli.attribution.reverse import differentiable
from ihcli.attribution.time_limit import TimeLimit
from ihcli.baseline_choice import marked, with_other
from ihcli.config import BaselineSection, RunConfig, UnitsSection, parse_size
from ihcli.errors import IhError, TargetError, UsageError
from ihcli.explanation_record import PreparedText, recorded
from ihcli.models import LoadedClassifier, Report, load_classifier, preflight
from ihcli.models.in_memory import NAME, ModelInMemory
from ihcli.models.targets import ALL, find_label, several
from ihcli.models.units import Place
from ihcli.models.units import sentences as sentence_spans
from ihcli.removal_check import most_texts
from ihcli.results import Explanation, Target
from ihcli.several_labels import explain_each, integrations, of_label

P = ParamSpec("P")
R = TypeVar("R")


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
        if config.text.windows is not None:
            windows.require_possible(config)
        if config.runtime.threads is not None:
            torch.set_num_threads(config.runtime.threads)
        self.lock = threading.RLock()
        """Held while the model is in use; variants share it."""
        self._in_memory = in_memory
        self.classifier: LoadedClassifier = load_classifier(config) if in_memory is None else in_memory.classifier()
        self.traces = EngineChoices()
        """The engine of each kind of text, with its traced computation; variants share them."""
        self.deleted: dict[bytes, Any] | None = None
        """Logits of cut texts by their token ids, where a caller wants them kept from one explanation to the next."""

    def _renew(self) -> None:
        """Follow a model in memory that was changed since the last explanation."""
        if self._in_memory is None:
            return
        current = self._in_memory.classifier()
        if current is not self.classifier:
            self.classifier, self.traces = current, EngineChoices()
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

    def retarget(self, prepared: PreparedText) -> PreparedText:
        """The same text with the target of this explainer.

        Args:
            prepared: A text that another target was chosen for; its baseline has switches.

        Returns:
            The text with its tokens and prediction, and the F of this target.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer()
            >>> explainer.retarget(explainer.prepare("not bad")).target.label
            'POSITIVE'
        """
        target = self.classifier.target(self.config.target, prepared.prediction)
        presence = self.classifier.presence(prepared.encoded, target, _baseline(self.config))
        return PreparedText(prepared.encoded, prepared.prediction, target, presence)

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
        texts, single = texts_with_pairs(text, text_pair)
        with reporting(progress) as report:
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

        Logits of all labels are integrated together, in shared batches of one traced function. Of two labels of which
        one holds, the second's probability or log-odds is the negative of the first's and takes no further integration;
        with more labels they are integrated one after the other. All labels share the logits of cut texts, which
        removal needs.

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
        texts_with_pairs(text, text_pair)
        classifier, config = self.classifier, self.config
        _require_no_comparison(config)
        chosen = several(labels, classifier.labels)
        if chosen is None:
            chosen = [find_label(str(labels), classifier.labels, "label")]
        limit = limit or self.time_limit(len(chosen))
        with reporting(progress) as report:
            return explain_each(self, text, text_pair, chosen, report, limit)

    def windows(self, text: str, text_pair: str | None = None) -> list[windows.Window]:
        """Divide a text that is longer than a window (`text.windows`) into windows that overlap (`text.overlap`).

        A text that fits one window is that window. Words, or sentences where units are sentences, stay whole.

        Args:
            text: The text.
            text_pair: None; windows are of one text.

        Returns:
            The windows in the order of the text, each with its place in it.

        Raises:
            UsageError: The configuration sets no windows, or there is a second text.
            InputError: The text cannot be explained, or a window would hold one unit or no more than the overlap.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer({"text": {"windows": 4, "overlap": 1}})
            >>> [window.text for window in explainer.windows("not bad at all but far too long")]
            ['not bad at all', 'all but far too', 'but far too long']
        """
        windows.require_possible(self.config, paired=text_pair is not None)
        self._renew()
        return windows.split(self.classifier, self.config, text)

    @one_at_a_time
    @differentiable
    def explain_windows(
        self, text: str, *, progress: bool | Progress | None = None, limit: TimeLimit | None = None
    ) -> list[Explanation]:
        """Explain a long text in windows, each as a text of its own.

        The numbers of a window are those of `explain` of its text: they are not of the whole text, and pairs are known
        within a window only. Nothing is merged where windows overlap. A note in `warnings` says which part it is.

        Args:
            text: The text, of any length; one that fits a window gives the one explanation of `explain`.
            progress: As for `explain`.
            limit: Time that takes the place of the configuration's, for each window anew.

        Returns:
            An explanation for each window, in the order of the text; fewer where `limit` was stopped.

        Raises:
            UsageError: The configuration sets no windows (`text.windows`).
            InputError: The text cannot be explained or divided.
            IhError: Any other failure, by the kind that fits; the message names the window.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer({"text": {"windows": 4, "overlap": 1}})
            >>> found = explainer.explain_windows("not bad at all but far too long")
            >>> [len(result.units) for result in found]
            [4, 4, 4]
        """
        texts_with_pairs(text, None)
        divided = self.windows(text)
        with reporting(progress) as report:
            return list(windows.explained(self, divided, report, limit or self.time_limit()))

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
                prepared = self.prepare(text, text_pair, self.opened(text, text_pair, progress, limit))
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
            removal = sum(self.gradients_of_removal(len(one.encoded.units)) for _, one in group)
            try:
                results = integrate_paths(tasks, self.engine(first), self.options(first), progress, limit, removal)
            except IhError as error:
                if len(group) > 1:
                    raise
                outcomes[group[0][0]] = error
                continue
            for (place, prepared), result in zip(group, results, strict=True):
                outcomes[place] = result if isinstance(result, IhError) else self.recorded(prepared, result, limit)
        found = [outcomes[place] for place in range(len(texts))]
        return self._with_others(texts, found) if self.config.baseline.others else found

    def opened(
        self, text: str, text_pair: str | None, progress: Progress | None, limit: TimeLimit
    ) -> Sequence[Place] | None:
        """Choose the sentences of a long text whose words become units of their own (`--units auto`).

        Args:
            text: The text.
            text_pair: A second text, for models that read two.
            progress: Called as (phase, nodes done, nodes of the phase).
            limit: The time that the matrix of sentences is taken within.

        Returns:
            Places (side, start, end) of sentences; None for shorter texts and for other settings of units.

        Raises:
            IhError: The text cannot be explained.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer({"units": {"kind": "auto"}})
            >>> explainer.opened("not bad", None, None, explainer.time_limit()) is None  # few words
            True
        """
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
        return self.recorded(prepared, text_games.explain(game, len(prepared.encoded.units), self.config))

    def options(self, prepared: PreparedText) -> Options:
        """The settings of the integral of a text.

        Args:
            prepared: The text.

        Returns:
            Tolerance, definition, largest number of nodes, rows, seed, and where the plan of nodes begins.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer()
            >>> explainer.options(explainer.prepare("not bad")).tolerance
            0.01
        """
        settings = self.config.attribution
        return Options(
            settings.tolerance, settings.formulation, settings.max_nodes, settings.top, settings.seed,
            prepared.switched.plan,
        )  # fmt: skip

    @one_at_a_time
    @differentiable
    def estimate(self, text: str, text_pair: str | None = None) -> Estimate:
        """The expected cost of explaining the text, for one label or all that the configuration names.

        Times a few gradients, and scales them up.

        Args:
            text: The text.
            text_pair: A second text, for models that read two.

        Returns:
            Seconds, memory and evaluations to expect.

        Raises:
            UsageError: The method evaluates coalitions, whose number is known.
            TargetError: The model lacks a label, or several are compared with another one.
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
        labels, own, matrices = several(self.config.target.label, self.classifier.labels), self, 1
        if labels is not None:
            _require_no_comparison(self.config)
            own, matrices = of_label(self, labels[0], self.deleted), integrations(self, labels)
        started = time.perf_counter()
        encoded = self.classifier.encode(
            text, text_pair, units=self.config.units, truncation=self.config.text.truncation
        )
        mixed = self.config.units.kind == "auto" and mixed_units.is_long(encoded)
        prepared = own.prepare(text, text_pair, () if mixed else None)
        then = mixed_units.MOST_UNITS if mixed else None
        found = self._estimate(prepared, time.perf_counter() - started, then, matrices)
        for kind in self.config.baseline.others:
            other = own.variant(attribution={"removal": False}, baseline=BaselineSection(kind=kind))
            one = other.estimate(text, text_pair)
            for _ in range(matrices):
                found = found.with_another(one)
        return found

    def gradients_of_removal(self, units: int) -> float:
        """The cost of the check by removal of a text, in gradients of the text.

        Args:
            units: Units of the text.

        Returns:
            The number of gradients that take as long at most; 0 where the check is left out.

        Example:
            >>> import ihcli
            >>> ihcli.Explainer({"attribution": {"removal": False}}).gradients_of_removal(5)
            0.0
        """
        return REMOVED_TEXT * most_texts(units) if self.config.attribution.removal else 0.0

    def _work(self, text: str, units: int, preparation: float) -> Work:
        """What besides the matrix of so many units an explanation of the text takes."""
        settings = self.config.attribution
        sentences = len(sentence_spans(text)) if self.config.units.kind == "word" else None
        removed = most_texts(units) if settings.removal else 0
        return Work(settings.top, removed, preparation, sentences)

    def _estimate(
        self, prepared: PreparedText, preparation: float = 0.0, then: int | None = None, matrices: int = 1
    ) -> Estimate:
        started = time.perf_counter()
        paths, engine = prepared.switched.paths, self.engine(prepared)
        preparation += time.perf_counter() - started
        tolerance, smooth = self.config.attribution.tolerance, prepared.switched.plan.smooth
        units = prepared.encoded.units
        work = self._work(prepared.encoded.text, max(len(units), then or 0), preparation)
        work = dataclasses.replace(work, then=then)
        return estimate(paths[0], tolerance, matrices * len(paths), engine, smooth=smooth, work=work)

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
        presence, wanted = prepared.switched, self.config.attribution.engine
        some = self.config.attribution.top is not None
        return fastest(presence.score, presence.paths[0], self._choice(prepared), wanted, self.memory, some_units=some)

    def _choice(self, prepared: PreparedText) -> EngineChoice:
        """The engine for texts of this key, traced once."""
        presence, wanted = prepared.switched, self.config.attribution.engine
        return self.traces.of(prepared.key, presence.score, presence.paths[0], wanted)

    def recorded(
        self,
        prepared: PreparedText,
        result: Interactions | text_games.GameExplanation,
        limit: TimeLimit | None = None,
    ) -> Explanation:
        """The explanation of a text from what was computed for it, checked by removal where there is time left.

        Args:
            prepared: The text.
            result: Attributions and matrix, by the integral or by a game.
            limit: The time that the check is left out after.

        Returns:
            The record, with its warnings.

        Example:
            >>> import ihcli
            >>> explainer = ihcli.Explainer()
            >>> ready = explainer.prepare("not bad")
            >>> tasks, settings = [ready.switched.paths], explainer.options(ready)
            >>> from ihcli.attribution.integrated import integrate_paths
            >>> (result,) = integrate_paths(tasks, explainer.engine(ready), settings)
            >>> explainer.recorded(ready, result).converged
            True
        """
        deleted = {} if self.deleted is None else self.deleted
        return recorded(prepared, result, self.config, self.classifier, deleted, limit)


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


def _require_no_comparison(config: RunConfig) -> None:
    """Raise `TargetError` for several labels together with one to compare against."""
    if config.target.against is not None:
        message = "Several labels and a label to compare against exclude each other. Leave `against` out."
        raise TargetError(message)


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
    texts_with_pairs(text, text_pair)  # before a model is loaded
    return _explainer(as_config(config)).explain(text, text_pair, progress=progress)
