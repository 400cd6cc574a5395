"""Measure the sampled estimator of games: error against texts and seconds, beside other ways of estimating.

``python -m tests.studies.game_sampling --out FILE`` deletes words from sentences under the bundled model.  Sentences of
ten to twelve units are known exactly from all of their coalitions; those of more units (21 and 40) are judged by a run
with twenty times as many texts as the largest number measured.  ``--texts FILE`` takes other sentences, one a line;
those of 10 to 12 units go to the exact part, those of 18 and more to the other.  ``--cache DIR`` keeps the scores of
coalitions, ``--records FILE`` a line a run, so that a study that was stopped goes on where it stopped.  Methods of
shapiq and the lasso are measured where `shapiq`, `lightgbm` and `scikit-learn` are installed.

Each method is judged on what it can give: a surrogate or coefficients of Möbius give Γ by its closed form; estimates of
the Shapley interaction index are compared with that index (`sii`), which the process also gives.
"""

import argparse
import hashlib
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihcli.config import RunConfig, TargetSection, UnitsSection
from ihcli.models import LoadedClassifier, load_classifier
from ihcli.models.deletion import DeletionGame
from ihcli.removal.game import all_coalitions
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.sampling import draw, expected_game, sampled_interactions

Array = NDArray[np.float64]
Coefficients = Mapping[tuple[int, ...], float]
"""The coefficients of Möbius of a game, by their units."""

SENTENCES = (
    "the plot is thin but the actors nearly save it",
    "hardly anyone will miss the last hour of this film",
    "a dull first half hides a rather moving last act",
    "nobody could call this lazy and loud sequel fresh or funny",
    "I would not call this dull story a complete waste of time",
    "despite a clumsy script the two leads are never less than charming",
    "too long by half , yet it never once becomes boring",
    "if only the jokes were as sharp as the costumes are pretty",
)
"""Of ten to twelve units."""
LONG = (
    "I expected nothing from the trailer and still managed to be let down by a story that goes nowhere at all",
    (
        "there is a good film somewhere in these two hours but nobody seems to have looked for it; the "
        "camera wanders, the music shouts, and only the scenes at the lake show what it might have been"
    ),
    (
        "I thought it would be boring, since the book was, but the second half was not bad at all, the "
        "dialogue is sharp and the ending, which I will not spoil, almost made me cry"
    ),
)
"""Of 21 and 40 units."""
BUDGETS = (128, 256, 512, 1024)
LONG_BUDGETS = (256, 512, 1024)
TIMES = 20
"""A reference has so many times as many texts as the largest budget."""
LONG_UNITS = 18
TOP = 5
"""Pairs that `top` refines, and whose errors are told apart."""


@dataclass(slots=True)
class Known:
    """A game that remembers its values, on disk too, and counts what a method asks of it."""

    classifier: LoadedClassifier
    text: str
    cache: Path | None
    units: int = 0
    seconds_per_text: float = 0.0
    values: dict[bytes, float] = field(default_factory=dict)
    asked: set[bytes] = field(default_factory=set)
    _game: DeletionGame | None = None

    def __post_init__(self) -> None:
        """Encode the text, and read what is known of it."""
        encoded = self.classifier.encode(self.text, units=UnitsSection())
        target = self.classifier.target(TargetSection(label="POSITIVE"), self.classifier.predict(encoded))
        self._game, self.units = DeletionGame(self.classifier, encoded, target), len(encoded.units)
        if self.cache is not None and self.file.exists():
            stored = np.load(self.file)
            self.seconds_per_text = float(stored["seconds"])
            rows = np.unpackbits(stored["rows"], axis=1, count=self.units).astype(bool)
            self.values = {row.tobytes(): float(v) for row, v in zip(rows, stored["values"], strict=True)}

    @property
    def file(self) -> Path:
        """Where its values are kept."""
        name = hashlib.sha256((self.text + self.classifier.info.weights_sha256).encode()).hexdigest()[:16]
        return (self.cache or Path()) / f"{name}.npz"

    def learn(self, rows: NDArray[np.bool_]) -> None:
        """Evaluate what is not known yet, and note how long a text took."""
        new = [row for row in np.unique(rows, axis=0) if row.tobytes() not in self.values]
        if not new or self._game is None:
            return
        begun = time.perf_counter()
        found = self._game(np.array(new))
        self.seconds_per_text = (time.perf_counter() - begun) / len(new)
        self.values.update((row.tobytes(), float(v)) for row, v in zip(new, found, strict=True))
        if self.cache is not None:
            self.cache.mkdir(parents=True, exist_ok=True)
            known = np.array([np.frombuffer(key, dtype=bool) for key in self.values])
            values = np.array(list(self.values.values()))
            np.savez(self.file, rows=np.packbits(known, axis=1), values=values, seconds=self.seconds_per_text)

    def __call__(self, rows: NDArray[np.bool_]) -> Array:
        """The values (n,) of coalitions (n, U)."""
        rows = np.atleast_2d(np.asarray(rows, dtype=bool))
        self.learn(rows)
        keys = [row.tobytes() for row in rows]
        self.asked.update(keys)
        return np.array([self.values[key] for key in keys])


# --- what coefficients say ----------------------------------------------------------------------------------------


def gamma(coefficients: Coefficients, units: int) -> Array:
    """Γ_uv = Σ_{T∋u,v} m_T / |T|², (U, U)."""
    found = np.zeros((units, units))
    for members, size in coefficients.items():
        if members:
            found[np.ix_(members, members)] += size / len(members) ** 2
    return found


def shapley_interactions(coefficients: Coefficients, units: int) -> Array:
    """The Shapley interaction index of pairs, Σ_{T∋u,v} m_T / (|T| − 1), (U, U) with a zero diagonal."""
    found = np.zeros((units, units))
    for members, size in coefficients.items():
        if len(members) > 1:
            found[np.ix_(members, members)] += size / (len(members) - 1)
    np.fill_diagonal(found, 0)
    return found


def moebius(values: Array, units: int) -> Coefficients:
    """The coefficients of a game from all of its values (2^U,)."""
    found = values.reshape((2,) * units).copy()
    for axis in range(units):
        found = np.moveaxis(found, axis, 0)
        found[1] -= found[0]
        found = np.moveaxis(found, 0, axis)
    flat = found.ravel()
    return {tuple(np.flatnonzero(row).tolist()): float(m) for row, m in zip(all_coalitions(units), flat, strict=True)}


def of_walsh(coefficients: Coefficients) -> Coefficients:
    """Coefficients of Möbius from those of Π_{u∈T} z_u, z = 2x − 1."""
    found: dict[tuple[int, ...], float] = {}
    for members, size in coefficients.items():
        for order in range(len(members) + 1):
            for chosen in combinations(members, order):
                found[chosen] = found.get(chosen, 0.0) + size * 2**order * (-1) ** (len(members) - order)
    return found


# --- the methods --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a method gave: Γ, the Shapley interactions, standard errors of Γ; None for what it does not give."""

    gamma: Array | None = None
    sii: Array | None = None
    errors: Array | None = None


Method = Callable[[Known, int, int], Estimated]


def process(game: Known, budget: int, seed: int) -> Estimated:
    """The estimator of ihcli."""
    found = sampled_interactions(game, game.units, budget, seed)
    return Estimated(gamma=found.matrix, errors=found.matrix_errors)


def refined(game: Known, budget: int, seed: int) -> Estimated:
    """The same, with half of the texts spent on the strongest pairs (`top`)."""
    found = sampled_interactions(game, game.units, budget, seed, top=TOP)
    return Estimated(gamma=found.matrix, errors=found.matrix_errors)


def process_interactions(game: Known, budget: int, seed: int) -> Estimated:
    """The Shapley interactions of the game that the same process expects; from all coalitions, so for few units."""
    rows = draw(game.units, budget, seed)
    expected = expected_game(rows, game(rows), seed)(all_coalitions(game.units))
    return Estimated(sii=shapley_interactions(moebius(expected, game.units), game.units))


def least_squares(game: Known, budget: int, seed: int) -> Estimated:
    """A plain fit of order two on the same coalitions."""
    rows = draw(game.units, budget, seed)
    subsets, features = _walsh(rows, 2)
    solved = np.linalg.lstsq(features, game(rows), rcond=None)[0]
    return _of(of_walsh(dict(zip(subsets, solved.tolist(), strict=True))), game.units)


def lasso(order: int) -> Method:
    """A lasso on the same coalitions, its penalty by cross-validation."""

    def method(game: Known, budget: int, seed: int) -> Estimated:
        from sklearn.linear_model import LassoCV

        rows = draw(game.units, budget, seed)
        subsets, features = _walsh(rows, order)
        fit = LassoCV(cv=5, alphas=30, max_iter=3000, random_state=0).fit(features[:, 1:], game(rows))
        sizes = [float(fit.intercept_), *fit.coef_.tolist()]
        return _of(of_walsh(dict(zip(subsets, sizes, strict=True))), game.units)

    return method


def _walsh(rows: NDArray[np.bool_], order: int) -> tuple[list[tuple[int, ...]], Array]:
    z = np.where(rows, 1.0, -1.0)
    subsets = [own for size in range(order + 1) for own in combinations(range(rows.shape[1]), size)]
    return subsets, np.stack([z[:, list(own)].prod(axis=1) for own in subsets], axis=1)


def _of(coefficients: Coefficients, units: int) -> Estimated:
    return Estimated(gamma=gamma(coefficients, units), sii=shapley_interactions(coefficients, units))


def faithful(name: str, order: int, *, paired: bool = False) -> Method:
    """Faithful indices of shapiq: they are the coefficients of a surrogate.  `paired` draws complements together."""

    def method(game: Known, budget: int, seed: int) -> Estimated:
        import shapiq

        kind = getattr(shapiq.approximator, f"Regression{name}")
        settings = {"max_order": order, "random_state": seed, "pairing_trick": paired}
        found = kind(n=game.units, **settings).approximate(budget, game)
        return _of({members: float(found[members]) for members in found.interaction_lookup}, game.units)

    return method


def sparse(game: Known, budget: int, seed: int) -> Estimated:
    """The sparse transform of shapiq by trees: its coefficients of Möbius are taken before they are summed up."""
    from shapiq.approximator import ProxySPEX

    seen: dict[tuple[int, ...], float] = {}

    class Watched(ProxySPEX):
        def _process_moebius(self, moebius_transform: dict[tuple[int, ...], float]) -> Any:
            seen.update(moebius_transform)
            return super()._process_moebius(moebius_transform)

    Watched(n=game.units, index="SII", max_order=2, random_state=seed).approximate(budget, game)
    return _of(seen, game.units)


def sampled_index(name: str, **more: bool) -> Method:
    """Estimators of the Shapley interaction index itself."""

    def method(game: Known, budget: int, seed: int) -> Estimated:
        import shapiq

        kind = getattr(shapiq.approximator, name)
        found = kind(n=game.units, max_order=2, index="SII", random_state=seed, **more).approximate(budget, game)
        matrix = np.zeros((game.units, game.units))
        for u, v in combinations(range(game.units), 2):
            matrix[u, v] = matrix[v, u] = float(found[(u, v)])
        return Estimated(sii=matrix)

    return method


METHODS: Mapping[str, Method] = {
    "ihcli": process,
    f"ihcli, top {TOP}": refined,
    "ihcli (index)": process_interactions,
    "least squares, order 2": least_squares,
    "lasso, order 2": lasso(2),
    "lasso, order 3": lasso(3),
    "shapiq RegressionFSII, order 2": faithful("FSII", 2),
    "shapiq RegressionFSII, order 3": faithful("FSII", 3),
    "shapiq RegressionFSII, order 2, paired": faithful("FSII", 2, paired=True),
    "shapiq RegressionFSII, order 3, paired": faithful("FSII", 3, paired=True),
    "shapiq RegressionFBII, order 2": faithful("FBII", 2),
    "shapiq RegressionFBII, order 3": faithful("FBII", 3),
    "shapiq RegressionFBII, order 2, paired": faithful("FBII", 2, paired=True),
    "shapiq ProxySPEX": sparse,
    "shapiq KernelSHAPIQ": sampled_index("KernelSHAPIQ"),
    "shapiq KernelSHAPIQ, paired": sampled_index("KernelSHAPIQ", pairing_trick=True),
    "shapiq InconsistentKernelSHAPIQ": sampled_index("InconsistentKernelSHAPIQ"),
    "shapiq SVARMIQ": sampled_index("SVARMIQ"),
    "shapiq SHAPIQ": sampled_index("SHAPIQ"),
    "shapiq PermutationSamplingSII": sampled_index("PermutationSamplingSII"),
}
LONG_METHODS = (
    "ihcli",
    f"ihcli, top {TOP}",
    "least squares, order 2",
    "lasso, order 2",
    "shapiq RegressionFSII, order 2",
    "shapiq RegressionFBII, order 2",
    "shapiq ProxySPEX",
)


# --- the measurement ----------------------------------------------------------------------------------------------


def compared(found: Array, true: Array, *, diagonal: bool) -> dict[str, float]:
    """Correlation over pairs, and the largest errors as shares of the largest entry (of pairs: of the largest pair)."""
    pairs = np.triu_indices(len(true), 1)
    errors = np.abs(found - true)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = float(np.corrcoef(found[pairs], true[pairs])[0, 1])
    shares = {"r": r if np.isfinite(r) else 0.0, "pairs": float(errors[pairs].max() / np.abs(true[pairs]).max())}
    strongest = np.argsort(-np.abs(true[pairs]))[:TOP]
    shares["top"] = float(errors[pairs][strongest].max() / np.abs(true[pairs]).max())
    return {**shares, "entries": float(errors.max() / np.abs(true).max())} if diagonal else shares


def measure(
    game: Known, true_gamma: Array, true_sii: Array | None, name: str, budget: int, seed: int
) -> dict[str, Any]:
    """One run of one method."""
    game.asked.clear()
    begun = time.perf_counter()
    record: dict[str, Any] = {"method": name, "units": game.units, "evaluations": budget, "seed": seed}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = METHODS[name](game, budget, seed)
    except ImportError as error:
        return {**record, "missing": str(error)}
    except ValueError as error:  # too few evaluations for this method
        return {**record, "refused": str(error)[:100]}
    record |= {"seconds": time.perf_counter() - begun, "asked": len(game.asked)}
    record["seconds_of_texts"] = game.seconds_per_text * len(game.asked)
    if found.gamma is not None:
        record["gamma"] = compared(found.gamma, true_gamma, diagonal=True)
    if found.sii is not None and true_sii is not None:
        record["sii"] = compared(found.sii, true_sii, diagonal=False)
    if found.errors is not None:
        entries = np.triu_indices(game.units)
        within = np.abs(found.gamma - true_gamma)[entries] <= 1.96 * found.errors[entries]
        record["covered"] = float(within.mean())
    return record


Key = tuple[str, str, int, int]
"""Text, method, evaluations, seed."""


def runs(games: Sequence[Known], seeds: int, done: Collection[Key] = ()) -> Iterator[dict[str, Any]]:
    """Every method at every budget on every game, without what is done."""
    for game in games:
        few = game.units < LONG_UNITS
        names = tuple(METHODS) if few else LONG_METHODS
        budgets = [budget for budget in BUDGETS if budget < 2**game.units] if few else list(LONG_BUDGETS)
        wanted = [(name, budget, seed) for name in names for budget in budgets for seed in range(seeds)]
        wanted = [(name, budget, seed) for name, budget, seed in wanted if (game.text, name, budget, seed) not in done]
        if not wanted:
            continue
        if few:
            values = game(all_coalitions(game.units))
            true = exact_interactions(game, game.units).matrix
            sii = shapley_interactions(moebius(values, game.units), game.units)
        else:
            true = sampled_interactions(game, game.units, TIMES * LONG_BUDGETS[-1], 1000).matrix
            sii = None
        for name, budget, seed in wanted:
            yield {"text": game.text, **measure(game, true, sii, name, budget, seed)}


def curve(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Medians over games and seeds, a row for each number of units, method and number of texts."""
    groups: dict[tuple[int, str, int], list[Mapping[str, Any]]] = {}
    for record in records:
        if "seconds" in record:
            key = record["units"], record["method"], record["evaluations"]
            groups.setdefault(key, []).append(record)
    found = []
    for (units, method, evaluations), own in sorted(groups.items(), key=lambda group: (group[0][0], group[0][2])):
        row: dict[str, Any] = {
            "units": units,
            "reference": f"{TIMES * LONG_BUDGETS[-1]} texts" if units >= LONG_UNITS else "exact",
            "method": method,
            "evaluations": evaluations,
            "runs": len(own),
            "seconds": _rounded(statistics.median(one["seconds"] for one in own)),
            "seconds_of_texts": _rounded(statistics.median(one["seconds_of_texts"] for one in own)),
        }
        for kind in ("gamma", "sii"):
            have = [one[kind] for one in own if kind in one]
            if have:
                row[kind] = {key: _rounded(statistics.median(one[key] for one in have)) for key in have[-1]}
                row[kind]["worst_pairs"] = _rounded(max(one["pairs"] for one in have))
        if "covered" in own[0]:
            row["covered"] = _rounded(statistics.mean(one["covered"] for one in own))
        found.append(row)
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The curve as Markdown: our estimator beside the best of shapiq at the same number of texts, for Γ."""
    lines = [
        "| units | texts | r | error of a pair | of the strongest | `--top` | covered | shapiq: r | error | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["method"] != "ihcli":
            continue
        here = [one for one in rows if (one["units"], one["evaluations"]) == (row["units"], row["evaluations"])]
        (refined,) = (one["gamma"] for one in here if one["method"].startswith("ihcli, top"))
        others = [one["gamma"] for one in here if one["method"].startswith("shapiq") and "gamma" in one]
        own = row["gamma"]
        cells = [
            str(row["units"]), str(row["evaluations"]), f"{own['r']:.3f}", f"{own['pairs']:.3f}", f"{own['top']:.3f}",
            f"{refined['top']:.3f}", f"{100 * row['covered']:.0f} %", f"{max(one['r'] for one in others):.3f}",
            f"{min(one['pairs'] for one in others):.3f}", f"{row['seconds_of_texts']:.1f} + {row['seconds']:.1f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def read(file: Path) -> list[dict[str, Any]]:
    """The records of a file; none when there is no file yet."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the curve, write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, help="sentences, one a line (default: those of this program)")
    parser.add_argument("--out", type=Path, help="file of JSON to write")
    parser.add_argument("--cache", type=Path, help="folder that keeps the scores of coalitions")
    parser.add_argument("--records", type=Path, help="file of JSON lines, one a run; what is in it is not run again")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each method on each game (default: 2)")
    parser.add_argument("--only", choices=("exact", "long"), help="one of the two parts")
    given = parser.parse_args(arguments)
    texts = [*SENTENCES, *LONG]
    if given.texts is not None:
        texts = [line.strip() for line in given.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    classifier = load_classifier(RunConfig())
    games = [Known(classifier, text, given.cache) for text in texts]
    games = [game for game in games if 10 <= game.units <= 12 or game.units >= LONG_UNITS]
    if given.only:
        games = [game for game in games if (game.units >= LONG_UNITS) == (given.only == "long")]
    records = [] if given.records is None else read(given.records)
    done = {(one["text"], one["method"], one["evaluations"], one["seed"]) for one in records}
    for record in runs(games, given.seeds, done):
        records.append(record)
        if given.records is not None:
            with given.records.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    document = {
        "model": classifier.info.name,
        "games": [{"text": game.text, "units": game.units} for game in games],
        "seeds": given.seeds,
        "environment": {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()},
        "meaning": {
            "r": "correlation over pairs with the reference",
            "pairs": "largest error of a pair, as a share of the largest pair",
            "top": f"largest error of the {TOP} strongest pairs, as a share of the largest pair",
            "entries": "largest error of an entry, diagonal included, as a share of the largest entry",
            "covered": "share of entries within 1.96 standard errors",
            "seconds": "of the method, without the texts; its texts took seconds_of_texts",
        },
        "curve": curve(records),
    }
    for row in document["curve"]:
        print(json.dumps(row))  # noqa: T201
    print(table(document["curve"]))  # noqa: T201
    if given.out is not None:
        given.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
