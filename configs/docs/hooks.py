"""What the documentation makes when it is built: help, settings, a worked sum, formulas as MathML, recorded figures."""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "outputs/benchmarks/bench.json"
LONG_TEXTS = ROOT / "outputs/benchmarks/long_texts.json"
ROBERTA = ROOT / "outputs/benchmarks/long_texts_roberta.json"
RECORDED = ROOT / "outputs/this-movie-was-not-bad/result.json"
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
FETCHED = re.compile(r'<script src="https://[^"]*/iframe-worker/shim"></script>')


# --- what mkdocs calls ---


def on_config(config: Any) -> Any:
    """Leave pages that are not there out of the navigation."""
    config["nav"] = _existing(config["nav"], Path(config["docs_dir"]))
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the recorded pictures, which stand outside of the pages' folder."""
    from mkdocs.structure.files import File

    for path in sorted((ROOT / "outputs").rglob("*.png")):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the places of a page that are made from the package and from recorded results."""
    for mark, make in MADE.items():
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Write formulas as MathML, which browsers show without a script."""
    from html import unescape

    from latex2mathml.converter import convert

    def formula(found: re.Match[str]) -> str:
        made = str(convert(unescape(found[3]).strip(), display="inline" if found[2] == "(" else "block"))
        return made if found[2] == "(" else f'<div class="formula">{made}</div>'

    return FORMULA.sub(formula, html)


def on_post_page(output: str, **_: Any) -> str:
    """Take the site's own script where the theme would fetch one from another host."""
    assets = re.search(r'href="([^"]*)assets/site\.css"', output)
    own = f'<script src="{assets[1]}assets/worker.js"></script>' if assets else ""
    return FETCHED.sub(own, output)


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for pages that no Markdown stands behind."""
    return on_post_page(output_content)


# --- what the places are filled with ---


def help_of_every_command() -> str:
    """The `--help` of every command, in the order of `ih --help`."""
    os.environ.update(COLUMNS="88", NO_COLOR="1", TERM="dumb")
    from typer.main import get_command
    from typer.testing import CliRunner

    from ihcli.cli.app import app

    parts = []
    for words in _commands(get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], prog_name="ih", terminal_width=88).stdout.strip()
        parts.append(f"## `{' '.join(['ih', *words])}`\n\n```text\n{shown}\n```\n")
    return "\n".join(parts)


def settings() -> str:
    """Every section of the configuration as a table: key, default, meaning."""
    from ihcli.config import RunConfig, yaml_scalar

    parts = []
    for section, field in RunConfig.model_fields.items():
        kind = field.annotation
        if kind is None or not hasattr(kind, "model_fields"):
            continue
        rows = "\n".join(
            f"| `{section}.{key}` | `{yaml_scalar(one.default)}` | {_cell(one.description)} |"
            for key, one in kind.model_fields.items()
        )
        parts.append(f"## {section}\n\n{kind.__doc__}\n\n| key | default | meaning |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def worked_sum(document: Mapping[str, Any] | None = None) -> str:
    """The recorded matrix as a sum, in thousandths, that adds up as it is shown."""
    found = document or json.loads(RECORDED.read_text(encoding="utf-8"))
    names = [unit["text"] for unit in found["units"]]
    matrix = found["ih"]
    pairs = [(2 * matrix[i][j], i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    start, end = _thousandths(found["f_baseline"]), _thousandths(found["f_input"])
    lines = [f"score of the baseline (all words absent), F(0) | {_written(start)}"]
    total = start
    for value, i, j in pairs:
        total += _thousandths(value)
        lines.append(f"pair *{names[i]}* · *{names[j]}*, 2Γ | {_written(_thousandths(value))}")
    for i, name in enumerate(names):
        total += _thousandths(matrix[i][i])
        lines.append(f"*{name}* by itself | {_written(_thousandths(matrix[i][i]))}")
    lines.append(f"rounding, and the gap of the integral | {_written(end - total)}")
    lines.append(f"**score of the text, F(1)** | **{_written(end)}**")
    body = "\n".join(f"| {line} |" for line in lines)
    return f"| what | logit of {found['target']['label']} |\n|---|---:|\n{body}\n"


def worked_rows(document: Mapping[str, Any] | None = None) -> str:
    """Each recorded row and the attribution that it sums to."""
    found = document or json.loads(RECORDED.read_text(encoding="utf-8"))
    names = [unit["text"] for unit in found["units"]]
    head = "| | " + " | ".join(names) + " | rounding | attribution |\n" + "|---" * (len(names) + 3) + "|\n"
    lines = []
    for name, row, attribution in zip(names, found["ih"], found["ig"], strict=True):
        cells = [_thousandths(value) for value in row]
        total = _thousandths(attribution)
        lines.append(f"| **{name}** | " + " | ".join(map(_written, [*cells, total - sum(cells), total])) + " |")
    return head + "\n".join(lines) + "\n"


def worked_removal(document: Mapping[str, Any] | None = None) -> str:
    """The recorded check by removal of the strongest pair."""
    found = document or json.loads(RECORDED.read_text(encoding="utf-8"))
    [pair, *_] = found["removal"]["pairs"]
    one, two = (found["units"][pair[key]]["text"] for key in "ij")
    scores = [
        ("of the text", _thousandths(found["f_input"])),
        (f"without *{one}*", -_thousandths(pair["without_first"]["score"])),
        (f"without *{two}*", -_thousandths(pair["without_second"]["score"])),
        ("without both", _thousandths(pair["without_both"]["score"])),
    ]
    rows = [
        f"| {'+' if index in {0, 3} else '−'} score {what} | {_written(value)} |"
        for index, (what, value) in enumerate(scores)
    ]
    total = sum(value for _, value in scores)
    return (
        "| | |\n|---|---:|\n"
        + "\n".join(rows)
        + f"\n| **what *{one}* and *{two}* do together** | **{_written(total)}** |\n"
    )


def times_beside_published(document: Mapping[str, Any] | None = None) -> str:
    """The recorded bench as a table: seconds of each procedure for each text."""
    found = document or json.loads(BENCH.read_text(encoding="utf-8"))
    texts = found["texts"]
    rows = [
        (
            "`ih`, value zeroing, certified to 1 % (true error)",
            [_seconds_and_error(text, "value-zeroing") for text in texts],
        ),
        ("`ih`, baseline `pad`, certified to 1 % (true error)", [_seconds_and_error(text, "ours") for text in texts]),
        (
            "the article as published: another quantity (correlation with the truth)",
            [_of_the_article(text) for text in texts],
        ),
        (
            "the article's double integral",
            [_shown(_measured(text, "article-double", "50 × 50 steps")) for text in texts],
        ),
        (
            "the paper's grid of 49 samples (true error)",
            [_seconds_and_error(text, "paper", "49 samples") for text in texts],
        ),
        ("the paper's grid, to 1 %, extrapolated", [_reached(text, "paper") for text in texts]),
        ("Gauss–Legendre product grid, to 1 %", [_reached(text, "product-grid") for text in texts]),
    ]
    head = (
        "| seconds | "
        + " | ".join(f"{text['units']} units" for text in texts)
        + " |\n"
        + "|---" * (len(texts) + 1)
        + "|\n"
    )
    return head + "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows)


def long_texts(document: Mapping[str, Any] | None = None) -> str:
    """The recorded times of long texts: what was expected and what it took, for each way to explain them."""
    found = document or json.loads(LONG_TEXTS.read_text(encoding="utf-8"))
    head = (
        "| model | words | units | whole matrix | `--units sentence` | `--units auto` | `--top 10` | "
        "its share of the whole matrix | strongest pairs found | memory, whole matrix |\n" + "|---" * 10 + "|\n"
    )
    lines = []
    for model, rows in found.items():
        for words in dict.fromkeys(row["words"] for row in rows):
            own = {row["mode"]: row for row in rows if row["words"] == words}
            lines.append(f"| {model} | {words} | {own['words']['units']} | {' | '.join(_long_text(own))} |")
    return head + "\n".join(lines) + "\n"


def roberta(documents: tuple[Any, Any] | None = None) -> str:
    """What a model of the size of RoBERTa-base takes, put together from timed parts, and what ten pairs take of it."""
    from ihcli.attribution.cost import LEAST_UNITS

    parts, rows = documents or (json.loads(file.read_text(encoding="utf-8")) for file in (ROBERTA, LONG_TEXTS))
    lines = ["| words | units | a gradient | whole matrix | `--top 10` | the article's procedure |", "|---" * 6 + "|"]
    for part in parts:
        own = {row["mode"]: row for row in rows["bundled"] if row["words"] == part["words"]}
        whole, some, seconds = own["words"], own["top 10"], part["seconds"]
        matrix = whole["gradients"] * seconds["gradient"] + whole["hessians"] * seconds["whole"]
        pairs = some["gradients"] * seconds["gradient"] + some["hessians"] * seconds["chosen"]
        article = 50 * part["units"] * seconds["article_row"]
        one, totals = seconds["gradient"], (matrix, pairs if part["units"] > LEAST_UNITS else matrix, article)
        cells = [f"{_three_digits(total)} ({_three_digits(total / one)})" for total in totals]
        lines.append(f"| {part['words']} | {part['units']} | {_three_digits(one)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


MADE = {
    "<!-- made: help -->": help_of_every_command,
    "<!-- made: settings -->": settings,
    "<!-- made: sum -->": worked_sum,
    "<!-- made: rows -->": worked_rows,
    "<!-- made: removal -->": worked_removal,
    "<!-- made: bench -->": times_beside_published,
    "<!-- made: long_texts -->": long_texts,
    "<!-- made: roberta -->": roberta,
}
"""Marks of pages, and what stands in their place on the site."""


# --- pieces ---


def _existing(entries: list[Any], folder: Path) -> list[Any]:
    """Entries of the navigation whose page is there."""
    kept: list[Any] = []
    for entry in entries:
        [(title, target)] = entry.items()
        if isinstance(target, list):
            kept.append({title: _existing(target, folder)})
        elif (folder / target).exists():
            kept.append(entry)
    return kept


def _commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of a command and of all below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*words, name))


def _long_text(own: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The cells of one length: seconds taken (expected), and what the ten pairs are of the whole matrix."""
    for mode in ("words", "sentences", "auto", "top 10"):
        row = own.get(mode, {})
        taken = _three_digits(row["seconds"]) if "seconds" in row else "–"
        yield f"{taken} ({_three_digits(row['expected_seconds'])})" if row else "–"
    whole, some = own["words"], own.get("top 10", {})
    if "seconds" in whole and "seconds" in some:
        yield f"{some['seconds'] / whole['seconds']:.2f}"
        both = [{tuple(pair) for pair in one["strongest"]} for one in (whole, some)]
        yield f"{len(both[0] & both[1])} of {len(both[0])}"
    else:
        yield "–"
        yield "–"
    yield _bytes(whole["bytes"] if "bytes" in whole else whole["expected_bytes"], expected="bytes" not in whole)


def _bytes(count: float, *, expected: bool) -> str:
    """Megabytes, in parentheses where they are an estimate."""
    shown = f"{count / 1e6:.0f} MB"
    return f"({shown})" if expected else shown


def _measured(text: Mapping[str, Any], procedure: str, effort: str) -> Mapping[str, Any]:
    """The measurement of a procedure at an effort."""
    [found] = [one for one in text["measurements"] if (one["procedure"], one["effort"]) == (procedure, effort)]
    return dict(found)


def _shown(measured: Mapping[str, Any]) -> str:
    """Seconds, marked where they were scaled up from a part of the work."""
    return _three_digits(measured["seconds"]) + ("" if measured["share"] == 1 else " (scaled up)")


def _seconds_and_error(text: Mapping[str, Any], procedure: str, effort: str = "tolerance 0.01") -> str:
    measured = _measured(text, procedure, effort)
    return f"{_three_digits(measured['seconds'])} ({_percent(measured['error'])})"


def _of_the_article(text: Mapping[str, Any]) -> str:
    measured = _measured(text, "article", "50 steps")
    correlation = f"{measured['correlation']:.2f}".replace("-", "−")
    return f"{_three_digits(measured['seconds'])} ({correlation}{'' if measured['share'] == 1 else '; scaled up'})"


def _reached(text: Mapping[str, Any], procedure: str) -> str:
    """Seconds to an error of 1 %, or how long was not enough; none from errors as large as the matrix."""
    [found] = [one for one in text["reaches"] if one["procedure"] == procedure]
    smallest = min(one["error"] for one in text["measurements"] if one["procedure"] == procedure)
    if found["how"] == "extrapolated" and smallest >= 1:
        return "–"
    return ("over " if found["how"] == "at least" else "") + _three_digits(found["seconds"])


def _percent(share: float) -> str:
    """A share in percent, with two digits."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"  # noqa: PLR2004  (no exponents from 100 % on)


def _three_digits(seconds: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(seconds)))
    return f"{round(seconds, 2 - math.floor(math.log10(seconds))):,.{digits}f}"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _thousandths(value: float) -> int:
    return round(1000 * value)


def _written(thousandths: int) -> str:
    return f"{thousandths / 1000:+.3f}".replace("-", "−")
