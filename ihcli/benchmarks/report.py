"""What was measured, as tables, as a JSON document and as a figure."""

import dataclasses
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from ihcli.benchmarks import scaling as growth
from ihcli.benchmarks.engines import compare
from ihcli.benchmarks.figure import work_precision
from ihcli.benchmarks.side_by_side import TEXTS, Bench, Reach, Say, Text, measure, on_embeddings
from ihcli.config import RunConfig
from ihcli.counting import counted
from ihcli.file_writing import write_atomically
from ihcli.pipeline import Explainer
from ihcli.runtime.onednn import fast_products

_WIDTH = 140
"""Columns where the output is no terminal, so that its width is unknown."""
NAMES = {
    "ours": "ih, on the same path",
    "value-zeroing": "ih, value zeroing",
    "article": "the article, as published",
    "article-double": "the article, double integral",
    "paper": "the paper's grid, plain mean",
    "product-grid": "Gauss–Legendre product grid",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A finished measurement: its name, document, tables and figure."""

    name: str
    document: Mapping[str, Any]
    tables: tuple[Table, ...]
    figure: Figure

    def show(self) -> None:
        """Print the tables."""
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
        for table in self.tables:
            console.print(table)

    def write(self, folder: Path) -> list[Path]:
        """`NAME.json` and `NAME.png` into the folder; raises `OutputError`."""
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=160)
        data = json.dumps(self.document, indent=2, ensure_ascii=False) + "\n"
        files = {f"{self.name}.json": data.encode("utf-8"), f"{self.name}.png": picture.getvalue()}
        for name, content in files.items():
            write_atomically(folder / name, content, follow_links=False)
        return [folder / name for name in files]


def side_by_side(config: RunConfig, texts: tuple[str, ...], budget: float, say: Say) -> Found:
    """Every procedure on every text, the three examples by default."""
    bench = measure(config, texts or TEXTS, budget, say)
    return Found("bench", document(bench), tuple(tables(bench)), work_precision(bench))


def scaling(config: RunConfig) -> Found:
    """The cost of a row against tokens and units, and the engines side by side."""
    explainer = Explainer(on_embeddings(config))
    with fast_products():  # for engines and gradients alike, as the command line does
        tokens, units = tuple(growth.against_tokens(explainer)), tuple(growth.against_units(explainer))
        engines = tuple(compare(explainer))
    plain = {
        "schema": "ihcli.scaling/1",
        "row_exponent_in_tokens": growth.exponent([p.tokens for p in tokens], [p.row_seconds for p in tokens]),
        "hessian_exponent_in_units": growth.exponent([p.units for p in units], [p.hessian_seconds for p in units]),
        "tokens": [dataclasses.asdict(p) | {"row_gradients": p.row_gradients} for p in tokens],
        "units": [dataclasses.asdict(p) | {"row_gradients": p.row_gradients} for p in units],
        "engines": [
            dataclasses.asdict(c) | {"forward_row": c.forward_row, "reverse_row": c.reverse_row} for c in engines
        ],
    }
    beside = Table(title="the engines on the same batch; a row in gradients of the batch", title_justify="left")
    for heading in ("tokens", "nodes", "forward row", "reverse row", "times", "forward MB", "reverse MB", "difference"):
        beside.add_column(heading, justify="right")
    for c in engines:
        beside.add_row(str(c.tokens), str(c.nodes), f"{c.forward_row:.2f}", f"{c.reverse_row:.2f}",
                       f"{c.reverse_seconds / c.forward_seconds:.1f}", f"{c.forward_bytes / 1e6:.0f}",
                       f"{c.reverse_bytes / 1e6:.0f}", f"{c.difference:.1e}")  # fmt: skip
    table = Table(title="seconds of one node", title_justify="left")
    for heading in ("tokens", "units", "Hessian", "row", "gradient", "row in gradients"):
        table.add_column(heading, justify="right")
    for p in (*tokens, *units):
        table.add_row(str(p.tokens), str(p.units), f"{p.hessian_seconds:.4f}", f"{p.row_seconds:.5f}",
                      f"{p.gradient_seconds:.5f}", f"{p.row_gradients:.2f}")  # fmt: skip
    return Found("scaling", plain, (table, beside), growth.figure(tokens, units))


def tables(bench: Bench) -> list[Table]:
    """One table for each text: the cost of each procedure, its error, and its time relative to ih."""
    return [_table(text) for text in bench.texts]


def _table(text: Text) -> Table:
    title = f"{text.text}  ({counted(text.units, 'unit')}; ih, first text of its length: {text.first_seconds:.2f} s)"
    table = Table(title=title, title_justify="left")
    table.add_column("procedure")
    table.add_column("effort")
    for heading in ("Hessians", "products", "seconds", "error", "correlation", "to 1 %", "× ih"):
        table.add_column(heading, justify="right")
    shown: set[str] = set()
    for m in text.measurements:
        reach = None if m.procedure in shown else next((r for r in text.reaches if r.procedure == m.procedure), None)
        ratio = "" if m.procedure in shown or m.procedure == "ours" else _ratio(text.ratio(m.procedure))
        shown.add(m.procedure)
        table.add_row(
            NAMES[m.procedure],
            m.effort,
            f"{m.hessians:,}",
            f"{m.products:,}",
            f"{m.seconds:,.3g}" + ("*" if m.share < 1 else ""),
            "" if math.isnan(m.error) else f"{m.error:.2g}",
            "" if math.isnan(m.correlation) else f"{m.correlation:.3f}",
            _reach(reach),
            ratio,
        )
    table.caption = (
        "* scaled up from a part of the work. to 1 %: seconds to a true error of 1 % (~ extrapolated). × ih: the "
        "article's time as published, the others' time to 1 %, each by ih's time to 1 % on the same path. Value "
        "zeroing gives another matrix, and its error is against that one."
    )
    table.caption_justify = "left"
    return table


def _ratio(times: float) -> str:
    return f"{times:,.0f}" if times >= 1 else f"{times:.2f}"


def _reach(reach: Reach | None) -> str:
    if reach is None:
        return ""
    sign = {"measured": "", "extrapolated": "~", "at least": "> "}
    return "never" if reach.how == "never" else f"{sign[reach.how]}{reach.seconds:,.3g}"


def document(bench: Bench) -> dict[str, Any]:
    """The bench in plain JSON types; NaN and infinity are null."""
    values = {"schema": "ihcli.bench/1", **dataclasses.asdict(bench)}
    for text, plain in zip(bench.texts, values["texts"], strict=True):
        plain["times_ours"] = {
            name: text.ratio(name)
            for name in NAMES
            if name != "ours" and any(m.procedure == name for m in text.measurements)
        }
    found: dict[str, Any] = _finite(values)
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
