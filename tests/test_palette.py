import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ihcli.palette import DARK, LIGHT, Diverging, ink_on, luminance, oklab, rgb_of

PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
TRITAN = np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]])


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_equal_steps_of_the_number_are_equal_steps_of_colour(colours: Diverging) -> None:
    for sign in (1, -1):
        labs = [oklab(colours.rgb(sign * k / 40)) for k in range(41)]
        steps = [math.dist(a, b) for a, b in pairwise(labs)]
        assert max(steps) / min(steps) < 1.1
        lightness = [lab[0] for lab in labs]
        assert lightness in (sorted(lightness), sorted(lightness, reverse=True))
    for share in (0.25, 0.5, 1.0):
        assert oklab(colours.rgb(share))[0] == pytest.approx(oklab(colours.rgb(-share))[0], abs=0.04)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("seen", [PROTAN, DEUTAN, TRITAN])
def test_colour_blind_readers_tell_the_signs_apart(colours: Diverging, seen: np.ndarray[Any, Any]) -> None:
    """Severity 1.0 of Machado, Oliveira and Fernandes (2009)."""
    for share in (0.3, 0.6, 1.0):
        both = [np.clip(seen @ np.array(colours.rgb(s)), 0, 1) for s in (share, -share)]
        one, two = (oklab((float(c[0]), float(c[1]), float(c[2]))) for c in both)
        assert math.dist(one, two) > 0.08


def test_zero_and_nan_are_the_background_and_the_ends_are_clipped() -> None:
    for colours in (LIGHT, DARK):
        assert colours.rgb(0.0) == colours.rgb(math.nan) == rgb_of(colours.ground)
        assert colours.rgb(3.0) == colours.rgb(1.0)
        assert colours.hex(0.0) == colours.ground
        for k in range(-20, 21):
            rgb = colours.rgb(k / 20)
            ink = luminance(rgb_of(ink_on(rgb)))
            ground = luminance(rgb)
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
