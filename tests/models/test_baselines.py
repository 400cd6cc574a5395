"""Baselines: what stands for saying nothing, in the embeddings that attribution sees."""

from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import classifier, family_of, save, tokenizer
from presences import presence_of, starts
from transformers import PreTrainedTokenizerFast

from ihcli.attribution import integrated_hessians
from ihcli.config import BaselineSection, ModelSection, UnitsSection
from ihcli.errors import BaselineError
from ihcli.models import LoadedClassifier, load_classifier
from ihcli.models.loading import assemble
from ihcli.pipeline import Explainer

TEXT = "this movie was not bad"
WORDS = UnitsSection()


@pytest.fixture(scope="module")
def made() -> LoadedClassifier:
    return classifier(family_of("BERT"))


def section(kind: str, **values: str) -> BaselineSection:
    return BaselineSection(kind=kind, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "token"), [("pad", "[PAD]"), ("mask", "[MASK]"), ("unk", "[UNK]")])
def test_a_token_stands_on_every_place_but_the_special_ones(made: LoadedClassifier, kind: str, token: str) -> None:
    one = made.encode(TEXT, units=WORDS)
    found = presence_of(made, one, section(kind))
    number = made.tokenizer.convert_tokens_to_ids(token)
    weight = made.adapter.embedding.weight
    expected = torch.stack(
        [weight[number if explained else i] for i, explained in zip(one.input_ids, one.explained, strict=True)]
    )
    [embeddings] = [path.start for path in found.paths]
    assert torch.equal(embeddings, expected)
    assert found.description == {"kind": kind, "token": token, "token_id": number}
    special = ~one.explained
    assert special.sum() == 2
    assert torch.equal(embeddings[special], made.embed(one)[special])


def test_zero_is_zero_but_for_the_special_tokens(made: LoadedClassifier) -> None:
    one = made.encode(TEXT, units=WORDS)
    [embeddings] = starts(made, one, section("zero"))
    assert not embeddings[one.explained].any()
    assert torch.equal(embeddings[~one.explained], made.embed(one)[~one.explained])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a charming disaster from start to finish", "a charming disaster from start"),  # cut
        ("charming", "charming [PAD] [PAD] [PAD] [PAD]"),  # filled
        ("a a a a a", "a a a a a"),
    ],
)
def test_a_text_is_laid_on_the_places_of_the_explained_tokens(made: LoadedClassifier, text: str, expected: str) -> None:
    one = made.encode(TEXT, units=WORDS)
    assert len(one.input_ids) == 7
    found = presence_of(made, one, section("text", text=text))
    ids = made.tokenizer.convert_tokens_to_ids(["[CLS]", *expected.split(), "[SEP]"])
    assert torch.equal(found.paths[0].start, made.adapter.embedding.weight[ids])
    assert found.description == {"kind": "text", "text": text}


def test_a_text_is_laid_on_both_sides_of_a_pair(made: LoadedClassifier) -> None:
    one = made.encode(TEXT, "not bad", units=WORDS)
    found = presence_of(made, one, section("text", text="charming disaster"))
    side = ["charming", "disaster"]
    tokens = ["[CLS]", *side, "[PAD]", "[PAD]", "[PAD]", "[SEP]", *side, "[SEP]"]
    assert torch.equal(
        found.paths[0].start, made.adapter.embedding.weight[made.tokenizer.convert_tokens_to_ids(tokens)]
    )


def test_a_file_of_texts_gives_the_mean_and_its_spread(made: LoadedClassifier, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    lines = ["a charming disaster", "from start to finish", "It wasn't well-known"]
    file.write_text("\ufeff" + "\n\n".join(lines) + "\n", encoding="utf-8")
    one = made.encode(TEXT, units=WORDS)
    found = presence_of(made, one, section("texts", file=str(file)))
    assert found.description == {"kind": "texts", "file": "texts.txt", "texts": lines}
    score = found.score
    x = made.embed(one)
    mean = integrated_hessians(score, x, [path.start for path in found.paths], one.groups)
    alone = [starts(made, one, section("text", text=line))[0] for line in lines]
    each = [integrated_hessians(score, x, own, one.groups, seed=i) for i, own in enumerate(alone)]
    assert np.allclose(mean.ih, np.mean([single.ih for single in each], axis=0), atol=1e-6)
    assert mean.ih_spread is not None
    assert np.allclose(mean.ih_spread, np.std([single.ih for single in each], axis=0), atol=1e-6)
    assert mean.ih_spread.max() > 0.01 * np.abs(mean.ih).max()
    assert mean.f_baseline == pytest.approx(np.mean([single.f_baseline for single in each]), abs=1e-6)


def test_the_spread_is_in_the_result(tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("the film\nsome words\n", encoding="utf-8")
    found = Explainer({"baseline": {"kind": "texts", "file": str(file)}}).explain("not bad")
    assert found.converged
    assert found.ih_spread is not None
    assert found.ih_spread.shape == (2, 2)
    assert found.to_dict()["baseline"]["texts"] == ["the film", "some words"]
    assert len(found.to_dict()["ih_spread"]) == 2


def test_a_zero_vector_before_a_normalisation_is_named_as_the_reason(tmp_path: Path) -> None:
    """Funnel has no positions beside its embeddings: where pad is zero, its first normalisation turns at t = 0."""
    save(tmp_path, "Funnel")
    config = {"model": {"name": str(tmp_path)}, "attribution": {"max_nodes": 16}}
    zero = Explainer({**config, "baseline": {"kind": "pad"}}).explain(TEXT)
    assert not zero.converged
    assert any("f turns sharply right at the baseline" in warning for warning in zero.warnings)
    mask = Explainer({**config, "baseline": {"kind": "mask"}}).explain(TEXT)
    assert not any("turns sharply" in warning for warning in mask.warnings)


# --- what cannot be ---------------------------------------------------------------------------------------------------


def without(**absent: None) -> LoadedClassifier:
    """The tiny BERT with a tokenizer that lacks some of its tokens."""
    whole = classifier(family_of("BERT"))
    tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]", **absent}
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer("wordpiece").backend_tokenizer, **tokens)
    return assemble(whole.model, bare, whole.info, ModelSection())


@pytest.mark.parametrize(
    ("kind", "absent", "listed"),
    [
        ("mask", ["mask_token"], "it has pad ([PAD]), unk ([UNK])"),
        ("pad", ["pad_token"], "it has mask ([MASK]), unk ([UNK])"),
        ("unk", ["unk_token", "mask_token", "pad_token"], "it has none"),
    ],
)
def test_a_token_that_the_tokenizer_lacks_is_an_error_with_those_it_has(
    kind: str, absent: list[str], listed: str
) -> None:
    made = without(**dict.fromkeys(absent))
    with pytest.raises(BaselineError) as caught:
        presence_of(made, made.encode(TEXT, units=WORDS), section(kind))
    assert f"The baseline {kind} needs a {kind} token and this tokenizer has none" in str(caught.value)
    assert listed in str(caught.value)


def test_a_short_text_needs_the_pad_token_to_be_filled_up() -> None:
    made = without(pad_token=None)
    one = made.encode(TEXT, units=WORDS)
    presence_of(made, one, section("text", text="a a a a a"))
    with pytest.raises(BaselineError, match="this tokenizer has none"):
        presence_of(made, one, section("text", text="a"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "text", "text": TEXT}, "equals the text itself"),
        ({"kind": "text", "text": " "}, "tokenizes to nothing"),
        ({"kind": "texts", "file": "nowhere.txt"}, "nowhere.txt: the baseline texts cannot be read"),
    ],
)
def test_a_baseline_that_is_none(made: LoadedClassifier, values: dict[str, str], words: str) -> None:
    with pytest.raises(BaselineError, match=words):
        presence_of(made, made.encode(TEXT, units=WORDS), section(**values))


def test_a_file_without_a_text(made: LoadedClassifier, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text(" \n\n", encoding="utf-8")
    with pytest.raises(BaselineError, match="contains no baseline text"):
        presence_of(made, made.encode(TEXT, units=WORDS), section("texts", file=str(file)))
    file.write_bytes(b"tr\xe8s bien")
    with pytest.raises(BaselineError, match="cannot be read"):
        presence_of(made, made.encode(TEXT, units=WORDS), section("texts", file=str(file)))


def test_a_token_that_the_model_never_learnt() -> None:
    made = classifier(family_of("BERT"))
    backend = tokenizer("wordpiece").backend_tokenizer
    longer = PreTrainedTokenizerFast(
        tokenizer_object=type(backend).from_str(backend.to_str()), pad_token="[PAD]", unk_token="[UNK]"
    )
    rows = made.adapter.rows
    assert rows is not None
    longer.add_tokens([f"<more {n}>" for n in range(rows)])
    longer.mask_token = f"<more {rows - 1}>"
    stretched = assemble(made.model, longer, made.info, ModelSection())
    with pytest.raises(BaselineError, match=rf"has embeddings for {rows} only"):
        presence_of(stretched, stretched.encode(TEXT, units=WORDS), section("mask"))


def test_the_bundled_model_has_every_baseline() -> None:
    made = load_classifier(Explainer(None).config)
    one = made.encode("not bad", units=WORDS)
    for kind in ("pad", "mask", "unk", "zero"):
        assert starts(made, one, section(kind))[0].shape == made.embed(one).shape
