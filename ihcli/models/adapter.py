"""From embeddings to logits, by the model's own `inputs_embeds` or by a hook on its embedding layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ihcli.errors import ModelError, PreflightError

PARITY = 1e-5
"""Largest change of a logit, relative to the largest logit, when embeddings take the place of ids."""
_ROUNDING = 1e-7

Route = Literal["inputs_embeds", "hook"]
Plan = tuple[str, ...]
"""For each call of the embedding layer: `text`, `padded` by the model itself, `shifted` by one, or `own` (all else)."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """The one way into a model: ids or embeddings of texts of one length in, logits (B, C) out.

    No attention mask is passed: texts of one length need none.  `route` says how embeddings enter; None where neither
    way gives the logits of the ids, and `reason` then says why.
    """

    model: Any
    """The model."""
    accepted: frozenset[str]
    """The names of the inputs that it takes."""
    route: Route | None = None
    """How embeddings enter: `inputs_embeds`, `hook`, or None where neither way does."""
    reason: str = ""
    """Why no route does; empty where one does."""

    @property
    def embedding(self) -> nn.Module:
        """The layer that turns ids into vectors."""
        return self.model.get_input_embeddings()  # type: ignore[no-any-return]

    @property
    def rows(self) -> int | None:
        """How many tokens have an embedding, where the layer says so."""
        return getattr(_embedding(self.model), "num_embeddings", None)

    def require_known(self, ids: Tensor) -> None:
        """Raise `ModelError` for a token that the model has no embedding for."""
        if self.rows is not None and int(ids.max()) >= self.rows:
            message = (
                f"The tokenizer gives the token {int(ids.max())} and the model has embeddings for {self.rows} only: "
                "they do not belong together. Give the folder or the revision in which they do."
            )
            raise ModelError(message)

    def embed(self, ids: Tensor) -> Tensor:
        """The embedding layer's output for ids (T,), as (T, D)."""
        with torch.no_grad():
            found = self.embedding(ids[None])
        vectors: Tensor = found[0] if isinstance(found, tuple) else found  # I-BERT adds a scale
        return vectors[0].detach()

    def of_ids(self, ids: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, C) of ids (B, T)."""
        return self._call(len(ids), extras, input_ids=ids)

    def of_embeddings(self, points: Tensor, ids: Tensor, extras: Mapping[str, Tensor], plan: Plan) -> Tensor:
        """Logits (B, C) of embeddings (B, T, D) in the place of those of ids (T,); raises `PreflightError`."""
        if self.route is None:
            raise PreflightError(self.reason)
        points = points.clone()  # some models scale what they are given in place
        if self.route == "inputs_embeds":
            return self._call(len(points), extras, inputs_embeds=points)
        with injected(self.model, self.embedding, points, plan):
            return self._call(len(points), extras, input_ids=ids.expand(len(points), -1))

    def plan(self, ids: Tensor, extras: Mapping[str, Tensor]) -> Plan:
        """What the embedding layer is called with, found by one run of ids (T,); empty without a hook."""
        if self.route != "hook":
            return ()
        seen: list[str] = []

        def note(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            seen.append(_relation(inputs[0] if inputs else None, ids))

        handles = [module.register_forward_hook(note) for module in _sharing(self.model, self.embedding)]
        try:
            with torch.no_grad():
                self.of_ids(ids[None], extras)
        finally:
            for handle in handles:
                handle.remove()
        return tuple(seen)

    def _call(self, batch: int, extras: Mapping[str, Tensor], **inputs: Tensor) -> Tensor:
        further = {name: value.expand(batch, -1) for name, value in extras.items()}
        switches = {"return_dict": True, "use_cache": False}
        switches = {name: value for name, value in switches.items() if name in self.accepted}
        with _pooling(self.model.config, batch):
            return self.model(**inputs, **further, **switches).logits  # type: ignore[no-any-return]


@contextmanager
def _pooling(config: Any, batch: int) -> Iterator[None]:
    """Let decoder classifiers without a pad token take a batch: meanwhile an id that no text holds stands for it."""
    text = config.get_text_config()
    if batch == 1 or getattr(text, "pad_token_id", 0) is not None:
        yield
        return
    text.pad_token_id = -1
    try:
        yield
    finally:
        text.pad_token_id = None


@contextmanager
def injected(model: nn.Module, embedding: nn.Module, points: Tensor, plan: Plan) -> Iterator[None]:
    """Replace what the embedding layer returns by `points` (B, T, D) as planned; the hooks are gone afterwards."""
    calls = iter(plan)

    def swap(_: nn.Module, __: Any, found: Any) -> Any:
        kind = next(calls, "own")
        if isinstance(found, tuple):
            return (_swapped(kind, found[0], points), *found[1:])
        return _swapped(kind, found, points)

    handles = [module.register_forward_hook(swap) for module in _sharing(model, embedding)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _swapped(kind: str, found: Tensor, points: Tensor) -> Tensor:
    """What the embedding layer gave for one call, with `points` in the place of the text's own."""
    if kind == "text":
        return points
    if kind == "padded":
        return torch.cat([points, found[:, points.shape[1] :]], dim=1)
    return torch.cat([found[:, :1], points[:, :-1]], dim=1) if kind == "shifted" else found


def _sharing(model: nn.Module, embedding: nn.Module) -> list[nn.Module]:
    """The embedding layer and its twins: encoder and decoder often hold one each around the same weight."""
    weight = getattr(embedding, "weight", None)
    twins: list[nn.Module] = [
        m for m in model.modules() if isinstance(m, nn.Embedding) and weight is not None and m.weight is weight
    ]
    return twins if any(m is embedding for m in twins) else [embedding, *twins]


def _relation(seen: Any, ids: Tensor) -> str:
    """How the ids of one call (1, T) relate to the text's: equal, moved right by one (for a decoder), or neither."""
    if not isinstance(seen, Tensor) or seen.shape[-1] < len(ids):
        return "own"
    row = seen.reshape(-1, seen.shape[-1])[0]
    if len(row) > len(ids):
        return "padded" if torch.equal(row[: len(ids)], ids) else "own"
    if torch.equal(row, ids):
        return "text"
    return "shifted" if len(ids) > 1 and torch.equal(row[1:], ids[:-1]) else "own"


def disagreement(found: Tensor, expected: Tensor) -> float:
    """Max |found - expected| relative to max |expected|; infinite for other shapes or NaN."""
    if found.shape != expected.shape:
        return float("inf")
    gap, scale = float((found - expected).abs().max()), float(expected.abs().max())
    if not gap < float("inf"):
        return float("inf")
    return 0.0 if gap <= _ROUNDING else gap / max(scale, _ROUNDING)


def parity(adapter: Adapter, ids: Tensor, extras: Mapping[str, Tensor], explained: Tensor) -> float:
    """How far the logits move when embeddings take the place of ids (T,).

    Two cases in one batch, the larger counts: the text itself; and the text with its explained tokens in reverse
    order, whose embeddings are put into the call for the text.  The second finds models that read the ids another way
    as well.
    """
    reverse = ids.clone()
    reverse[explained] = ids[explained].flip(0)
    both = torch.stack([ids, reverse])
    with torch.no_grad():
        expected = adapter.of_ids(both, extras)
        points = torch.stack([adapter.embed(own) for own in both])
        found = adapter.of_embeddings(points, ids, extras, adapter.plan(ids, extras))
    if found.shape != expected.shape:
        return float("inf")
    return max(disagreement(one, other) for one, other in zip(found, expected, strict=True))


def choose(
    model: Any, accepted: frozenset[str], ids: Tensor, extras: Mapping[str, Tensor], explained: Tensor
) -> Adapter:
    """The adapter by whose route embeddings reproduce the logits of a sample: `inputs_embeds` first, else the hook.

    Raises `ModelError` for a tokenizer of another model.
    """
    Adapter(model, accepted).require_known(ids)
    refused = f"{type(model).__name__} cannot be explained: "
    if not isinstance(_embedding(model), nn.Module):
        reason = f"{refused}it has no layer that turns each token into one vector, and these are what is followed."
        return Adapter(model, accepted, None, reason)
    try:
        with torch.no_grad():
            Adapter(model, accepted).of_ids(ids[None], extras)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a foreign model may raise anything; it becomes the reason
        reason = (
            f"{refused}it stops on a plain text of {len(ids)} tokens ({_named(error)}). It may want texts of a fixed "
            "length, or more than text."
        )
        return Adapter(model, accepted, None, reason)
    found: dict[str, list[str]] = {}
    routes: Sequence[Route] = ("inputs_embeds", "hook") if "inputs_embeds" in accepted else ("hook",)
    for route in routes:
        adapter = Adapter(model, accepted, route)
        why = _obstacle(adapter, ids, extras, explained)
        if why is None:
            return adapter
        found.setdefault(why, []).append(_NAMES[route])
    ways = ", and ".join(f"{' and '.join(names)} {why}" for why, names in found.items())
    return Adapter(model, accepted, None, f"{refused}its logits must follow from its token embeddings, but {ways}.")


def _obstacle(adapter: Adapter, ids: Tensor, extras: Mapping[str, Tensor], explained: Tensor) -> str | None:
    """Why embeddings cannot enter by a route; None where they can."""
    try:
        gap = parity(adapter, ids, extras, explained)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - likewise
        return f"it stops ({_named(error)})"
    if gap > PARITY:
        return f"they change by {gap:.1e} of the largest, where {PARITY:g} is allowed (it reads tokens another way too)"
    try:
        _require_gradient(adapter, ids, extras)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - likewise
        return f"they cannot be differentiated ({_named(error)})"
    return None


def _embedding(model: Any) -> Any:
    try:
        return model.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        return None


def _require_gradient(adapter: Adapter, ids: Tensor, extras: Mapping[str, Tensor]) -> None:
    """Differentiate a logit once; some models refuse to outside of training."""
    points = adapter.embed(ids)[None].requires_grad_()
    with torch.enable_grad():
        logits = adapter.of_embeddings(points, ids, extras, adapter.plan(ids, extras))
        torch.autograd.grad(logits[:, 0].sum(), points)


_NAMES: Mapping[str, str] = {"inputs_embeds": "through inputs_embeds", "hook": "through its embedding layer"}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
