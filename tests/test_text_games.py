"""Games of a text end to end: models that have no derivative are explained by calls alone."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import save

from ihcli.pipeline import Explainer
from ihcli.removal.game import all_coalitions

TEXT = "the film is not bad"


@pytest.mark.parametrize("family", ["Mixtral", "CANINE"])
def test_a_model_with_jumps_is_explained_by_shapley_values(tmp_path: Path, family: str) -> None:
    """Shapley values by their definition, from the model's own answers to the texts without words."""
    torch.manual_seed(0)
    folder = save(tmp_path, family)
    explainer = Explainer({"model": {"name": str(folder)}, "attribution": {"method": "shapley"}})
    found = explainer.explain(TEXT)
    words = TEXT.split()
    model, tokenizer = explainer.classifier.model, explainer.classifier.tokenizer
    values = {}
    for row in all_coalitions(5):
        inputs = tokenizer(" ".join(np.array(words)[row]), return_tensors="pt")
        with torch.no_grad():
            values[row.tobytes()] = float(model(input_ids=inputs["input_ids"]).logits[0, found.target.index])
    for unit in range(5):
        expected = 0.0
        for row in all_coalitions(5):
            if not row[unit]:
                more = row.copy()
                more[unit] = True
                weight = 1 / (5 * comb(4, int(row.sum())))
                expected += weight * (values[more.tobytes()] - values[row.tobytes()])
        assert found.ig[unit] == pytest.approx(expected, abs=1e-5)
    assert [unit.text for unit in found.units] == words
    assert found.method == "shapley"
    assert found.baseline == {"kind": "deletion"}
    assert found.certificate.completeness_gap < 1e-9
    assert found.removal is not None
