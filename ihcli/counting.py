"""Numbers with the noun that they count, in the right number: `1 row`, `3 rows`."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 row`, `3 rows`; what follows the noun may stand in both forms: `row is`, `rows are`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
