"""The colours of the style sheet, sampled from the palette of the figures."""

from ihcli.palette import DARK, LIGHT, Diverging, ink_on

SHADES = 24
"""Steps from zero to either end; the page's script has the same number."""
_INK = 0.88
_STOPS = 8


def colours_css() -> str:
    """Custom properties of both themes: ground, ramp, inks of lines, and `--tint` with its `--on` for each shade."""
    return f"{_theme(LIGHT)}\n@media screen and (prefers-color-scheme: dark) {{\n{_theme(DARK)}\n}}\n"


def _theme(colours: Diverging) -> str:
    ramp = ", ".join(colours.hex(stop / _STOPS) for stop in range(-_STOPS, _STOPS + 1))
    inks = f"--positive-ink: {colours.hex(_INK)}; --negative-ink: {colours.hex(-_INK)};"
    rules = [f":root {{ --ground: {colours.ground}; {inks} --ramp: linear-gradient(to right, {ramp}); }}"]
    for shade in (*range(-SHADES, 0), *range(1, SHADES + 1)):
        share = shade / SHADES
        tint, ink = colours.hex(share), ink_on(colours.rgb(share))
        rules.append(f'[data-shade="{shade}"] {{ --tint: {tint}; --on: {ink}; }}')
    return "\n".join(rules)
