"""A figure shows itself in a notebook without pyplot."""

from ihcli.output.figures.notebook_figure import NotebookFigure


def test_a_notebook_gets_a_picture_of_the_figure_s_size() -> None:
    figure = NotebookFigure(figsize=(2.0, 1.0), dpi=50)
    picture = figure._repr_png_()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(picture[place : place + 4], "big") for place in (16, 20)] == [100, 50]
