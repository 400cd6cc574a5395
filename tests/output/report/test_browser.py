"""The report in a real browser: headless Chromium, driven by Selenium."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explanations import make_explanation, units_of
from removals import SENTENCE, with_removal

from ihcli.output.report import write_report
from ihcli.palette import DARK, LIGHT
from ihcli.results import Certificate, Explanation, Prediction, Target, Unit

pytest.importorskip("selenium", reason="selenium is not installed (the extra `dev` holds it)")

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium chromium-driver"),
    pytest.mark.skipif(DRIVER is None, reason="no chromedriver here: apt-get install chromium-driver"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1300,900",
)
NASTY = "<script>window.hacked=1</script> is <img src=x onerror=window.hacked=1> not bad"
WORDS = "this movie was not bad"
NOT, BAD = 3, 4


class Tab:
    """A browser tab with the page of some explanations."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def open(self, *explanations: Explanation, width: int = 1300) -> "Tab":
        self.emulate()
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        page = write_report(explanations, self.folder / "report.html")
        self.driver.get("about:blank")
        self.driver.get(page.as_uri())
        return self

    def emulate(self, media: str = "", scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def word(self, unit: int) -> WebElement:
        return self.one(f'.word[data-unit="{unit}"]')

    def box(self, selector: str) -> dict[str, float]:
        box: dict[str, float] = self.js(
            "document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector
        )
        return box

    def text(self, selector: str) -> str:
        return str(self.js("document.querySelector(arguments[0]).textContent", selector))

    def shades(self) -> list[int]:
        return [int(word.get_attribute("data-shade") or 0) for word in self.all(".word")]

    def slide(self, value: int) -> None:
        self.driver.execute_script(
            "const s = document.getElementById('pairs'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
            value,
        )

    def hover(self, element: WebElement) -> None:
        ActionChains(self.driver, duration=0).move_to_element(element).perform()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def entries(self) -> list[str]:
        return [str(text) for text in self.js("[...document.querySelectorAll('.entry .text')].map(e => e.textContent)")]

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def tab(driver: Any, tmp_path: Path) -> Iterator[Tab]:
    opened = Tab(driver, tmp_path)
    yield opened
    assert opened.errors() == []


def matrix() -> np.ndarray:
    """Of WORDS: not and bad act against each other, the rest is small."""
    ih = np.diag([0.1, -0.2, 0.0, 0.3, -0.5])
    for u, v, value in ((NOT, BAD, 0.8), (1, BAD, -0.4), (2, NOT, 0.2), (0, 1, -0.1)):
        ih[u, v] = ih[v, u] = value
    return ih


def sentence(**changes: Any) -> Explanation:
    return make_explanation(text=WORDS, ih=matrix(), **changes)


def sentence_of_label(label: str, index: int, ih: np.ndarray) -> Explanation:
    """WORDS explained for another label."""
    config = {"units": {"kind": "word"}}
    return make_explanation(text=WORDS, ih=ih, target=Target(label, index, "logit"), config=config)


def corpus() -> list[Explanation]:
    """Five texts that differ in label, confidence, strongest pair and certificate."""
    rows = [
        ("a fine film", "POSITIVE", 0.99, 0.3, True),
        ("not a bad film", "POSITIVE", 0.62, 0.9, True),
        ("dull and long", "NEGATIVE", 0.95, 0.5, True),
        ("never boring", "NEGATIVE", 0.55, 0.7, False),
        ("charming disaster", "NEGATIVE", 0.80, 0.1, True),
    ]
    results = []
    for text, label, p, strongest, converged in rows:
        count = len(text.split())
        ih = np.zeros((count, count))
        ih[0, 1] = ih[1, 0] = strongest
        index = int(label == "POSITIVE")
        other = ("POSITIVE", "NEGATIVE")[index]
        certificate = Certificate(1e-3, 1e-3, 0.0, 1e-3, None, 0.01, converged=converged)
        results.append(
            make_explanation(
                text=text,
                ih=ih,
                prediction=Prediction(label, index, {label: p, other: 1 - p}),
                target=Target("POSITIVE", 1, "logit"),
                certificate=certificate,
            )
        )
    return results


def test_at_first_words_are_shaded_by_their_attribution(tab: Tab) -> None:
    explanation = sentence()
    tab.open(explanation)
    largest = np.abs(explanation.ig).max()
    assert tab.shades() == [round(24 * value / largest) for value in explanation.ig]
    assert tab.text(".line") == WORDS
    assert "POSITIVE" in tab.text("#verdict")


def test_hover_shows_the_row_and_leaving_ends_it(tab: Tab) -> None:
    tab.open(sentence())
    before = tab.shades()
    tab.hover(tab.word(NOT))
    assert tab.shades() == [0, 0, 6, 0, 24]
    assert "bad" in tab.text("#row")
    assert "+0.800" in tab.text("#row")
    tab.hover(tab.one("#facts"))
    assert tab.shades() == before


def test_a_click_pins_and_another_unpins(tab: Tab) -> None:
    tab.open(sentence())
    before = tab.shades()
    tab.word(BAD).click()
    tab.hover(tab.one("#facts"))
    assert tab.word(BAD).get_attribute("aria-pressed") == "true"
    assert tab.shades() == [0, -12, 0, 24, 0]
    assert "pinned" in tab.text("#legend-name")
    tab.hover(tab.word(0))
    assert tab.shades() == [0, -12, 0, 24, 0]
    assert "2Γ" in tab.text("#row")  # the pinned word and the one under the pointer
    tab.one("#unpin").click()
    tab.hover(tab.one("#facts"))
    assert tab.shades() == before
    assert not tab.one("#unpin").is_enabled()


def test_the_diagonal_is_told_and_has_no_colour(tab: Tab) -> None:
    tab.open(sentence())
    tab.word(BAD).click()
    assert tab.shades()[BAD] == 0
    assert "by itself −0.500" in tab.text("#row")
    own = tab.one("#matrix .own")
    assert (own.get_attribute("d") or "").count("M") == 5
    shades = {value.text: value.get_attribute("data-shade") for value in tab.all("#matrix .value.quiet")}
    assert shades["−0.500"] == "0"


def test_the_table_adds_up(tab: Tab) -> None:
    explanation = sentence()
    tab.open(explanation)
    tab.slide(2)
    rows = {row.text.rpartition(" ")[0]: row.text.rpartition(" ")[2] for row in tab.all("#table tfoot tr")}
    assert rows == {"2 other pairs": "+0.200", "units by themselves": "−0.300", "sum ≈ f(x) − f(x′)": "+0.700"}
    assert float(explanation.ih.sum()) == pytest.approx(0.7)
    listed = [
        float(row.find_elements(By.CSS_SELECTOR, "td")[3].text.replace("−", "-")) for row in tab.all("tbody tr")[:2]
    ]
    assert sum(listed) + 0.2 - 0.3 == pytest.approx(0.7)


def test_the_check_by_removal_is_a_table(tab: Tab) -> None:
    tab.open(sentence())
    assert not tab.one("#removal").is_displayed()
    tab.open(with_removal(sentence()))
    assert tab.text("#removal-sentence") == SENTENCE
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")] for row in tab.all("#removed tbody tr")
    ]
    plain = [[text.replace("\u2068", "").replace("\u2069", "") for text in row] for row in rows]
    assert plain[0] == ["nothing", WORDS, "POSITIVE", "0.97", "+0.95"]
    assert plain[1] == ["all", "(no words)", "NEGATIVE", "0.04", "+0.25"]
    assert plain[2] == ["not × bad: Γ +0.800 in the matrix; by removal they add +1.50 together"]
    assert plain[3] == ["not", "this movie was bad", "NEGATIVE", "0.04", "−2.00"]
    assert plain[5] == ["not, bad", "this movie was", "NEGATIVE", "0.04", "+0.50"]
    assert tab.text("#removed-probability") == "p of POSITIVE"


def test_another_method_has_its_own_names_and_adds_an_entry_once(tab: Tab) -> None:
    tab.open(sentence(method="shapley"))
    assert tab.text("#entry-head") == "interaction"
    assert "Shapley values" in tab.text("#legend-name")
    assert tab.all("#table tbody tr")[0].text.split() == ["1", "not", "×", "bad", "+0.800", "+0.800"]
    assert tab.all("#matrix text.column")[-1].text == "SV"
    assert "Γ" not in tab.text("#table")


def test_the_legend_names_the_label_of_each_sign(tab: Tab) -> None:
    tab.open(sentence())
    assert "speaks against POSITIVE" in tab.text("#legend-low")
    assert "speaks for POSITIVE" in tab.text("#legend-high")
    assert "Arcs above the text" in tab.text("#direction")
    assert "own explained label" not in tab.text("#direction")
    other = sentence(target=Target("NEGATIVE", 0, "logit"))
    tab.open(sentence(), replace(other, text="another text"))
    assert "own explained label" in tab.text("#direction")


def test_entries_that_cancel_come_with_the_score_from_baseline_to_text(tab: Tab) -> None:
    tab.open(sentence())
    assert not tab.one("#cancels").is_displayed()
    tab.open(make_explanation(2, ih=np.array([[-3.0, 3.1], [3.1, -3.0]])))
    assert "nearly cancel" in tab.text("#cancels summary")
    tab.one("#cancels summary").click()
    points = (tab.one("#path polyline").get_attribute("points") or "").split()
    places = [float(point.split(",")[0]) for point in points]
    assert len(places) > 10
    assert places == sorted(places)


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_the_slider_counts_arcs_and_rows(tab: Tab, count: int) -> None:
    tab.open(sentence())
    tab.slide(count)
    assert len(tab.all(".arc")) == count
    assert len(tab.all("#table tbody tr")) == count
    assert tab.text("#pairs-shown") == f"{count} of 4"


def test_the_slider_obeys_the_keyboard(tab: Tab) -> None:
    tab.open(sentence())
    slider = tab.one("#pairs")
    assert slider.get_attribute("max") == "4"
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert len(tab.all(".arc")) == 2


def test_arcs_are_the_strongest_pairs_positive_above_and_negative_below(tab: Tab) -> None:
    tab.open(sentence())
    arcs = {arc.get_attribute("data-pair"): arc for arc in tab.all(".arc")}
    assert set(arcs) == {"3 4", "1 4", "2 3", "0 1"}
    middle = tab.word(NOT).rect["y"] + tab.word(NOT).rect["height"] / 2
    for pair, arc in arcs.items():
        top = tab.js("arguments[0].getBoundingClientRect().top", arc)
        assert (top < middle) == (pair in {"3 4", "2 3"})
    thickness = "parseFloat(arguments[0].querySelector('path').style.strokeWidth)"
    width = {pair: float(tab.js(thickness, arc)) for pair, arc in arcs.items()}
    assert width["3 4"] > width["1 4"] > width["2 3"] > width["0 1"]


def test_hover_dims_the_arcs_of_others(tab: Tab) -> None:
    tab.open(sentence())
    tab.hover(tab.word(2))
    dim = {arc.get_attribute("data-pair") for arc in tab.all(".arc.dim")}
    assert dim == {"3 4", "1 4", "0 1"}


@pytest.mark.parametrize("width", [375, 700, 1300])
def test_arcs_wrap_with_the_text_and_never_cover_it(tab: Tab, width: int) -> None:
    tab.open(make_explanation(60, seed=2), width=width)
    tab.slide(30)
    boxes = tab.js(
        "[...document.querySelectorAll('.word')].map(w => { const r = w.getClientRects()[0];"
        " return [r.left, r.top, r.right, r.bottom, w.getClientRects().length] })"
    )
    lines = sorted({round(box[1]) for box in boxes})
    assert len(lines) > 1
    assert all(box[4] == 1 for box in boxes)
    # Points along every arc, apart from its feet, lie outside every word.
    points = tab.js(
        "[...document.querySelectorAll('.arc path')].flatMap(p => { const n = p.getTotalLength();"
        " const m = p.getScreenCTM(); return Array.from({length: 21}, (_, k) => {"
        " const q = p.getPointAtLength(n * k / 20).matrixTransform(m); return [q.x, q.y] }) })"
    )
    inside = [
        (x, y) for x, y in points for left, top, right, bottom, _ in boxes if left < x < right and top < y < bottom
    ]
    assert inside == []
    assert all(-1 <= x <= width + 1 for x, _ in points)
    assert tab.js("document.documentElement.scrollWidth") <= width


def test_an_arc_over_a_line_end_has_two_stretches(tab: Tab) -> None:
    ih = np.zeros((40, 40))
    ih[0, 39] = ih[39, 0] = 1
    tab.open(make_explanation(40, ih=ih), width=700)
    assert len(tab.all(".arc")) == 1
    assert len(tab.all(".arc path")) == 2


def test_pointing_at_a_cell_a_row_or_an_arc_names_the_pair(tab: Tab) -> None:
    tab.open(sentence())
    tab.hover(tab.one('#table tr[data-pair="1 4"]'))
    assert "Γ = −0.400, adds 2Γ = −0.800" in tab.text("#row")
    assert {word.text for word in tab.all(".word.partner")} == {"movie", "bad"}
    tab.hover(tab.one("#facts"))
    frame, picture = tab.box("#matrix .frame"), tab.box("#matrix svg")
    side = frame["width"] / 5
    x = frame["left"] + (NOT + 0.5) * side - picture["left"] - picture["width"] / 2
    y = frame["top"] + (BAD + 0.5) * side - picture["top"] - picture["height"] / 2
    offset = (tab.one("#matrix svg"), round(x), round(y))
    ActionChains(tab.driver, duration=0).move_to_element_with_offset(*offset).perform()
    assert "Γ = +0.800, adds 2Γ = +1.60" in tab.text("#row")
    assert [label.text for label in tab.all("#matrix .name.lit")] == ["not", "bad"]


def test_the_matrix_paints_each_value_in_its_shade(tab: Tab) -> None:
    tab.open(sentence())
    shades = {path.get_attribute("data-shade"): path for path in tab.all("#matrix .cell")}
    assert {"24", "-12", "6", "-3"} <= set(shades)
    assert tab.js("getComputedStyle(arguments[0]).fill", shades["24"]) == css(LIGHT.hex(1))
    assert (shades["24"].get_attribute("d") or "").count("M") == 3  # the pair twice, and the largest attribution


def test_words_are_reached_and_pinned_by_keyboard(tab: Tab) -> None:
    tab.open(sentence())
    tab.one("#pairs").send_keys(Keys.TAB)  # unpin is disabled
    focus = "document.activeElement.textContent"
    assert tab.js(focus) == "this"
    tab.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tab.js(focus) == "not"
    assert tab.shades() == [0, 0, 6, 0, 24]
    ring = tab.js("getComputedStyle(document.activeElement).boxShadow")
    assert ring != "none"
    tab.press(Keys.ENTER, Keys.ARROW_RIGHT)
    assert tab.js(focus) == "bad"
    assert tab.shades() == [0, 0, 6, 0, 24]
    tab.press(Keys.ESCAPE)
    assert tab.shades() == [0, -12, 0, 24, 0]
    tab.press(Keys.HOME)
    assert tab.js(focus) == "this"
    tab.press(Keys.END, Keys.SPACE)
    assert tab.word(BAD).get_attribute("aria-pressed") == "true"


def test_arrows_move_over_lines(tab: Tab) -> None:
    tab.open(make_explanation(40), width=500)
    tab.driver.execute_script("document.querySelector('.word').focus()")
    top = "document.activeElement.getBoundingClientRect().top"
    before = tab.js(top)
    tab.press(Keys.ARROW_DOWN)
    assert tab.js(top) > before
    tab.press(Keys.ARROW_UP)
    assert tab.js(top) == before


def test_right_to_left_text_runs_right_to_left(tab: Tab) -> None:
    text = "لم يكن هذا الفيلم سيئا"
    tab.open(make_explanation(text=text, ih=matrix()))
    assert tab.js("getComputedStyle(document.querySelector('.line')).direction") == "rtl"
    assert tab.word(0).rect["x"] > tab.word(4).rect["x"]
    tab.driver.execute_script("document.querySelector('.word').focus()")
    tab.press(Keys.ARROW_LEFT)
    assert tab.js("document.activeElement.dataset.unit") == "1"


def test_text_that_looks_like_markup_is_shown_and_never_run(tab: Tab) -> None:
    explanation = make_explanation(text=NASTY, warnings=(NASTY,))
    tab.open(explanation, replace(explanation, baseline={"kind": "text", "text": NASTY}))
    assert tab.js("window.hacked") is None
    assert tab.text(".line") == NASTY
    assert NASTY in tab.text("#warnings")
    assert tab.entries()[0] == NASTY
    assert tab.all("img") == []


def test_entries_that_were_not_computed_are_hatched_and_counted(tab: Tab) -> None:
    ih = matrix()
    ih[3:, 3:] = np.nan
    tab.open(make_explanation(text=WORDS, ih=ih))
    assert len(tab.all("#matrix .hatch")) == 1
    assert "1 of 10 pairs were not computed" in tab.text("#table-note")
    tab.word(NOT).click()
    assert "1 not computed" in tab.text("#row")
    assert "unknown" in (tab.word(BAD).get_attribute("class") or "")


def test_a_result_that_did_not_converge_says_so(tab: Tab) -> None:
    tab.open(sentence(certificate=Certificate(0.2, 0.1, 0.0, 0.1, None, 0.01, converged=False)))
    assert "not converged" in tab.text("#certificate").lower()
    assert "failed" in (tab.one("#certificate").get_attribute("class") or "")
    tab.open(sentence())
    assert "failed" not in (tab.one("#certificate").get_attribute("class") or "")


def test_without_interactions_nothing_is_drawn(tab: Tab) -> None:
    tab.open(make_explanation(4, ih=np.zeros((4, 4))))
    assert tab.all(".arc") == []
    assert not tab.one("#pairs").is_enabled()
    assert "No pair interacts" in tab.text("#table-note")


def test_levels_switch(tab: Tab) -> None:
    word = sentence(config={"units": {"kind": "word"}})
    parts = ["this", "mov", "ie", "was", "not", "bad"]
    pieces = units_of("this mov ie was not bad".replace("v i", "vi"), parts)
    token = make_explanation(6, config={"units": {"kind": "token"}})
    tab.open(word, replace(token, text=WORDS, units=pieces))
    assert len(tab.all(".word")) == 5
    tab.one('#levels input[value="token"]').click()
    assert [word.text for word in tab.all(".word")] == parts
    assert tab.text(".line") == WORDS
    assert tab.js("document.activeElement.value") == "token"


def test_labels_switch(tab: Tab) -> None:
    positive = sentence(config={"units": {"kind": "word"}})
    negative = sentence_of_label("NEGATIVE", 0, -matrix())
    nasty = sentence_of_label(NASTY, 2, np.eye(5))
    tab.open(negative, nasty, positive)
    assert len(tab.all(".page.single")) == 1  # one text
    choice = Select(tab.one("#target"))
    assert choice.first_selected_option.text == "POSITIVE (97 %)"  # the predicted one first
    assert choice.options[0].text == "NEGATIVE (3.4 %)"
    shades = tab.shades()
    choice.select_by_value("0")
    assert tab.shades() == [-shade for shade in shades]
    assert "logit of NEGATIVE" in tab.text("#explained")
    choice.select_by_value("2")
    assert NASTY in tab.text("#explained")
    assert tab.js("window.hacked") is None
    tab.emulate(media="print")
    assert not tab.one("#target").is_displayed()
    assert tab.one("#explained").is_displayed()


def test_one_label_has_no_choice(tab: Tab) -> None:
    tab.open(sentence())
    assert not tab.one("#target").is_displayed()


def test_two_texts_have_arcs_between_them(tab: Tab) -> None:
    first, second = make_explanation(text="A man sleeps"), "Nobody sleeps"
    units: tuple[Unit, ...] = first.units + tuple(
        replace(unit, side="text_pair") for unit in units_of(second, second.split())
    )
    ih = np.zeros((5, 5))
    ih[1, 3] = ih[3, 1] = 0.5
    tab.open(replace(first, text_pair=second, units=units, ih=ih, ig=ih.sum(axis=1)))
    assert len(tab.all(".line")) == 2
    assert len(tab.all(".arc")) == 1
    tab.hover(tab.word(1))
    assert tab.shades() == [0, 0, 0, 24, 0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("order", [0, 1, 2, 3, 4]),
        ("strongest", [1, 3, 2, 0, 4]),
        ("confidence", [0, 2, 4, 1, 3]),
        ("label", [2, 3, 4, 0, 1]),
        ("text", [0, 4, 2, 3, 1]),
    ],
)
def test_the_list_is_sorted(tab: Tab, key: str, expected: list[int]) -> None:
    texts = corpus()
    tab.open(*texts)
    Select(tab.one("#sort")).select_by_value(key)
    assert tab.entries() == [texts[index].text for index in expected]
    tab.one("#reverse").click()
    assert tab.entries() == [texts[index].text for index in reversed(expected)]


def test_the_list_is_filtered(tab: Tab) -> None:
    tab.open(*corpus())
    tab.one("#search").send_keys("FILM")
    assert tab.entries() == ["a fine film", "not a bad film"]
    assert tab.text("#count") == "2 of 5 texts"
    Select(tab.one("#filter-confidence")).select_by_value("0 0.7")
    assert tab.entries() == ["not a bad film"]
    tab.one("#search").clear()
    assert tab.entries() == ["not a bad film", "never boring"]
    Select(tab.one("#filter-label")).select_by_value("NEGATIVE")
    assert tab.entries() == ["never boring"]
    Select(tab.one("#filter-converged")).select_by_value("yes")
    assert tab.entries() == []
    assert tab.text("#count").startswith("None of 5")
    assert not tab.one("#by-explained").is_displayed()  # one explained label only


def test_the_strongest_pair_is_searched(tab: Tab) -> None:
    tab.open(*corpus())
    Select(tab.one("#search-in")).select_by_value("pair")
    tab.one("#search").send_keys("a")
    assert tab.entries() == ["a fine film", "not a bad film", "dull and long", "charming disaster"]
    tab.one("#search").send_keys("nd")
    assert tab.entries() == ["dull and long"]


def test_entries_that_share_a_text_are_told_apart(tab: Tab) -> None:
    tab.open(sentence(), sentence(baseline={"kind": "mask"}))
    notes = [tab.js("arguments[0].querySelector('.about').textContent", entry) for entry in tab.all(".entry")]
    assert "baseline pad" in notes[0]
    assert "baseline mask" in notes[1]


def test_the_spread_over_baselines_is_listed(tab: Tab) -> None:
    tab.open(sentence())
    assert not tab.one("#spread-head").is_displayed()
    tab.open(sentence(ih_spread=np.full((5, 5), 0.025)))
    assert tab.one("#spread-head").is_displayed()
    assert tab.all("#table tbody tr")[0].text.split() == ["1", "not", "×", "bad", "+0.800", "+1.600", "0.025"]


def test_texts_are_chosen_by_click_keyboard_and_buttons(tab: Tab) -> None:
    tab.open(*corpus())
    tab.all(".entry")[2].click()
    assert tab.text(".line") == "dull and long"
    tab.press(Keys.ARROW_DOWN)
    assert tab.text(".line") == "never boring"
    assert [entry.get_attribute("aria-selected") for entry in tab.all(".entry")].index("true") == 3
    tab.press(Keys.HOME)
    assert tab.text(".line") == "a fine film"
    assert not tab.one("#previous").is_enabled()
    tab.one("#next").click()
    assert tab.text("#position") == "2 / 5"
    assert tab.js("location.hash") == "#2"


def test_an_address_opens_its_text(tab: Tab) -> None:
    tab.open(*corpus())
    tab.driver.execute_script("location.hash = '#5'")
    assert tab.text(".line") == "charming disaster"


def css(hexadecimal: str) -> str:
    red, green, blue = (int(hexadecimal[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def test_dark_mode_takes_the_dark_palette(tab: Tab) -> None:
    tab.open(sentence())
    ground = "getComputedStyle(document.body).backgroundColor"
    strongest = "getComputedStyle(document.querySelector('[data-shade=\"24\"].cell')).fill"
    assert (tab.js(ground), tab.js(strongest)) == (css(LIGHT.ground), css(LIGHT.hex(1)))
    tab.emulate(scheme="dark")
    assert (tab.js(ground), tab.js(strongest)) == (css(DARK.ground), css(DARK.hex(1)))
    tab.emulate(media="print", scheme="dark")
    assert tab.js(ground) == css(LIGHT.ground)


def test_print_hides_the_controls_and_keeps_the_numbers(tab: Tab) -> None:
    tab.open(*corpus())
    tab.emulate(media="print")
    for name in (".list", ".controls", ".steps"):
        assert not tab.one(name).is_displayed()
    for name in (".certificate", ".sentence", "#matrix", "#table"):
        assert tab.one(name).is_displayed()


def test_arcs_are_laid_out_for_paper(tab: Tab) -> None:
    tab.open(make_explanation(40, seed=1))
    wide = tab.js("document.querySelector('#sentence').clientWidth")
    tab.driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.js("document.querySelector('#sentence').clientWidth") == 643  # 17 cm
    ends = "[...document.querySelectorAll('.arc path')].map(p => p.getBBox().x + p.getBBox().width)"
    assert max(tab.js(ends)) < 670
    lines = "new Set([...document.querySelectorAll('.word')].map(w => w.getBoundingClientRect().top)).size"
    assert len(tab.all(".turn")) == tab.js(lines) - 1 > 0
    tab.driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert tab.js("document.querySelector('#sentence').clientWidth") == wide
    assert tab.all(".turn") == []


def test_everything_that_acts_has_a_name(tab: Tab) -> None:
    tab.open(*corpus())
    nodes = tab.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "checkbox", "combobox", "listbox", "option", "radio", "searchbox", "slider", "image", "link"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == [], json.dumps(nameless)


def test_a_resize_lays_the_arcs_out_anew(tab: Tab) -> None:
    tab.open(make_explanation(30, seed=4))
    course = "document.querySelector('.arc path').getAttribute('d')"
    before = tab.js(course)
    metrics = {"width": 500, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    tab.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 100))")
    assert tab.js(course) != before
