// The tables: the strongest pairs and what everything adds up to, and the attributions.

/** What the other pairs and the diagonal add, and the sum: the rows below the strongest pairs. */
function sumRows() {
  const { sums, words } = view.level;
  const shown = shownPairs().reduce((sum, [, , value]) => sum + view.level.pair_total * value, 0);
  const others = view.pairs.length - shownPairs().length;
  const rows = [
    [`${others} other pair${others === 1 ? "" : "s"}`, sums.pairs - shown, others > 0],
    ["units by themselves", sums.diagonal, true],
    ["not computed", sums.difference - sums.total, !sums.complete && words.adds_up],
    [words.adds_up ? "sum ≈ f(x) − f(x′)" : "sum", sums.complete ? sums.total : sums.difference, sums.complete || words.adds_up],
  ];
  return rows
    .filter(([, , wanted]) => wanted)
    .map(([name, value]) =>
      element(
        "tr",
        {},
        element("td"),
        element("td", { text: name }),
        element("td"),
        element("td", { className: "number", text: number(value, view.largest.off || view.largest.all) }),
        ...(view.level.spread ? [element("td")] : []),
      ),
    );
}

function renderTables() {
  const { spread } = view.level;
  at("spread-head").hidden = !spread;
  const { entry, added } = view.level.words;
  at("entry-head").textContent = entry;
  at("added-head").textContent = added === entry ? "adds" : `adds ${added}`;
  at("attribution-head").textContent = view.level.words.short;
  const rows = shownPairs().map(([u, v, value], rank) => {
    const row = element(
      "tr",
      {},
      element("td", { className: "number", text: String(rank + 1) }),
      element(
        "td",
        { className: "pair" },
        element("span", { className: `dot${value < 0 ? " negative" : ""}`, "aria-hidden": "true" }),
        element("bdi", { text: view.level.units[u] }),
        " × ",
        element("bdi", { text: view.level.units[v] }),
      ),
      element("td", { className: "number", text: number(value, view.largest.off) }),
      element("td", { className: "number", text: number(view.level.pair_total * value, view.largest.off) }),
    );
    if (spread) row.append(element("td", { className: "number", text: number(spread[`${u} ${v}`] ?? null, view.largest.off, false) }));
    row.dataset.pair = `${u} ${v}`;
    row.addEventListener("pointerenter", () => point([u, v]));
    row.addEventListener("pointerleave", () => point(null));
    return row;
  });
  at("table").tBodies[0].replaceChildren(...rows);
  at("table").tFoot.replaceChildren(...sumRows());
  at("table-note").textContent = [
    view.pairs.length ? "" : view.level.words.has_pairs ? "No pair interacts." : "This method has no interactions.",
    view.pairs.length ? view.level.words.of_pair : "",
    spread ? "±: standard deviation over the baselines." : "",
    view.missing ? `${view.missing} of ${(view.size * (view.size - 1)) / 2} pairs were not computed.` : "",
    view.level.floor > 0
      ? `To keep this page small, entries under ${view.level.floor.toPrecision(2)} are shown as zero; result.json has them.`
      : "",
  ]
    .filter(Boolean)
    .join(" ");
  const units = reading.map((u, n) => {
    const own = view.value(u, u);
    let others = 0;
    for (let v = 0; v < view.size; v += 1) others += v === u ? 0 : view.value(u, v);
    return element(
      "tr",
      {},
      element("td", { className: "number", text: String(n + 1) }),
      element("td", {}, element("bdi", { text: view.level.units[u] })),
      element("td", { className: "number", text: number(view.ig[u], view.largestIg) }),
      element("td", { className: "number", text: number(own, view.largest.all) }),
      element("td", { className: "number", text: number(others, view.largest.all) }),
    );
  });
  at("units").tBodies[0].replaceChildren(...units);
}
