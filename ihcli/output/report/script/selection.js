// What follows the pointer and the focus: words, arcs, rows and cells that belong to a unit or a pair.

function pairInWords(u, v) {
  const value = view.value(u, v);
  if (u === v) return `${view.name(u)} by itself: ${number(value, view.largest.all)}`;
  if (Number.isNaN(value)) return `${view.name(u)} × ${view.name(v)}: not computed`;
  const { entry, added } = view.level.words;
  const both = number(view.level.pair_total * value, view.largest.off);
  const adds = added === entry ? "" : `, adds ${added} = ${both}`;
  return `${view.name(u)} × ${view.name(v)}: ${entry} = ${number(value, view.largest.off)}${adds}`;
}

function rowInWords(u) {
  const partners = [...Array(view.size).keys()].filter((v) => v !== u && Number.isFinite(view.value(u, v)));
  partners.sort((a, b) => Math.abs(view.value(u, b)) - Math.abs(view.value(u, a)));
  const list = partners
    .filter((v) => view.value(u, v) !== 0)
    .slice(0, 5)
    .map((v) => `${view.name(v)} ${number(view.value(u, v), view.largest.off)}`);
  const missing = view.size - 1 - partners.length;
  return [
    `${view.name(u)}: attribution ${number(view.ig[u], view.largestIg)}`,
    list.length ? `interacts most with ${list.join(", ")}` : missing ? "" : "interacts with nothing",
    `by itself ${number(view.value(u, u), view.largest.all)}`,
    missing ? `${missing} not computed` : "",
  ]
    .filter(Boolean)
    .join("; ");
}

function tint(node, value, largest) {
  const known = Number.isFinite(value);
  node.dataset.shade = known ? shadeOf(value, largest) : 0;
  node.classList.toggle("unknown", !known);
}

/** The pair under the pointer: pointed at itself, or one word under it while another is pinned. */
function pairAtHand() {
  const { pointed, pinned, hovered } = state;
  if (pointed || pinned === null || hovered === null || pinned === hovered) return pointed;
  return [Math.min(pinned, hovered), Math.max(pinned, hovered)];
}

function refresh() {
  const unit = active();
  const pair = pairAtHand();
  const [p, q] = pair ?? [null, null];
  for (const u of reading) {
    const word = words[u];
    if (unit === null) tint(word, view.ig[u], view.largestIg);
    else if (u === unit) tint(word, 0, 1);
    else tint(word, view.value(unit, u), view.largest.off);
    word.classList.toggle("active", u === unit);
    word.classList.toggle("partner", u === p || u === q);
    word.setAttribute("aria-pressed", String(u === state.pinned));
    word.setAttribute("aria-label", `${view.name(u)}, attribution ${number(view.ig[u], view.largestIg)}`);
  }
  for (const arc of document.querySelectorAll(".arc")) {
    const ends = arc.dataset.pair.split(" ").map(Number);
    const far = pair ? ends[0] !== p || ends[1] !== q : unit !== null && !ends.includes(unit);
    arc.classList.toggle("dim", far);
  }
  for (const row of at("table").tBodies[0].rows) {
    const ends = (row.dataset.pair ?? "").split(" ").map(Number);
    row.classList.toggle("lit", pair ? ends[0] === p && ends[1] === q : unit !== null && ends.includes(unit));
  }
  lightMatrix(pair, unit);
  const largest = unit === null ? view.largestIg : view.largest.off;
  at("legend-name").textContent =
    unit === null
      ? `Shading: ${view.level.words.attributions}, what each unit adds.`
      : `Shading: interaction with “${view.name(unit)}”${state.pinned === null ? "" : " (pinned)"}.`;
  const [positive, negative] = view.level.direction;
  at("legend-low").textContent = `${number(-largest, largest)} ${isolate(negative)}`;
  at("legend-high").textContent = `${number(largest, largest)} ${isolate(positive)}`;
  at("row").classList.toggle("idle", !pair && unit === null);
  at("row").textContent = pair ? pairInWords(p, q) : unit === null ? HINT : rowInWords(unit);
  at("unpin").disabled = state.pinned === null;
}

function point(pair) {
  state.pointed = pair && (pair[0] <= pair[1] ? pair : [pair[1], pair[0]]);
  refresh();
}

function pin(unit) {
  state.pinned = state.pinned === unit ? null : unit;
  state.pointed = null;
  refresh();
}
