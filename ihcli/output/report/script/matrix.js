// The matrix: one path for all cells of a shade.

let grid = null; // where the cells of the drawn matrix lie

function renderMatrix() {
  const box = at("matrix");
  const available = state.printing ? PAPER_WIDTH : box.parentElement.parentElement.clientWidth;
  const { size } = view;
  const shorten = (text) => ([...text].length > 16 ? `${[...text].slice(0, 15).join("")}…` : text);
  const names = view.level.units.map(shorten);
  const room = Math.min(available, size > 24 ? 700 : state.printing ? 440 : 520);
  const guess = Math.min(12, Math.max(9, room / size - 2));
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${guess}px system-ui, sans-serif`;
  const margin = Math.ceil(Math.max(...names.map((name) => pen.measureText(name).width))) + 8;
  const slanted = (room - margin) / (size + 2) >= 20;
  const cell = Math.max(10, Math.min(46, Math.floor((room - margin - (slanted ? 0.5 * margin : 0)) / (size + 1.5))));
  const font = Math.min(12, cell - 1);
  const head = Math.ceil(slanted ? 0.75 * margin + 8 : margin);
  const strip = margin + size * cell + Math.round(cell / 2); // the column of attributions
  const width = strip + cell + (slanted ? Math.ceil(0.75 * margin) : 4);
  const height = head + size * cell + 2;
  grid = { margin, head, cell, size, strip };

  const picture = drawing("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `Matrix of ${size} by ${size} interactions, with the attributions in a last column. The strongest pairs stand in the table.`,
  });
  picture.append(
    drawing(
      "defs",
      {},
      drawing(
        "pattern",
        { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        drawing("line", { className: "hatch-line", x1: 0, y1: 0, x2: 0, y2: 5 }),
      ),
    ),
    ...cells(),
    drawing("rect", { className: "frame", x: margin, y: head, width: size * cell, height: size * cell }),
    drawing("rect", { className: "frame", x: strip, y: head, width: cell, height: size * cell }),
    ...labels([...names], font, slanted),
    drawing("rect", { className: "cross", width: cell, height: cell, visibility: "hidden" }),
  );
  picture.addEventListener("pointermove", (event) => {
    const pair = cellUnder(event);
    if (String(pair) !== String(state.pointed)) point(pair);
  });
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("click", (event) => {
    const unit = rowUnder(event);
    if (unit !== null) pin(unit);
  });
  box.replaceChildren(picture);
  const { short, attributions, of_row } = view.level.words;
  const ends = [view.largest.off, view.largestIg].map((largest) => number(largest, largest, false));
  at("matrix-key").textContent = [
    `Grey: what a unit adds by itself, no interaction. ${short}: ${attributions}${of_row ? `, ${of_row} with the grey cell` : ""}.`,
    `Full colour is ±${ends[0]}, in the column ${short} ±${ends[1]}.`,
    view.missing ? "Hatched: not computed." : "",
  ].join(" ");
}

function cells() {
  const { margin, head, cell, size, strip } = grid;
  const shades = new Map();
  const own = [];
  const values = [];
  const fill = (x, y, value, largest) => {
    const shade = Number.isFinite(value) ? shadeOf(value, largest) : "hatch";
    if (shade === 0) return;
    if (!shades.has(shade)) shades.set(shade, []);
    shades.get(shade).push(`M${x} ${y}h${cell}v${cell}h${-cell}z`);
  };
  const write = (x, y, value, largest, shade = shadeOf(value, largest)) => {
    if (cell < 40 || !Number.isFinite(value)) return;
    values.push(
      drawing("text", {
        className: shade === null ? "value quiet" : "value",
        x: x + cell / 2,
        y: y + cell / 2 + 4,
        "text-anchor": "middle",
        "font-size": 11,
        text: number(value, largest),
        "data-shade": shade ?? 0,
      }),
    );
  };
  for (let u = 0; u < size; u += 1) {
    const y = head + u * cell;
    for (let v = 0; v < size; v += 1) {
      const x = margin + v * cell;
      if (u === v) {
        own.push(`M${x} ${y}h${cell}v${cell}h${-cell}z`);
        write(x, y, view.value(u, v), view.largest.off, null);
        continue;
      }
      fill(x, y, view.value(u, v), view.largest.off);
      write(x, y, view.value(u, v), view.largest.off);
    }
    fill(strip, y, view.ig[u], view.largestIg);
    write(strip, y, view.ig[u], view.largestIg);
  }
  const painted = [...shades].map(([shade, squares]) => {
    if (shade === "hatch") return drawing("path", { className: "hatch", d: squares.join("") });
    return drawing("path", { className: "cell", "data-shade": shade, d: squares.join("") });
  });
  return [
    ...painted,
    drawing("path", { className: "own", d: own.join("") }),
    ...values,
  ];
}

function labels(names, font, slanted) {
  const { margin, head, cell, size, strip } = grid;
  const column = (x, text, unit) => {
    const turn = `translate(${x + cell / 2 + (slanted ? 0 : font / 3)} ${head - 5}) rotate(${slanted ? -45 : -90})`;
    const label = drawing("text", { className: "column", transform: turn, "font-size": font, text });
    if (unit !== undefined) label.dataset.unit = unit;
    return label;
  };
  return [
    ...names.flatMap((text, unit) => {
      const y = head + unit * cell + cell / 2 + font / 3;
      const row = drawing("text", { className: "name", x: margin - 5, y, "text-anchor": "end", "font-size": font, text });
      row.dataset.unit = unit;
      return [row, column(margin + unit * cell, text, unit)];
    }),
    ...(size ? [column(strip, view.level.words.short)] : []),
  ];
}

function inGrid(event) {
  const box = at("matrix").querySelector("svg").getBoundingClientRect();
  const u = Math.floor((event.clientY - box.top - grid.head) / grid.cell);
  const v = Math.floor((event.clientX - box.left - grid.margin) / grid.cell);
  return { u: u >= 0 && u < grid.size ? u : null, v: v >= 0 && v < grid.size ? v : null };
}

function cellUnder(event) {
  const { u, v } = inGrid(event);
  return u === null || v === null ? null : [Math.min(u, v), Math.max(u, v)];
}

const rowUnder = (event) => inGrid(event).u;

function lightMatrix(pair, unit) {
  const picture = at("matrix").querySelector("svg");
  if (!picture) return;
  const cross = picture.querySelector(".cross");
  const { margin, head, cell, size } = grid;
  if (pair) {
    furnish(cross, "cross", undefined, { x: margin + pair[1] * cell, y: head + pair[0] * cell, width: cell, height: cell }, []);
  } else if (unit !== null) {
    furnish(cross, "cross", undefined, { x: margin, y: head + unit * cell, width: size * cell, height: cell }, []);
  }
  cross.setAttribute("visibility", pair || unit !== null ? "visible" : "hidden");
  for (const label of picture.querySelectorAll("text[data-unit]")) {
    const named = Number(label.dataset.unit);
    label.classList.toggle("lit", pair ? pair.includes(named) : named === unit);
  }
}
