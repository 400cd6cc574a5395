"""The record of one explanation: what was explained, the numbers, and how far they may be off.

Arrays are read-only float64. A matrix entry that was not computed (`--top`) is NaN in memory and null in the document.
"""

import importlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import with_config

from ihcli.errors import ResultError
from ihcli.file_writing import write_atomically
from ihcli.result_files import (
    EXACT,
    TOLERANT,
    Count,
    Gap,
    Matrix,
    Sections,
    Values,
    Vector,
    parse,
    read_document,
    to_plain,
    to_text,
    validated,
)

SCHEMA = "ihcli.result/2"
EARLIER_SCHEMAS = ("ihcli.result/1",)
"""Schemas that are still read: 1 has neither method, removal nor standard errors."""
RESULT = "result.json"
"""Name of the document in the folder of a result."""
Array = NDArray[np.float64]
GAPS = ("completeness_gap", "row_gap", "asymmetry", "quadrature_error")
"""The numbers of a certificate that say how far the matrix may be off."""
LARGEST = 1e100
"""A number beyond it is damage: no score is as large, and the square of a larger one may not be a number."""


def frozen_array(values: ArrayLike) -> Array:
    """A read-only float64 copy of `values`; None becomes NaN."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Unit:
    """One row of the matrix: a word, token, sentence or span of the text.

    Attributes:
        text: The characters of the unit.
        start: Offset of its first character in the text (or pair) that it stands in.
        end: Offset behind its last character.
        tokens: The model's tokens in it.
        side: `text` or `text_pair`, which the offsets count in.
    """

    text: str
    start: int
    end: int
    tokens: tuple[str, ...]
    side: str = "text"


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model that was explained.

    Attributes:
        name: Hub id, local directory, or `bundled`.
        revision: Branch, tag or commit of a hub model, None where none was given.
        architecture: Name of the model's class.
        weights_sha256: SHA-256 of the weights in hexadecimal.
        dtype: Precision of the computation, `float32` or `float64`.
        adapter: Method, name and base model of the adapter that was merged in; None without one, and then the document
            has no such key.
    """

    name: str
    revision: str | None
    architecture: str
    weights_sha256: str
    dtype: str
    adapter: str | None = None


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model predicts for the text.

    Attributes:
        label: The predicted label.
        index: Its place among the model's outputs.
        probabilities: The probability of each label; of a regressor its outputs, see `are_values`.
        problem: `single_label`, `multi_label` or `regression`; None in a record that does not say it.
    """

    label: str
    index: Count
    probabilities: Mapping[str, float]
    problem: Literal["single_label", "multi_label", "regression"] | None = None

    @property
    def are_values(self) -> bool:
        """Whether the outputs are values of a regressor, which are no probabilities."""
        if self.problem is not None:
            return self.problem == "regression"
        return len(self.probabilities) == 1 or not all(0 <= value <= 1 for value in self.probabilities.values())


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Target:
    """The explained scalar f: an output of one label, minus that of another where `against` is given.

    Attributes:
        label: The explained label.
        index: Its place among the model's outputs.
        output: `logit`, `probability` or `log-odds`.
        against: The label whose output is subtracted, or None.
    """

    label: str
    index: Count
    output: str
    against: str | None = None


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Surrogate:
    """What changed where ReLU-like operations were replaced by a softplus.

    Attributes:
        beta: Sharpness of the softplus.
        kinks: The operations that were replaced.
        f_input_change: f(x) of the smoothed model minus that of the original, in units of f.
        difference_change: f(x) − f(x′) of the smoothed model minus that of the original, in units of f.
        label_changed: Whether the smoothed model predicts another label.
    """

    beta: float
    kinks: tuple[str, ...]
    f_input_change: Gap
    difference_change: Gap
    label_changed: bool


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Certificate:
    """How far IG and Γ may be off; gaps and errors are in units of f, and NaN where they are not known.

    Attributes:
        completeness_gap: |Σ_uv Γ_uv − (f(x) − f(x′))|.
        row_gap: max_u |Σ_v Γ_uv − IG_u|.
        asymmetry: max_uv |Γ_uv − Γ_vu| before the matrix was made symmetric.
        quadrature_error: The estimated error of the entry that is furthest off.
        surrogate_gap: By how much smoothing changed f(x) − f(x′); None without smoothing.
        tolerance: The largest error that was asked for, as a share of the largest |Γ_uv|.
        converged: Whether row gap and quadrature error are within the tolerance.
        surrogate: What smoothing changed; None without smoothing.
        standard_error: Largest standard error of an entry, 0 where all coalitions were evaluated; None for integrals.
    """

    completeness_gap: Gap
    row_gap: Gap
    asymmetry: Gap
    quadrature_error: Gap
    surrogate_gap: float | None
    tolerance: float
    converged: bool
    surrogate: Surrogate | None = None
    standard_error: float | None = None


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Quadrature:
    """How the integral was taken, and what it cost.

    Attributes:
        rule: Name of the quadrature rule.
        formulation: Definition of the matrix: `paper`, `article` or `article-code`.
        nodes: Nodes at which a Hessian was taken.
        hessian_vector_products: Products of a Hessian with a vector.
        gradients: Gradients.
        engine: How second derivatives were taken: `forward` or `reverse`; `game` where coalitions were evaluated.
        evaluations: Coalitions of units at which the score was evaluated.
    """

    rule: str
    formulation: str
    nodes: Count
    hessian_vector_products: Count
    gradients: Count = 0
    engine: str = "reverse"
    evaluations: Count = 0


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class PathProfile:
    """The score along the path γ(t) from the baseline (t = 0) to the text (t = 1).

    Attributes:
        t: Places on the path (N,).
        f: f(γ(t)) (N,), in units of f.
        curvature: max_uv |H_uv(t)| (N,), NaN where only f was evaluated.
    """

    t: Vector
    f: Vector
    curvature: Vector

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("t", "f", "curvature"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class RemovedText:
    """The text without some of its units, and what the model says of it.

    Attributes:
        without: The removed units, by position.
        text: What is left of the text (and of its pair, after ` / `).
        label: The predicted label.
        probability: Its probability; for a regressor its output.
        score: The explained scalar f.
        target_probability: The probability of the explained label; for a regressor its output.  None in a record of an
            older version.
    """

    without: tuple[int, ...]
    text: str
    label: str
    probability: float
    score: float
    target_probability: float | None = None


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class RemovedPair:
    """What removing a pair of units does, beside what the matrix says of it.

    Attributes:
        i: Position of the first unit.
        j: Position of the second unit, after the first.
        interaction: The entry of the matrix.
        effect: f(text) − f(without i) − f(without j) + f(without both).
        without_first: The text without i.
        without_second: The text without j.
        without_both: The text without both.
    """

    i: int
    j: int
    interaction: float
    effect: float
    without_first: RemovedText
    without_second: RemovedText
    without_both: RemovedText

    @property
    def agrees(self) -> bool:
        """Whether removal and the matrix say the same sign."""
        return self.interaction * self.effect > 0


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class PairEffect:
    """What a pair adds by removal, beside what the matrix says of it.

    Attributes:
        i: Position of the first unit.
        j: Position of the second unit, after the first.
        interaction: The entry of the matrix.
        effect: f(text) − f(without i) − f(without j) + f(without both).
    """

    i: int
    j: int
    interaction: float
    effect: float


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Removal:
    """How the explanation agrees with what removing units from the text does (the check by removal).

    Attributes:
        sentence: The finding in plain sentences.
        pairs: The strongest pairs, each with the texts without one, the other, and both.
        compared: Strong pairs whose sign was compared with removal.
        agreeing: Those of them whose sign agrees.
        r_squared: R² of the scores of texts with removed units, predicted from the matrix; None where not known.
        r_squared_attributions: The same, predicted from the attributions alone.
        correlation: Correlation of the entries of pairs with those of Integrated Hessians of deletion; None where not
            known.
        exact: Whether all coalitions of units were evaluated; otherwise R² is an estimate from some of them.
        evaluations: Texts that were evaluated.
        scale: The factor by which the predictions of the matrix fit those scores best; None where not known.
        r_squared_scaled: R² with that factor: what the pattern of the matrix explains, its size aside.
        r_squared_error: The standard error of `r_squared`, 0 where it is exact; None where not known.
        r_squared_attributions_error: The same of `r_squared_attributions`.
        r_squared_scaled_error: The same of `r_squared_scaled`.
        nothing: The text without any unit; None in a record of an older version.
        largest: The text without the unit of the largest attribution; None where the strongest pair holds it.
        contradicted: The strong pairs that removal gives another sign, strongest first; None in a record of an older
            version.
    """

    sentence: str
    pairs: tuple[RemovedPair, ...]
    compared: Count
    agreeing: Count
    r_squared: float | None
    r_squared_attributions: float | None
    correlation: float | None
    exact: bool
    evaluations: Count
    scale: float | None = None
    r_squared_scaled: float | None = None
    r_squared_error: float | None = None
    r_squared_attributions_error: float | None = None
    r_squared_scaled_error: float | None = None
    nothing: RemovedText | None = None
    largest: RemovedText | None = None
    contradicted: tuple[PairEffect, ...] | None = None

    @property
    def compared_pairs(self) -> tuple["RemovedPair | PairEffect", ...]:
        """All pairs of the check that are kept."""
        return (*self.pairs, *(self.contradicted or ()))

    @property
    def texts(self) -> tuple[RemovedText, ...]:
        """All texts of the check that are kept."""
        pairs = (text for own in self.pairs for text in (own.without_first, own.without_second, own.without_both))
        return (*pairs, *(text for text in (self.nothing, self.largest) if text is not None))


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class OtherBaseline:
    """The same text explained by the same method with another baseline.

    Attributes:
        kind: What the absence of a unit means there.
        f_baseline: f of that baseline.
        converged: Whether its certificate meets the tolerance.
        ig: Its attributions (U,).
        ih: Its matrix (U, U); NaN where an entry was not computed.
    """

    kind: str
    f_baseline: float
    converged: bool
    ig: Vector
    ih: Matrix

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("ig", "ih"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


@with_config(EXACT)
@dataclass(frozen=True, slots=True)
class Environment:
    """Versions and device that made the result.

    Attributes:
        ihcli: Version of this package.
        torch: Version of PyTorch.
        transformers: Version of transformers.
        python: Version of Python.
        device: `cpu`, `mps`, or the name of the GPU.
    """

    ihcli: str
    torch: str
    transformers: str
    python: str
    device: str


@with_config(TOLERANT)
@dataclass(frozen=True, slots=True)
class Explanation:
    """Integrated Gradients and Integrated Hessians of one text, with their certificate.

    Γ_uv = ∫₀¹ −t ln t · H_uv(t) dt + [u = v] ∫₀¹ −ln t · g_u(t) dt, with g and H the first and second derivatives of f
    along the units of the text (Janizek, Sturmfels and Lee, JMLR 2021, with t = αβ). Σ_v Γ_uv = IG_u and
    Σ_uv Γ_uv = f(x) − f(x′), up to the gaps of the certificate.

    Attributes:
        text: The explained text.
        text_pair: The second text, or None.
        model: The model that was explained.
        prediction: What it predicts.
        target: The explained scalar f.
        baseline: The input x′ at which every unit is absent: its `kind`, and what that kind needs.
        units: The U units that the rows stand for.
        f_input: f(x), f of the text.
        f_baseline: f(x′), f of the baseline (the mean over a set of baselines).
        ig: Integrated Gradients (U,), in units of f.
        ih: Integrated Hessians Γ (U, U), in units of f; NaN where an entry was not computed. A pair stands in it twice.
        certificate: How far the numbers may be off.
        quadrature: How the integral was taken.
        environment: Versions and device.
        path: The score along the path, or None.
        config: The configuration by section: with the text enough to make the result again; None if not recorded.
        ih_spread: Standard deviation of every entry over a set of baselines (U, U), or None.
        warnings: What a reader of the numbers should know.
        method: `ih` for Integrated Hessians, or the method of `ihcli.removal` that computed `ig` and `ih`.
        removal: How the explanation agrees with removing units from the text, or None where it was not checked.
        others: The same with the further baselines of the configuration.

    Example:
        >>> import ihcli
        >>> result = ihcli.Explanation.load("outputs/this-movie-was-not-bad")
        >>> i, j, strength = result.pairs()[0]
        >>> print(f"{result.units[i].text}, {result.units[j].text}: {strength:.1f}")
        not, bad: 3.0
        >>> result.ih.shape, result.converged
        ((5, 5), True)
    """

    text: str
    text_pair: str | None
    model: ModelInfo
    prediction: Prediction
    target: Target
    baseline: Values
    units: tuple[Unit, ...]
    f_input: float
    f_baseline: float
    ig: Vector
    ih: Matrix
    certificate: Certificate
    quadrature: Quadrature
    environment: Environment
    path: PathProfile | None = None
    config: Sections | None = None
    ih_spread: Matrix | None = None
    warnings: tuple[str, ...] = ()
    method: str = "ih"
    removal: Removal | None = None
    others: tuple[OtherBaseline, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes and freeze the arrays."""
        for name in ("ig", "ih", "ih_spread"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen_array(value))
        count = len(self.units)
        if self.ig.shape != (count,) or self.ih.shape != (count, count):
            message = (
                f"A result with {count} units has ig of shape {self.ig.shape} and ih of shape {self.ih.shape}; "
                f"they must be ({count},) and ({count}, {count})."
            )
            raise ResultError(message)

    @property
    def pair_total(self) -> float:
        """What a pair adds to f(x) − f(x′) as a multiple of its entry: 2 for Integrated Hessians, else 1."""
        return 2.0 if self.method == "ih" else 1.0

    @property
    def converged(self) -> bool:
        """Whether the certificate meets its tolerance."""
        return self.certificate.converged

    def __repr__(self) -> str:
        """A short summary in plain text."""
        summary: str = _output("notebook").summary(self)
        return summary

    def _repr_html_(self) -> str:
        """What a notebook shows: a self-contained fragment without scripts."""
        fragment: str = _output("notebook").html(self)
        return fragment

    def plot(self, kind: str = "arcs") -> Any:
        """Draw the result.

        Args:
            kind: `heatmap`, `arcs`, `text`, `bars`, `network` or `baseline-to-text`.

        Returns:
            A matplotlib Figure.

        Raises:
            UsageError: The kind is unknown, or the result lacks what it draws.

        Example:
            >>> import ihcli
            >>> from matplotlib.figure import Figure
            >>> isinstance(ihcli.Explanation.load("outputs/this-movie-was-not-bad").plot("heatmap"), Figure)
            True
        """
        return _output("figures").draw(kind, [self])

    def pairs(self) -> list[tuple[int, int, float]]:
        """The pairs of units, strongest first.

        An entry is half of what the pair adds to f(x) − f(x′): the matrix holds it twice.

        Returns:
            Tuples (i, j, Γ_ij) with i < j in the order of |Γ_ij|, equal ones by position; entries that were not
            computed are left out.

        Example:
            >>> import ihcli
            >>> [(i, j) for i, j, _ in ihcli.Explanation.load("outputs/this-movie-was-not-bad").pairs()[:2]]
            [(3, 4), (2, 4)]
        """
        rows, columns = np.triu_indices(len(self.units), k=1)
        values = self.ih[rows, columns]
        known = [(int(i), int(j), float(v)) for i, j, v in zip(rows, columns, values, strict=True) if not math.isnan(v)]
        return sorted(known, key=lambda pair: (-abs(pair[2]), pair[0], pair[1]))

    def to_pandas(self) -> tuple[Any, Any]:
        """The result as two frames of pandas.

        Returns:
            The units (`unit`, `side`, `start`, `end`, `attribution`, and `own`, the diagonal of the matrix) and
            the pairs, strongest first (`i`, `j`, `first`, `second`, `interaction`, `total`: what the pair adds to
            f(x) − f(x′)); pairs that were not computed are left out.

        Raises:
            UsageError: pandas is not installed.

        Example:
            >>> import ihcli
            >>> units, pairs = ihcli.Explanation.load("outputs/this-movie-was-not-bad").to_pandas()
            >>> pairs.loc[0, ["first", "second"]].tolist()
            ['not', 'bad']
        """
        frames: tuple[Any, Any] = _output("conversions").to_pandas(self)
        return frames

    def to_shapiq(self) -> Any:
        """The result for the plots and analyses of shapiq.

        Returns:
            InteractionValues of orders 0 to 2: f(x′), Γ_uu, and what each pair adds, 2 Γ_uv; they sum to f(x) up to the
            completeness gap. The index is called `k-SII`, the nearest of those that shapiq knows.

        Raises:
            UsageError: shapiq is not installed, or entries of the matrix were not computed.

        Example:
            >>> import ihcli
            >>> values = ihcli.Explanation.load("outputs/this-movie-was-not-bad").to_shapiq()
            >>> values.n_players, values.max_order
            (5, 2)
        """
        return _output("conversions").to_shapiq(self)

    def to_shap(self) -> Any:
        """The attributions for the plots of shap.

        Returns:
            An Explanation of shap of one text: `values` are the attributions, `base_values` is f(x′), `data` the units.

        Raises:
            UsageError: shap is not installed.

        Example:
            >>> import ihcli
            >>> ihcli.Explanation.load("outputs/this-movie-was-not-bad").to_shap().values.shape
            (5,)
        """
        return _output("conversions").to_shap(self)

    def to_dict(self) -> dict[str, Any]:
        """The document of the result.

        Returns:
            The fields in plain JSON types under their names, and `schema`; numbers that are not finite are None.

        Example:
            >>> import ihcli
            >>> ihcli.Explanation.load("outputs/this-movie-was-not-bad").to_dict()["schema"]
            'ihcli.result/2'
        """
        document: dict[str, Any] = {"schema": SCHEMA, **to_plain(self)}
        if self.model.adapter is None:
            del document["model"]["adapter"]
        absent = {"path", "ih_spread", "removal", "others"}
        return {key: value for key, value in document.items() if value not in (None, []) or key not in absent}

    def to_json(self) -> str:
        """The document as text, made for diffs.

        Returns:
            JSON with a key a line, a matrix row a line, every number in full precision, and the same bytes for the same
            result. Lone surrogates, bidirectional controls and C1 controls are written as escapes.

        Example:
            >>> import ihcli
            >>> ihcli.Explanation.load("outputs/this-movie-was-not-bad").to_json().splitlines()[2]
            '  "text": "this movie was not bad",'
        """
        return to_text(self.to_dict())

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str = "document") -> Self:
        """Read a document back, whose fields are checked one by one; other keys are ignored.

        Args:
            document: What `to_dict` gives, or a line of `ih export` that was parsed.
            source: What an error names as the origin.

        Returns:
            The result.

        Raises:
            ResultError: The document is of another schema, lacks a field, holds a value that no result has, or numbers
                whose shapes do not fit.

        Example:
            >>> import ihcli
            >>> result = ihcli.Explanation.load("outputs/this-movie-was-not-bad")
            >>> ihcli.Explanation.from_dict(result.to_dict()).to_json() == result.to_json()
            True
        """
        try:
            content = json.dumps(dict(document))
        except (TypeError, ValueError, RecursionError) as error:
            message = f"{source}: is not a document in plain JSON types ({error})."
            raise ResultError(message) from error
        return cls._read(content, source)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a saved result; what is damaged is refused, never repaired.

        Args:
            path: A `result.json`, or the folder that holds it.

        Returns:
            The result.

        Raises:
            ResultError: The file cannot be read, is not JSON, or `from_dict` refuses what it holds.

        Example:
            >>> import ihcli
            >>> ihcli.Explanation.load("outputs/this-movie-was-not-bad/result.json").prediction.label
            'POSITIVE'
        """
        content, file = read_document(Path(path), RESULT)
        return cls._read(content, str(file))

    @classmethod
    def _read(cls, content: bytes | str, source: str) -> Self:
        document = parse(content, source)
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema != SCHEMA and schema not in EARLIER_SCHEMAS:
            message = f"{source}: schema {schema!r:.60} is not {SCHEMA!r}, the one this version of ih reads."
            if isinstance(schema, str) and schema.startswith("ihcli.result/"):
                message += " It was written by another version: upgrade ih, or explain the text again."
            else:
                message += " It is not a result of `ih explain`."
            raise ResultError(message)
        result = validated(cls, content, source)
        defect = next(defects(result), None)
        if defect is not None:
            message = f"{source}: the result is damaged: it {defect} Explain the text again."
            raise ResultError(message)
        return result

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the document, whole or not at all.

        Args:
            path: A name that ends in `.json`, or a folder that gets `result.json`; folders are made.

        Returns:
            The file that was written.

        Raises:
            OutputError: The file cannot be written.

        Example:
            >>> import ihcli, tempfile
            >>> result = ihcli.Explanation.load("outputs/this-movie-was-not-bad")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     result.save(folder).name
            'result.json'
        """
        file = Path(path)
        named = file.suffix == ".json"
        file = file if named else file / RESULT
        write_atomically(file, self.to_json().encode("utf-8"), follow_links=named)
        return file


def _output(name: str) -> Any:
    """A module of `ihcli.output`, which stands above this one and is imported when it is used."""
    return importlib.import_module(f"ihcli.output.{name}")


def defects(explanation: Explanation) -> Iterator[str]:
    """What in a record no explanation can hold, as the ends of sentences: `has a unit …`."""
    if not explanation.units:
        yield "has no unit."
    yield from _wrong_numbers(explanation)
    certificate = explanation.certificate
    if not 0 < certificate.tolerance <= 1:
        yield f"names the tolerance {certificate.tolerance:g}, which must be above 0 and at most 1."
    negative = [name for name in GAPS if getattr(certificate, name) < 0]
    if negative:
        yield f"has a negative number in {', '.join(negative)}."
    spread, path = explanation.ih_spread, explanation.path
    if spread is not None and spread.shape != explanation.ih.shape:
        yield f"has ih_spread of shape {spread.shape} beside a matrix of {explanation.ih.shape}."
    for other in explanation.others:
        if other.ig.shape != explanation.ig.shape or other.ih.shape != explanation.ih.shape:
            yield f"has numbers of shapes {other.ig.shape} and {other.ih.shape} for the baseline {other.kind}."
            return
    if path is not None and not (len(path.t) == len(path.f) == len(path.curvature) > 0):
        yield f"has a path of {len(path.t)} places with {len(path.f)} values and {len(path.curvature)} curvatures."
    if explanation.prediction.label not in explanation.prediction.probabilities:
        yield f"predicts {explanation.prediction.label!r}, which is not among its outputs."
    yield from _misplaced_units(explanation)
    yield from _misplaced_removals(explanation)


def _wrong_numbers(explanation: Explanation) -> Iterator[str]:
    """Numbers that are missing, or larger than any of an explanation, and what is no probability."""
    unknown = [name for name, values, gaps in _numbers(explanation) if not _are_known(values, gaps=gaps)]
    if unknown:
        yield f"lacks finite numbers in {', '.join(unknown)}."
    beyond = [name for name, values, _ in _numbers(explanation) if _largest(values) > LARGEST]
    if beyond:
        yield f"has numbers beyond {LARGEST:g} in {', '.join(beyond)}, which no explanation holds."
    for label, value in explanation.prediction.probabilities.items():
        if explanation.prediction.problem in {"single_label", "multi_label"} and not 0 <= value <= 1:
            yield f"has {value:g} as the probability of {label!r}."


def _numbers(explanation: Explanation) -> Iterator[tuple[str, ArrayLike, bool]]:
    """The numbers of a record under their names, and whether some of them may be unknown."""
    for name in ("f_input", "f_baseline", "ig"):
        yield name, getattr(explanation, name), False
    for label, value in explanation.prediction.probabilities.items():
        yield f"output {label}", value, False
    if explanation.units:
        yield "ih", explanation.ih, True
    for other in explanation.others:
        yield f"ig of {other.kind}", (other.f_baseline, *other.ig), False
        yield f"ih of {other.kind}", other.ih, True
    if explanation.path is not None:
        yield "path", (*explanation.path.t, *explanation.path.f), False
        yield "curvature", (*explanation.path.curvature, 0.0), True
    for name in (*GAPS, "surrogate_gap", "standard_error"):
        value = getattr(explanation.certificate, name)
        yield name, (0.0 if value is None else value, 0.0), True
    if explanation.certificate.surrogate is not None:
        surrogate = explanation.certificate.surrogate
        yield "surrogate", (surrogate.beta, surrogate.f_input_change, surrogate.difference_change, 0.0), True
    if explanation.ih_spread is not None:
        yield "ih_spread", np.append(explanation.ih_spread, 0.0), True
    if explanation.removal is not None:
        yield "removal", (*_removal_numbers(explanation.removal), 0.0), True


def _removal_numbers(removal: Removal) -> Iterator[float]:
    """All numbers of a check by removal."""
    shares = removal.r_squared, removal.r_squared_attributions, removal.correlation, removal.r_squared_scaled
    errors = removal.r_squared_error, removal.r_squared_attributions_error, removal.r_squared_scaled_error
    for share in (*shares, removal.scale, *errors):
        yield 0.0 if share is None else share
    for pair in removal.compared_pairs:
        yield from (pair.interaction, pair.effect)
    for text in removal.texts:
        yield from (text.probability, text.score, text.target_probability or 0.0)


def _are_known(values: ArrayLike, *, gaps: bool) -> bool:
    """Whether all values are finite; with `gaps` at least one is known, and none infinite."""
    array = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(array)
    return bool((known.any() if gaps else known.all()) and np.isfinite(array[known]).all())


def _largest(values: ArrayLike) -> float:
    """The largest finite magnitude among `values`, 0 where there is none."""
    array = np.abs(np.asarray(values, dtype=np.float64))
    return float(array[np.isfinite(array)].max(initial=0.0))


def _misplaced_removals(explanation: Explanation) -> Iterator[str]:
    """The first position in the check by removal that is not one of the units'."""
    count = len(explanation.units)
    if explanation.removal is None:
        return
    for pair in explanation.removal.compared_pairs:
        if not 0 <= pair.i < pair.j < count:
            yield f"checks the removal of the units {pair.i} and {pair.j}, which are no pair of its {count} units."
            return
    for position in (position for text in explanation.removal.texts for position in text.without):
        if not 0 <= position < count:
            yield f"checks the removal of the unit {position}, which is none of its {count} units."
            return


def _misplaced_units(explanation: Explanation) -> Iterator[str]:
    """The first unit that is not what the text holds at its place."""
    sides = {"text": explanation.text, "text_pair": explanation.text_pair}
    for unit in explanation.units:
        text = sides.get(unit.side)
        if text is None or not 0 <= unit.start <= unit.end <= len(text):
            yield f"has a unit at {unit.start}–{unit.end} of {unit.side}, which is not in that text."
            return
        if unit.text != text[unit.start : unit.end]:
            yield f"has a unit {unit.text!r} at {unit.start}–{unit.end}, where the text holds another."
            return
