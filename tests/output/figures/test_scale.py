"""From numbers to colours and labels."""

import math

import numpy as np
import pytest
from drawn_figures import axes_of, draw
from explanations import make_explanation
from matplotlib.image import AxesImage

from ihcli.output import figures
from ihcli.output.figures import THEMES, Style
from ihcli.output.figures.scale import Scale
from ihcli.palette import luminance, rgb_of

LIGHT = THEMES["light"]


def test_colours_are_signed_symmetric_and_zero_is_the_background() -> None:
    ih = np.array([[9.0, 1.0, -1.0, 0.0], [1.0, 9.0, 0.5, 0.0], [-1.0, 0.5, 9.0, 0.0], [0.0, 0.0, 0.0, 9.0]])
    for theme in figures.THEMES.values():
        figure = draw("heatmap", make_explanation(4, ih=ih), style=Style(theme=theme))
        image = next(i for i in axes_of(figure, "matrix").get_images() if isinstance(i, AxesImage)).get_array()
        assert image is not None
        assert tuple(image[0, 1]) == pytest.approx(theme.colours.rgb(1.0))
        assert tuple(image[0, 2]) == pytest.approx(theme.colours.rgb(-1.0))
        assert tuple(image[1, 2]) == pytest.approx(theme.colours.rgb(0.5))
        assert tuple(image[0, 3]) == rgb_of(theme.ground)
    figure = draw("heatmap", make_explanation(4, ih=ih))
    assert axes_of(figure, "scale").get_ylim() == (-1.0, 1.0)  # the diagonal's nines set no limit


def test_the_limit_is_the_largest_known_number_and_never_zero() -> None:
    assert Scale.of([1.0, -3.0, math.nan], LIGHT).limit == 3.0
    assert Scale.of([], LIGHT).limit == Scale.of([0.0], LIGHT).limit == 1.0


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda one: one.name)
def test_a_line_is_never_paler_than_half_the_scale_and_keeps_its_sign(theme) -> None:
    scale = Scale(2.0, theme)
    assert scale.stroke(1e-6) == pytest.approx(theme.colours.rgb(0.5), abs=1e-3)
    assert scale.stroke(-1e-6) == pytest.approx(theme.colours.rgb(-0.5), abs=1e-3)
    assert scale.stroke(2.0) == scale.stroke(9.0) == theme.colours.rgb(1.0)


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda one: one.name)
def test_ink_is_legible_on_every_colour(theme) -> None:
    scale = Scale(1.0, theme)
    for value in np.linspace(-1, 1, 41):
        ground, ink = luminance(scale.colour(float(value))), luminance(rgb_of(scale.ink(float(value))))
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5


def test_an_image_has_the_colour_of_each_number_and_grey_where_there_is_none() -> None:
    scale = Scale(1.0, LIGHT)
    image = scale.image(np.array([[0.5, math.nan], [-2.0, 0.0]]))
    assert tuple(image[0, 0]) == pytest.approx(LIGHT.colours.rgb(0.5))
    assert tuple(image[0, 1]) == pytest.approx(rgb_of(LIGHT.apart))
    assert tuple(image[1, 0]) == pytest.approx(LIGHT.colours.rgb(-1.0))
    assert tuple(image[1, 1]) == pytest.approx(rgb_of(LIGHT.ground))


def test_the_map_of_the_colour_bar_has_the_background_in_its_middle() -> None:
    colours = Scale(1.0, LIGHT).map()
    assert colours(0.5)[:3] == pytest.approx(rgb_of(LIGHT.ground))
    assert colours(0.0)[:3] == pytest.approx(LIGHT.colours.rgb(-1.0))
    assert colours(1.0)[:3] == pytest.approx(LIGHT.colours.rgb(1.0))
