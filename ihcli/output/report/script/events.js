// Events, and the start of the page.

function unitOf(event) {
  const word = event.target.closest?.(".word");
  return word ? Number(word.dataset.unit) : null;
}

function hover(unit) {
  state.hovered = unit;
  refresh();
}

function move(from, key) {
  const place = reading.indexOf(from);
  const rtl = getComputedStyle(words[from].parentElement).direction === "rtl";
  const forward = rtl ? "ArrowLeft" : "ArrowRight";
  const back = rtl ? "ArrowRight" : "ArrowLeft";
  if (key === forward) return reading[place + 1];
  if (key === back) return reading[place - 1];
  if (key === "Home") return reading[0];
  if (key === "End") return reading.at(-1);
  if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
  const { lines, places } = measure();
  const line = lines[lines.indexOf(places[from].line) + (key === "ArrowDown" ? 1 : -1)];
  const near = (u) => Math.abs(places[u].centre - places[from].centre);
  return reading.filter((u) => places[u].line === line).sort((a, b) => near(a) - near(b))[0];
}

function setUpText() {
  const box = at("sentence");
  box.addEventListener("pointerover", (event) => hover(unitOf(event)));
  box.addEventListener("pointerleave", () => hover(null));
  box.addEventListener("focusin", (event) => {
    for (const u of reading) words[u].tabIndex = words[u] === event.target ? 0 : -1;
    if (event.target.matches(":focus-visible")) hover(unitOf(event));
  });
  box.addEventListener("focusout", () => hover(null));
  box.addEventListener("click", (event) => {
    const unit = unitOf(event);
    if (unit !== null) pin(unit);
  });
  box.addEventListener("keydown", (event) => {
    const unit = unitOf(event);
    if (unit === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pin(unit);
      return;
    }
    if (!event.key.startsWith("Arrow") && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const next = move(unit, event.key);
    if (next !== undefined) words[next].focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.pinned !== null) pin(state.pinned);
  });
  at("unpin").addEventListener("click", () => pin(state.pinned));
  at("target").addEventListener("change", () => {
    state.target = Number(at("target").value);
    show(state.text, { keepPlace: true });
  });
  at("pairs").addEventListener("input", () => {
    state.pairs = Number(at("pairs").value);
    nameSlider();
    drawArcs();
    renderTables();
    refresh();
  });
}

/** Lays the text and the matrix out anew for the width at hand. */
function layOut() {
  drawArcs();
  renderMatrix();
  refresh();
}

function setUpPage() {
  let width = at("panel").clientWidth;
  new ResizeObserver(() => {
    if (state.printing || at("panel").clientWidth === width) return;
    width = at("panel").clientWidth;
    requestAnimationFrame(layOut);
  }).observe(at("panel"));
  const print = (printing) => {
    state.printing = printing;
    at("sentence").classList.remove("fixed");
    for (const turn of document.querySelectorAll(".turn")) turn.remove();
    document.documentElement.classList.toggle("printing", printing);
    layOut();
    if (printing) fixLines();
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  window.addEventListener("hashchange", openAddress);
}

function openAddress() {
  const index = Number(location.hash.slice(1)) - 1;
  show(Number.isInteger(index) && index >= 0 && index < texts.length ? index : state.text, { keepPlace: true });
}

setUpText();
setUpPage();
if (texts.length > 1) {
  setUpList();
  renderList();
}
openAddress();
