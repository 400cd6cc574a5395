import pytest

from ihcli.errors import UsageError
from ihcli.output import figures


@pytest.mark.parametrize(
    ("text", "size"), [("6x4", (6, 4)), ("16cmx9cm", (16 / 2.54, 9 / 2.54)), ("160×90mm", (160 / 25.4, 90 / 25.4))]
)
def test_sizes(text: str, size: tuple[float, float]) -> None:
    assert figures.parse_size(text) == pytest.approx(size)


@pytest.mark.parametrize("text", ["6", "6x", "axb", "0x4", "500x500", "6x4px"])
def test_text_that_is_no_size_is_one_message(text: str) -> None:
    with pytest.raises(UsageError, match="Write width x height"):
        figures.parse_size(text)


def test_unknown_names_are_one_message_each() -> None:
    with pytest.raises(UsageError, match=r"--theme 'neon' is not known. Use light, dark, print"):
        figures.theme("neon")
    with pytest.raises(UsageError, match=r"--caption 'long' is not known. Use short, full, none"):
        figures.caption("long")
