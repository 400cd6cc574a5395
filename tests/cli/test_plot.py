import json
import re
from pathlib import Path

import pytest
from explanations import make_explanation
from PIL import Image
from typer.testing import CliRunner

from ihcli.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "configs/docs/how-to/pictures.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"!\[[^\]]+\]\(\.\./(outputs/gallery/[^)]+)\)", PAGE)


def ih(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["plot", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def result(tmp_path: Path) -> Path:
    make_explanation(4).save(tmp_path / "run")
    return tmp_path / "run"


def test_a_figure_is_drawn_beside_its_result(result: Path) -> None:
    assert ih(result) == (0, f"{result / 'heatmap.png'}\n", "")
    assert (result / "heatmap.png").read_bytes().startswith(b"\x89PNG")


def test_two_results_are_compared(result: Path, tmp_path: Path) -> None:
    other = make_explanation(4, seed=1).save(tmp_path / "other")
    code, out, _ = ih(result, other, "--kind", "compare", "-o", tmp_path / "c.svg", "--theme", "print", "--size", "9x5")
    assert (code, out) == (0, f"{tmp_path / 'c.svg'}\n")


def test_several_results_need_a_folder(result: Path, tmp_path: Path) -> None:
    other = make_explanation(3).save(tmp_path / "other").parent
    code, _, err = ih(result, other, "-o", tmp_path / "x.png")
    assert code == 2
    assert "is one file, and several results were given" in err
    assert ih(result, other, "-k", "bars", "-o", tmp_path / "all")[0] == 0
    assert {p.name for p in (tmp_path / "all").iterdir()} == {"run-bars.png", "other-bars.png"}


def test_an_earlier_name_of_a_kind_gives_a_file_of_its_present_name(result: Path) -> None:
    assert ih(result, "--kind", "path") == (0, f"{result / 'baseline-to-text.png'}\n", "")


def test_a_caption_can_be_short_full_or_none(result: Path, tmp_path: Path) -> None:
    heights = []
    for caption in ("none", "short", "full"):
        assert ih(result, "--caption", caption, "-o", tmp_path / "a.png", "--dpi", "60")[0] == 0
        with Image.open(tmp_path / "a.png") as image:
            heights.append(image.height)
    assert heights == sorted(set(heights))


def test_characters_that_no_font_holds_are_one_line_on_standard_error(tmp_path: Path) -> None:
    make_explanation(text="a \U00012000 b").save(tmp_path / "run")  # a cuneiform sign
    code, out, err = ih(tmp_path / "run", "-k", "arcs")
    assert (code, out) == (0, f"{tmp_path / 'run' / 'arcs.png'}\n")
    assert " ".join(err.split()).startswith("warning: No installed font holds 1 of the figure's characters (Cuneiform)")
    assert "UserWarning" not in err
    assert ".py" not in err


def test_options_without_effect_are_noted(result: Path) -> None:
    code, _, err = ih(result, "-k", "arcs", "--cluster")
    assert code == 0
    assert "--cluster has no effect on arcs" in err
    assert ih(result, "-k", "arcs", "--cluster", "-q")[2] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "pie"], "--kind 'pie' is not known"),
        (["--theme", "neon"], "--theme 'neon' is not known"),
        (["--caption", "long"], "--caption 'long' is not known. Use short, full, none"),
        (["--size", "big"], "--size 'big' is not a size"),
        (["--font", "No Such Font"], "neither an installed family nor a file"),
        (["-o", "a.jpg"], "written as .png, .svg or .pdf"),
        (["--kind", "compare"], "--kind compare draws 2 results"),
        (["--size", "60x60", "--dpi", "2400"], "too many pixels"),
    ],
)
def test_bad_options_are_one_message(result: Path, arguments: list[str], said: str) -> None:
    code, out, err = ih(result, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert [p.name for p in result.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema": "ihcli.result/9"}', "written by another version"),
        ('{"schema": "ihcli.result/1"}', "damaged"),
        ('{"schema": "ihcli.result/1", ', "is not JSON"),
        ("[1, 2]", "not a result of `ih explain`"),
    ],
)
def test_results_that_cannot_be_read_are_one_message(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "result.json").write_text(content, encoding="utf-8")
    code, out, err = ih(tmp_path)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_missing_result_is_one_message(tmp_path: Path) -> None:
    assert ih(tmp_path / "nothing")[0] == 2


def test_a_matrix_of_wrong_shape_is_damage(tmp_path: Path, result: Path) -> None:
    document = json.loads((result / "result.json").read_text(encoding="utf-8"))
    document["ih"] = document["ih"][:2]
    (tmp_path / "result.json").write_text(json.dumps(document), encoding="utf-8")
    assert ih(tmp_path)[0] == 2


def test_the_page_shows_at_most_five_figures_and_all_of_the_gallery() -> None:
    assert 1 <= len(SHOWN) <= 5
    assert {ROOT / name for name in SHOWN} == set((ROOT / "outputs/gallery").iterdir())


@pytest.mark.parametrize("name", SHOWN)
def test_a_figure_of_the_page_is_what_the_command_beside_it_draws(name: str, tmp_path: Path) -> None:
    [command] = re.findall(rf"^\$ ih plot (.*) -o {re.escape(name)}$", PAGE, re.MULTILINE)
    result, *options = command.split()
    assert ih(ROOT / result, *options, "-o", tmp_path / "figure.png")[0] == 0
    with Image.open(tmp_path / "figure.png") as drawn, Image.open(ROOT / name) as shown:
        # The alternative text holds the result's numbers.
        assert drawn.info["Description"] == shown.info["Description"], f"{name} is out of date; its page remakes it"
        assert drawn.size == shown.size
