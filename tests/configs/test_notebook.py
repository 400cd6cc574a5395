"""The example notebook runs from top to bottom, and its pictures are there."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "configs" / "examples" / "which_words_act_together.ipynb"


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return NotebookClient(notebook, timeout=240, kernel_name="python3").execute()


@pytest.mark.filterwarnings("ignore")
def test_it_runs_from_top_to_bottom_and_shows_results(executed) -> None:
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert "text/html" in kinds
    assert "image/png" in kinds
    printed = "".join(output.get("text", "") for output in outputs)
    bars = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert "0/3" in bars or "%|" in bars or "application/vnd.jupyter.widget-view+json" in kinds, "progress=True"
    assert "'this movie was bad'" in printed, "the text without not"
    assert "not · bad" in printed
    assert not [output for output in outputs if output.output_type == "error"]


def test_it_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.get("outputs", []) == []
