// The list of texts: search, filters, order.

let listed = [];
const first = (index) => texts[index].levels[0];

/** The settings that differ between texts, so that entries with one text can be told apart. */
const differing = ["model", "baseline", "formulation"].filter(
  (key) => new Set(texts.map((_, index) => first(index)[key])).size > 1,
);

const ranks = {
  order: (a, b) => a - b,
  strongest: (a, b) => strength(b) - strength(a),
  confidence: (a, b) => (first(b).confidence ?? -1) - (first(a).confidence ?? -1),
  label: (a, b) => first(a).label.localeCompare(first(b).label),
  explained: (a, b) => first(a).explained.localeCompare(first(b).explained),
  text: (a, b) => first(a).text.localeCompare(first(b).text),
};

function strongestPair(index) {
  const { strongest, units } = first(index);
  return strongest ? `${isolate(units[strongest[0]])} × ${isolate(units[strongest[1]])}` : "";
}

const strength = (index) => Math.abs(first(index).strongest?.[2] ?? 0);

function renderList() {
  const query = at("search").value.trim().toLocaleLowerCase();
  const [least, most] = at("filter-confidence").value.split(" ").map(Number);
  const sought = at("search-in").value === "pair" ? strongestPair : (index) => `${first(index).text}\n${first(index).pair ?? ""}`;
  const wanted = (index) => {
    const { label, confidence, converged, regression } = first(index);
    return (
      (!query || sought(index).toLocaleLowerCase().includes(query)) &&
      (!at("filter-label").value || label === at("filter-label").value) &&
      (!at("filter-explained").value || texts[index].levels.some((level) => level.explained === at("filter-explained").value)) &&
      (regression || ((confidence ?? 0) >= least && (most === 1 || (confidence ?? 0) < most))) &&
      (!at("filter-converged").value || converged === (at("filter-converged").value === "yes"))
    );
  };
  listed = texts.map((_, index) => index).filter(wanted);
  listed.sort((a, b) => ranks[at("sort").value](a, b) || a - b);
  if (at("reverse").checked) listed.reverse();
  at("texts").replaceChildren(...listed.map(entry));
  at("count").textContent = listed.length
    ? `${listed.length} of ${texts.length} texts`
    : `None of ${texts.length} texts fits; loosen the search or the filters.`;
  if (listed.length && !listed.includes(state.text)) at("texts").firstElementChild.tabIndex = 0;
  renderSteps();
}

function entry(index) {
  const level = first(index);
  const about = [level.prediction];
  if (level.strongest) about.push(`${strongestPair(index)} ${number(level.strongest[2], strength(index))}`);
  if (level.explained !== level.label) about.push(`explains ${level.explained}`);
  about.push(...differing.map((key) => `${key} ${level[key]}`));
  const shown = level.pair ? `${level.text} / ${level.pair}` : level.text;
  const note = element("div", { className: "about", text: about.join(" · ") });
  if (!level.converged) note.append(" · ", element("span", { className: "bad", text: "not converged" }));
  const item = element(
    "li",
    { className: "entry", role: "option", "aria-selected": String(index === state.text) },
    element("div", { className: "text", dir: "auto", text: shown.slice(0, 300) }),
    note,
  );
  item.dataset.index = index;
  item.tabIndex = index === state.text ? 0 : -1;
  return item;
}

function renderSteps() {
  if (texts.length < 2) return;
  const place = listed.indexOf(state.text);
  at("steps").hidden = false;
  at("position").textContent = place < 0 ? "" : `${place + 1} / ${listed.length}`;
  at("previous").disabled = place < 1;
  at("next").disabled = place < 0 || place === listed.length - 1;
}

function setUpList() {
  const options = (id, key) => {
    const values = [...new Set(texts.flatMap(({ levels }) => levels.map((level) => level[key])))].sort();
    at(id).replaceChildren(
      element("option", { value: "", text: "any" }),
      ...values.map((value) => element("option", { value, text: value })),
    );
    at(id).parentElement.hidden = values.length < 2;
  };
  options("filter-label", "label");
  options("filter-explained", "explained");
  at("by-converged").hidden = new Set(texts.map((_, index) => first(index).converged)).size < 2;
  at("by-confidence").hidden = texts.every((_, index) => first(index).regression);
  at("search").addEventListener("input", renderList);
  for (const id of ["search", "search-in", "filter-label", "filter-explained", "filter-confidence", "filter-converged", "sort", "reverse"]) {
    at(id).addEventListener("change", renderList);
  }
  at("texts").addEventListener("click", (event) => {
    const item = event.target.closest(".entry");
    if (item) choose(item);
  });
  at("texts").addEventListener("keydown", (event) => {
    const items = [...at("texts").children];
    const place = items.indexOf(event.target.closest(".entry"));
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: items.length - 1, Enter: place, " ": place }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (items[next]) choose(items[next]);
  });
  const step = (by) => show(listed[listed.indexOf(state.text) + by]);
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
}

function choose(item) {
  show(Number(item.dataset.index));
  item.focus();
}
