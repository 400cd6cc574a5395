"""Damaged and hostile documents of a result, each made from a good one."""

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from explanations import make_explanation

from ihcli import results
from ihcli.config import RunConfig
from ihcli.results import SCHEMA, Explanation, PairEffect, Removal, RemovedPair, RemovedText, Surrogate


def _removed(*without: int) -> RemovedText:
    return RemovedText(without, "what is left", "NEGATIVE", 0.7, 0.25, 0.3)


GOOD = make_explanation(
    4,
    config=RunConfig().to_dict(),
    warnings=("a warning",),
    removal=Removal(
        "Removal agrees.",
        (RemovedPair(2, 3, 0.42, 0.5, _removed(2), _removed(3), _removed(2, 3)),),
        compared=1,
        agreeing=1,
        r_squared=0.9,
        r_squared_attributions=0.5,
        correlation=None,
        exact=True,
        evaluations=16,
        r_squared_scaled_error=0.0,
        nothing=_removed(0, 1, 2, 3),
        largest=_removed(0),
        contradicted=(PairEffect(0, 1, 0.1, -0.2),),
    ),
)
Change = Callable[[dict[str, Any]], object]


def hostile_documents() -> dict[str, bytes]:
    """By name the content of a `result.json` that no reader may take for a result."""
    text = GOOD.to_json()
    documents = {
        "empty": b"",
        "null": b"null",
        "a number": b"1",
        "a list": b"[1, 2]",
        "a word": b"POSITIVE",
        "HTML": b"<html></html>",
        "half of it": text.encode()[: len(text) // 2],
        "without its end": text.encode()[:-3],
        "more behind it": text.encode() + b"{}",
        "a byte-order mark": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "invalid UTF-8": text.encode().replace(b"this", b"th\xff\xfes", 1),
        "null bytes": b"\0" * 100,
        "another schema": text.replace(SCHEMA, "ihcli.result/99").encode(),
        "no schema": text.replace('"schema"', '"scheme"').encode(),
        "a schema of another type": text.replace(f'"{SCHEMA}"', "[1]").encode(),
        "a nest of lists": text.replace('"config": {', '"config": ' + "[" * 100_000).encode(),
        "a nest of objects": text.replace('"kind": "pad"', '"kind": ' + '{"a":' * 1000 + "1" + "}" * 1000, 1).encode(),
        "a number of 5,000 digits": text.replace('"index": 1', '"index": ' + "9" * 5000, 1).encode(),
        "a digest of the weights in digits": text.replace(f'"{"0" * 64}"', "9" * 5000).encode(),
        "half of a surrogate pair": text.replace('"text": "this', '"text": "\\ud800this', 1).encode(),
        "the other half": text.replace('"label": "POSITIVE"', '"label": "POS\\udfffITIVE"').encode(),
        "half of a surrogate pair in a token": text.replace('["this"]', '["\\udc80"]').encode(),
        "half of a surrogate pair as a key": text.replace('"kind": "pad"', '"\\ud83d": "pad"').encode(),
        "NaN": text.replace('"f_input": ', '"f_input": NaN, "x": ').encode(),
        "Infinity": text.replace('"row_gap": ', '"row_gap": Infinity, "x": ').encode(),
        "1e999 as f(x)": text.replace('"f_input": ', '"f_input": 1e999, "x": ').encode(),
        "1e999 in the configuration": text.replace('"tolerance": 0.01', '"tolerance": 1e999').encode(),
        "1e999 in the baseline": text.replace('"kind": "pad"', '"kind": ["pad", {"a": -1e999}]', 1).encode(),
    }
    for name, document in _changed():
        documents[name] = json.dumps(document).encode()
    return documents


_RECORDS = [kind for kind in vars(results).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
_OPTIONAL = {
    field.name for kind in _RECORDS for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING
}
_TEXT_OR_NULL = {"text_pair", "revision", "against"}


def _changed() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field with values of other types, without the field, and what contradicts what a result is."""
    good = GOOD.to_dict()
    for path, value in _fields(good):
        name = ".".join(map(str, path))
        if isinstance(path[-1], str) and path[-1] not in _OPTIONAL:
            yield f"without {name}", _edited(lambda parent, key: parent.pop(key), path)
        for other in _others(value):
            if not (path[-1] in _TEXT_OR_NULL and isinstance(other, str)):
                yield (
                    f"{name} = {str(other)[:20]}",
                    _edited(lambda parent, key, new=other: parent.__setitem__(key, new), path),
                )
    for name, change in _CHANGES.items():
        document = copy.deepcopy(good)
        change(document)
        yield name, document


def _fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The places of a document, but not within the configuration and the baseline, nor every line of an array."""
    if path:
        yield path, value
    if isinstance(value, dict) and path not in {("config",), ("baseline",), ("prediction", "probabilities")}:
        for key, item in value.items():
            if key not in {"schema", "config"}:
                yield from _fields(item, (*path, key))
    elif isinstance(value, list) and value:
        yield from _fields(value[0], (*path, 0))


def _others(value: Any) -> Iterator[Any]:
    """Values of other types than that of `value`."""
    if not isinstance(value, str):
        yield "0.1"
    if not isinstance(value, list):
        yield [1.0]
    if not isinstance(value, dict):
        yield {"a": 1}
    if not isinstance(value, bool):
        yield True


def _edited(change: Callable[..., object], path: tuple[str | int, ...]) -> dict[str, Any]:
    document = copy.deepcopy(GOOD.to_dict())
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return document


def _set(*path: str | int, to: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        parent: Any = document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = to

    return change


def _repeated(document: dict[str, Any]) -> None:
    document["units"] = document["units"] * 2


_CHANGES: dict[str, Change] = {
    "no units": lambda d: d.update(units=[], ig=[], ih=[]),
    "more units than rows": _repeated,
    "a short row": lambda d: d["ih"][1].pop(),
    "a long row": lambda d: d["ih"][1].append(1.0),
    "a missing row": lambda d: d["ih"].pop(),
    "a matrix of one row": _set("ih", to=[[1.0]]),
    "a matrix in one list": _set("ih", to=[0.1] * 16),
    "a matrix of matrices": _set("ih", to=[[[0.1]] * 4] * 4),
    "a short ig": lambda d: d["ig"].pop(),
    "no entry of ig": _set("ig", to=[None] * 4),
    "one entry of ig is null": _set("ig", 0, to=None),
    "nothing computed": _set("ih", to=[[None] * 4] * 4),
    "f(x) is null": _set("f_input", to=None),
    "f(x') is null": _set("f_baseline", to=None),
    "a spread of another shape": _set("ih_spread", to=[[1.0]]),
    "a spread with a short row": _set("ih_spread", to=[[1.0, 2.0], [3.0]]),
    "a short path": lambda d: d["path"]["t"].pop(),
    "no place on the path": lambda d: d["path"].update(t=[], f=[], curvature=[]),
    "a path with null": _set("path", "f", 0, to=None),
    "a unit before the text": _set("units", 0, "start", to=-5),
    "a unit behind the text": _set("units", 0, "end", to=10**6),
    "a unit that ends before it starts": lambda d: d["units"][0].update(start=3, end=1),
    "a unit of another text": _set("units", 0, "text", to="other"),
    "a unit of a pair that is not there": _set("units", 0, "side", to="text_pair"),
    "a unit of an unknown side": _set("units", 0, "side", to="margin"),
    "an offset of 10^30": _set("units", 0, "end", to=10**30),
    "an offset that is no whole number": _set("units", 0, "start", to=0.5),
    "a label without a probability": _set("prediction", "label", to="OTHER"),
    "no probabilities": _set("prediction", "probabilities", to={}),
    "a probability that is null": _set("prediction", "probabilities", "POSITIVE", to=None),
    "a probability that is text": _set("prediction", "probabilities", "POSITIVE", to="0.9"),
    "a negative index": _set("prediction", "index", to=-1),
    "nodes of 10^400": _set("quadrature", "nodes", to=10**400),
    "negative nodes": _set("quadrature", "nodes", to=-3),
    "a tolerance of 0": _set("certificate", "tolerance", to=0.0),
    "a tolerance of 50": _set("certificate", "tolerance", to=50.0),
    "a number beyond all scores": _set("f_input", to=1e300),
    "an attribution beyond all scores": _set("ig", 0, to=2e100),
    "a spread beyond all scores": _set("ih_spread", to=[[1e200] * 4] * 4),
    "a change by smoothing beyond all scores": _set("certificate", "surrogate_gap", to=1e300),
    "a standard error beyond all scores": _set("certificate", "standard_error", to=1e101),
    "an effect of removal beyond all scores": _set("removal", "pairs", 0, "effect", to=1e200),
    "a score of a cut text beyond all scores": _set("removal", "pairs", 0, "without_both", "score", to=-1e200),
    "a share beyond all shares": _set("removal", "r_squared", to=-1e300),
    "a probability of 1.7": lambda d: d["prediction"].update(problem="multi_label", probabilities={"POSITIVE": 1.7}),
    "an unknown kind of outputs": _set("prediction", "problem", to="ranking"),
    "an entry beyond all scores": _set("ih", 0, 0, to=-1e300),
    "a gap beyond all scores": _set("certificate", "quadrature_error", to=1e300),
    "a negative gap": _set("certificate", "row_gap", to=-1e-3),
    "a certificate with one key more": _set("certificate", "row_gab", to=0.1),
    "a unit with one key more": _set("units", 1, "begin", to=0),
    "a surrogate without its sharpness": _set("certificate", "surrogate", to={"kinks": ["relu"]}),
    "a surrogate that is text": _set("certificate", "surrogate", to="softplus"),
    "sections that are numbers": _set("config", to={"model": 1}),
    "sections in a list": _set("config", to=[["model", {}]]),
    "a baseline that is a word": _set("baseline", to="pad"),
    "a removed unit behind the units": _set("removal", "pairs", 0, "j", to=4),
    "a removed unit before the units": _set("removal", "pairs", 0, "i", to=-1),
    "a removed pair in another order": lambda d: d["removal"]["pairs"][0].update(i=3, j=2),
    "a text without a unit that is not there": _set("removal", "pairs", 0, "without_both", "without", to=[2, 99]),
    "an empty text without a unit that is not there": _set("removal", "nothing", "without", to=[0, 4]),
    "a text without a unit that is not there, alone": _set("removal", "largest", "without", to=[-1]),
    "a contradicted pair that is not there": _set("removal", "contradicted", 0, "j", to=4),
    "a removal without a number": _set("removal", "pairs", 0, "effect", to=None),
    "warnings in one text": _set("warnings", to="a warning"),
    "a warning that is a number": _set("warnings", to=[1]),
}


def odd_results() -> dict[str, Explanation]:
    """Results that are valid and strange: every command must take them."""

    def with_text(text: str) -> Explanation:
        return make_explanation(text=text, config=RunConfig().to_dict())

    certificate = GOOD.certificate
    unknown = {"completeness_gap": float("nan"), "quadrature_error": float("nan")}
    surrogate = Surrogate(10.0, ("relu",), 0.1, float("nan"), label_changed=True)
    return {
        "a text of controls": with_text("a\x1b[31mb c\x00d \u202ee f\u2066g"),
        "a text of commands": with_text("::error::x ##[error]y <script>alert(1)</script> $(id) =1+1 @me"),
        "a text of emoji": with_text("👩\u200d🔬 👍🏽 \U000e0001tag ❤\ufe0f"),
        "one unit": make_explanation(1),
        "two equal words": with_text("no no"),
        "nothing but zeros": make_explanation(3, ih=[[0.0] * 3] * 3),
        "huge numbers": make_explanation(3, ih=[[1e99, 1e99, -1e99], [1e99, -1e99, 1e99], [-1e99, 1e99, 1e99]]),
        "tiny numbers": make_explanation(3, ih=[[1e-310] * 3] * 3),
        "unknown gaps": dataclasses.replace(
            GOOD, certificate=dataclasses.replace(certificate, converged=False, **unknown)
        ),
        "a surrogate": dataclasses.replace(
            GOOD, certificate=dataclasses.replace(certificate, surrogate=surrogate, surrogate_gap=0.5)
        ),
        "an unknown formulation": dataclasses.replace(
            GOOD, quadrature=dataclasses.replace(GOOD.quadrature, formulation="mine", rule="", engine="")
        ),
        "no configuration and no path": dataclasses.replace(GOOD, config=None, path=None),
        "a configuration of odd keys": dataclasses.replace(GOOD, config={"attribution": {"top": "x"}, "": {"": None}}),
        "an odd baseline": dataclasses.replace(GOOD, baseline={"kind": ["a", {"b": 1}], "texts": 5, "token": {}}),
        "an empty baseline": dataclasses.replace(GOOD, baseline={}),
        "empty labels": dataclasses.replace(
            GOOD,
            prediction=dataclasses.replace(GOOD.prediction, label="", probabilities={"": -1e99, "\x00": 1.0}),
            target=dataclasses.replace(GOOD.target, label="", output=""),
        ),
    }
