"use strict";

// Text reaches the page through textContent and attributes only, so nothing in it can become markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SHADES = 24; // from zero to either end; matrix cells of one shade share one path
  const MOST_ARCS = 60;
  const MARGIN = 9; // how far an arc runs past the text where its line ends
  const PAPER_WIDTH = 640; // 17 cm, as in the print style
  const HINT = "Hover a word to see what it interacts with; click to pin it. Keys: arrows move, Enter pins, Escape unpins.";

  const { texts } = JSON.parse(document.getElementById("report-data").textContent);
  const at = (id) => document.getElementById(id);

  const state = {
    text: 0,
    level: texts[0].levels[0].name,
    pairs: 6,
    diagonal: false,
    pinned: null, // a unit
    hovered: null, // a unit under the pointer or with the focus
    pointed: null, // a pair [u, v] under the pointer
    printing: false,
  };
  let view = null; // the level on show, decoded
  let words = []; // element of each unit
  let reading = []; // units in reading order

  // Building blocks

  function element(tag, { className, text, ...attributes } = {}, ...children) {
    const node = document.createElement(tag);
    return furnish(node, className, text, attributes, children);
  }

  function drawing(tag, { className, text, ...attributes } = {}, ...children) {
    const node = document.createElementNS(SVG, tag);
    return furnish(node, className, text, attributes, children);
  }

  function furnish(node, className, text, attributes, children) {
    if (className) node.setAttribute("class", className);
    if (text !== undefined) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  const isolate = (text) => `\u2068${text}\u2069`; // a right-to-left word keeps to itself

  /** Three figures at the size of `largest`: finer ones are within the certificate's tolerance. */
  function number(value, largest, sign = true) {
    if (value === null || !Number.isFinite(value)) return "not computed";
    const decimals = largest > 0 ? Math.max(0, 2 - Math.floor(Math.log10(largest))) : 2;
    const text = decimals > 7 ? value.toExponential(2) : value.toFixed(decimals);
    const zero = Number(text) === 0;
    return (sign && !zero && value > 0 ? "+" : "") + (zero ? text.replace("-", "") : text.replace(/-/g, "−"));
  }

  const scoreOf = (value, other) => number(value, Math.max(Math.abs(value), Math.abs(other)), false);
  const shadeOf = (value, largest) =>
    largest > 0 ? Math.max(-SHADES, Math.min(SHADES, Math.round((SHADES * value) / largest))) : 0;

  // Data

  /** The full symmetric matrix of a level; NaN where an entry was not computed. */
  function decode(level) {
    const size = level.units.length;
    const matrix = new Float64Array(size * size);
    let row = 0;
    let column = 0;
    const put = (value, times) => {
      for (let n = 0; n < times; n += 1) {
        matrix[row * size + column] = value;
        matrix[column * size + row] = value;
        column += 1;
        if (column === size) {
          row += 1;
          column = row;
        }
      }
    };
    for (const code of level.entries ? level.entries.split(" ") : []) {
      if (code[0] === "n") put(NaN, Number(code.slice(1) || 1));
      else if (code[0] === "z") put(0, Number(code.slice(1) || 1));
      else put(Number(code) * level.step, 1);
    }
    return matrix;
  }

  function open(level) {
    const size = level.units.length;
    const matrix = decode(level);
    const pairs = [];
    const known = { off: 0, all: 0 };
    let missing = 0;
    for (let u = 0; u < size; u += 1) {
      for (let v = u; v < size; v += 1) {
        const value = matrix[u * size + v];
        if (Number.isNaN(value)) {
          missing += u === v ? 0 : 1;
          continue;
        }
        known.all = Math.max(known.all, Math.abs(value));
        if (u === v) continue;
        known.off = Math.max(known.off, Math.abs(value));
        if (value !== 0) pairs.push([u, v, value]);
      }
    }
    pairs.sort((a, b) => Math.abs(b[2]) - Math.abs(a[2]) || a[0] - b[0] || a[1] - b[1]);
    const ig = level.ig.map((value) => (value === null ? NaN : value));
    return {
      level,
      size,
      pairs,
      missing,
      ig,
      largest: known,
      largestIg: ig.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0),
      value: (u, v) => matrix[u * size + v],
      name: (u) => isolate(level.units[u]),
    };
  }

  const limit = () => (state.diagonal ? view.largest.all : view.largest.off);
  const shownPairs = () => view.pairs.slice(0, state.pairs);
  const active = () => state.pinned ?? state.hovered;

  // One text

  function show(index, { keepPlace = false } = {}) {
    state.text = index;
    state.pinned = state.hovered = state.pointed = null;
    const levels = texts[index].levels;
    view = open(levels.find((level) => level.name === state.level) ?? levels[0]);
    renderVerdict();
    renderLevels(levels);
    renderSlider();
    renderSentence();
    renderMatrix();
    renderTables();
    refresh();
    for (const entry of document.querySelectorAll(".entry")) {
      const chosen = Number(entry.dataset.index) === index;
      entry.setAttribute("aria-selected", String(chosen));
      entry.tabIndex = chosen ? 0 : -1;
    }
    if (!keepPlace && texts.length > 1) history.replaceState(null, "", `#${index + 1}`);
    renderSteps();
  }

  function renderVerdict() {
    const { level } = view;
    at("verdict").textContent = level.prediction;
    at("explained").textContent =
      `${level.others.length ? `Others: ${level.others.join(", ")}. ` : ""}Explained: the ${level.target}, ` +
      `f(x) = ${scoreOf(...level.f)}, against f(x′) = ${scoreOf(level.f[1], level.f[0])} at the baseline: ${level.baseline}.`;
    const [first, ...rest] = level.certificate;
    at("certificate").classList.toggle("failed", !level.converged);
    at("certificate").querySelector("p").replaceChildren(
      level.converged ? first : element("strong", { text: first }),
      ` ${rest.join(" ")}`,
    );
    at("warnings").hidden = level.warnings.length === 0;
    at("warnings").replaceChildren(...level.warnings.map((text) => element("li", { text })));
    at("facts").textContent = [
      `Model ${level.model}`,
      `formulation ${level.formulation}`,
      `${level.nodes} points on the path`,
      `${view.size} units`,
      document.querySelector("meta[name=generator]").content,
    ].join(" · ");
  }

  function renderLevels(levels) {
    const box = at("levels");
    box.hidden = levels.length < 2;
    box.replaceChildren(box.querySelector("legend"));
    for (const { name } of levels) {
      const input = element("input", { type: "radio", name: "level", value: name });
      input.checked = name === view.level.name;
      input.addEventListener("change", () => {
        state.level = name;
        show(state.text, { keepPlace: true });
        at("levels").querySelector(`input[value="${CSS.escape(name)}"]`).focus();
      });
      box.append(element("label", {}, input, name));
    }
  }

  function renderSlider() {
    const most = Math.min(view.pairs.length, MOST_ARCS);
    const slider = at("pairs");
    slider.max = String(most);
    slider.value = String(Math.min(state.pairs, most));
    slider.disabled = most === 0;
    nameSlider();
  }

  function nameSlider() {
    const count = Math.min(state.pairs, view.pairs.length);
    at("pairs-shown").value = view.pairs.length ? `${count} of ${view.pairs.length}` : "none";
    at("pairs").setAttribute("aria-valuetext", `${count} of ${view.pairs.length} pairs`);
  }

  // The text

  function renderSentence() {
    const box = at("sentence");
    const { sides } = view.level;
    box.replaceChildren();
    words = [];
    reading = [];
    sides.forEach((pieces, side) => {
      if (sides.length > 1) box.append(element("p", { className: "side", text: side ? "Second text" : "First text" }));
      const line = element("p", { dir: "auto", className: "line" });
      for (const piece of pieces) {
        if (typeof piece === "string") {
          line.append(piece);
          continue;
        }
        const [between, unit, shown] = piece;
        line.append(between);
        const word = element("span", { className: "word", role: "button", "aria-pressed": "false", text: shown });
        word.dataset.unit = unit;
        word.tabIndex = reading.length ? -1 : 0;
        words[unit] = word;
        reading.push(unit);
        line.append(word);
      }
      box.append(line);
    });
    box.append(drawing("svg", { "aria-hidden": "true" }));
    drawArcs();
  }

  /** Words grouped by the visual line they stand on, in reading order, with their boxes relative to the text. */
  function measure() {
    const box = at("sentence").getBoundingClientRect();
    const lines = [];
    const places = [];
    const extent = { left: Infinity, right: -Infinity };
    let paragraph = null;
    for (const unit of reading) {
      const rect = words[unit].getClientRects()[0] ?? words[unit].getBoundingClientRect();
      const parent = words[unit].parentElement;
      let line = lines.at(-1);
      if (!line || parent !== paragraph || Math.abs(rect.top - box.top - line.top) > rect.height / 2) {
        line = { top: rect.top - box.top, bottom: rect.bottom - box.top, first: unit, strut: unit, up: 0, down: 0 };
        line.rtl = getComputedStyle(parent).direction === "rtl";
        lines.push(line);
        paragraph = parent;
      } else if (words[line.strut].getClientRects().length > 1) {
        line.strut = unit; // a word that is cut over two lines ends on the other one
      }
      extent.left = Math.min(extent.left, rect.left - box.left);
      extent.right = Math.max(extent.right, rect.right - box.left);
      places[unit] = { line, left: rect.left - box.left, width: rect.width, centre: rect.left - box.left + rect.width / 2 };
    }
    return { lines, places, extent };
  }

  /** One stretch for each line that an arc touches: it leaves at the margin and goes on at the other one. */
  function stretches(layout) {
    return shownPairs().flatMap(([u, v, value], rank) => {
      let [first, last] = [layout.places[u], layout.places[v]];
      let [a, b] = [u, v];
      if (layout.lines.indexOf(first.line) > layout.lines.indexOf(last.line)) {
        [first, last, a, b] = [last, first, b, a];
      }
      const shared = { rank, up: value > 0 };
      if (first.line === last.line) {
        return [{ ...shared, line: first.line, ends: [{ unit: a, x: first.centre }, { unit: b, x: last.centre }] }];
      }
      const { left, right } = layout.extent;
      const leave = first.line.rtl ? left - MARGIN : right + MARGIN;
      const enter = last.line.rtl ? right + MARGIN : left - MARGIN;
      return [
        { ...shared, line: first.line, ends: [{ unit: a, x: first.centre }, { unit: null, x: leave }] },
        { ...shared, line: last.line, ends: [{ unit: null, x: enter }, { unit: b, x: last.centre }] },
      ];
    });
  }

  /** Short arcs get the lanes next to the words; a lane holds arcs that do not touch. */
  function chooseLanes(parts) {
    const length = (part) => Math.abs(part.ends[0].x - part.ends[1].x);
    const lanes = new Map();
    for (const part of [...parts].sort((a, b) => length(a) - length(b))) {
      const from = Math.min(part.ends[0].x, part.ends[1].x);
      const to = Math.max(part.ends[0].x, part.ends[1].x);
      if (!lanes.has(part.line)) lanes.set(part.line, { up: [], down: [] });
      const side = lanes.get(part.line)[part.up ? "up" : "down"];
      let lane = side.findIndex((taken) => taken.every(([a, b]) => to < a || b < from));
      if (lane < 0) lane = side.push([]) - 1;
      side[lane].push([from, to]);
      part.lane = lane + 1;
      part.line[part.up ? "up" : "down"] = side.length;
    }
  }

  /** Arcs that end at one word stand side by side, ordered so that they do not cross. */
  function spreadEnds(parts, places) {
    const groups = new Map();
    for (const part of parts) {
      part.ends.forEach((end, which) => {
        if (end.unit === null) return;
        const key = `${end.unit} ${part.up}`;
        const right = part.ends[1 - which].x > end.x;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push({ end, order: right ? 1000 - part.lane : part.lane - 1000 });
      });
    }
    for (const group of groups.values()) {
      // Left-going arcs first, the outermost nearest to the middle; then right-going ones mirrored.
      group.sort((a, b) => a.order - b.order);
      const { centre, width } = places[group[0].end.unit];
      const gap = Math.min(7, (0.8 * width) / group.length);
      group.forEach(({ end }, n) => {
        end.x = centre + (n - (group.length - 1) / 2) * gap;
      });
    }
  }

  function outline(part, pitch) {
    const [a, b] = part.ends[0].x <= part.ends[1].x ? part.ends : [part.ends[1], part.ends[0]];
    const base = part.up ? part.line.top - 1 : part.line.bottom + 1;
    const height = (part.up ? -1 : 1) * (3 + part.lane * pitch);
    const level = base + height;
    const bend = Math.min(7, (b.x - a.x) / 2, Math.abs(height));
    const turn = level - Math.sign(height) * bend;
    const rise = a.unit === null ? `M${a.x} ${level}` : `M${a.x} ${base}V${turn}Q${a.x} ${level} ${a.x + bend} ${level}`;
    const fall = b.unit === null ? `H${b.x}` : `H${b.x - bend}Q${b.x} ${level} ${b.x} ${turn}V${base}`;
    return rise + fall;
  }

  function drawArcs() {
    const box = at("sentence");
    for (const word of words) word?.classList.remove("opens");
    let layout = measure();
    let parts = stretches(layout);
    chooseLanes(parts);
    const most = Math.max(0, ...layout.lines.map((line) => Math.max(line.up, line.down)));
    const pitch = most > 12 ? 5 : most > 6 ? 7 : 9;
    makeRoom(layout, pitch);
    const lanes = new Map(parts.map((part, n) => [n, part.lane]));
    layout = measure(); // the same lines, further apart
    parts = stretches(layout);
    parts.forEach((part, n) => {
      part.lane = lanes.get(n) ?? 1;
    });
    spreadEnds(parts, layout.places);

    const canvas = box.querySelector("svg");
    canvas.replaceChildren();
    shownPairs().forEach(([u, v, value], rank) => {
      const arc = drawing("g", { className: `arc${value < 0 ? " negative" : ""}` });
      arc.dataset.pair = `${u} ${v}`;
      arc.append(drawing("title", { text: pairInWords(u, v) }));
      for (const part of parts.filter((part) => part.rank === rank)) {
        const path = drawing("path", { d: outline(part, pitch) });
        path.style.strokeWidth = `${1 + 3.5 * Math.abs(value / view.largest.off)}px`;
        arc.append(path);
      }
      arc.addEventListener("pointerenter", () => point([u, v]));
      arc.addEventListener("pointerleave", () => point(null));
      canvas.prepend(arc); // the strongest on top
    });
  }

  /** An empty inline box with a line height on one word of each line keeps the room that the line's arcs need. */
  function makeRoom({ lines }, pitch) {
    for (const { strut, top, bottom, up, down } of lines) {
      const above = up ? up * pitch + 8 : 0;
      const below = down ? down * pitch + 8 : 0;
      const word = words[strut];
      word.style.setProperty("--room", `${above + below + 1.1 * (bottom - top)}px`);
      word.style.setProperty("--lift", `${(above - below) / 2}px`);
      word.classList.toggle("opens", above + below > 0);
    }
  }

  /** Letters are a little wider or narrower on paper: without this, lines could break elsewhere than they were measured. */
  function fixLines() {
    for (const [n, line] of measure().lines.entries()) {
      if (n > 0 && words[line.first].previousSibling) words[line.first].before(element("br", { className: "turn" }));
    }
    at("sentence").classList.add("fixed");
  }

  // What follows the pointer and the focus

  function pairInWords(u, v) {
    const value = view.value(u, v);
    if (u === v) return `${view.name(u)} with itself: ${number(value, view.largest.all)}`;
    if (Number.isNaN(value)) return `${view.name(u)} × ${view.name(v)}: not computed`;
    const both = number(2 * value, view.largest.off);
    return `${view.name(u)} × ${view.name(v)}: Γ = ${number(value, view.largest.off)}, contributes 2Γ = ${both}`;
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
      state.diagonal ? `itself ${number(view.value(u, u), view.largest.all)}` : "",
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
      else if (u === unit && !state.diagonal) tint(word, 0, 1);
      else tint(word, view.value(unit, u), limit());
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
    const largest = unit === null ? view.largestIg : limit();
    at("legend-name").textContent =
      unit === null
        ? "Shading: Integrated Gradients, what each word adds to the score."
        : `Shading: interaction with “${view.name(unit)}”${state.pinned === null ? "" : " (pinned)"}.`;
    at("legend-low").textContent = number(-largest, largest);
    at("legend-high").textContent = number(largest, largest);
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

  // Matrix

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
    const strip = margin + size * cell + Math.round(cell / 2); // the column of Integrated Gradients
    const width = strip + cell + (slanted ? Math.ceil(0.75 * margin) : 4);
    const height = head + size * cell + 2;
    grid = { margin, head, cell, size, strip };

    const picture = drawing("svg", {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `Matrix of ${size} by ${size} interactions, with Integrated Gradients in a last column. The strongest pairs stand in the table.`,
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
      const found = cellUnder(event);
      if (String(found) !== String(state.pointed)) point(found);
    });
    picture.addEventListener("pointerleave", () => point(null));
    picture.addEventListener("click", (event) => {
      const found = rowUnder(event);
      if (found !== null) pin(found);
    });
    box.replaceChildren(picture);
    at("matrix-key").textContent = [
      state.diagonal
        ? `The outlined diagonal is what a unit does by itself, no interaction; the scale ends at ±${number(limit(), limit(), false)}.`
        : `The diagonal is hidden; the scale ends at ±${number(limit(), limit(), false)}.`,
      `IG: Integrated Gradients, the sum of a row, on its own scale (±${number(view.largestIg, view.largestIg, false)}).`,
      view.missing ? "Hatched: not computed." : "",
    ].join(" ");
  }

  function cells() {
    const { margin, head, cell, size, strip } = grid;
    const shades = new Map();
    const diagonal = { shown: [], hidden: [] };
    const values = [];
    const fill = (x, y, value, largest) => {
      const shade = Number.isFinite(value) ? shadeOf(value, largest) : "hatch";
      if (shade === 0) return;
      if (!shades.has(shade)) shades.set(shade, []);
      shades.get(shade).push(`M${x} ${y}h${cell}v${cell}h${-cell}z`);
    };
    const write = (x, y, value, largest) => {
      if (cell < 40 || !Number.isFinite(value)) return;
      values.push(
        drawing("text", {
          className: "value",
          x: x + cell / 2,
          y: y + cell / 2 + 4,
          "text-anchor": "middle",
          "font-size": 11,
          text: number(value, largest),
          "data-shade": shadeOf(value, largest),
        }),
      );
    };
    for (let u = 0; u < size; u += 1) {
      const y = head + u * cell;
      for (let v = 0; v < size; v += 1) {
        const x = margin + v * cell;
        if (u === v && !state.diagonal) {
          diagonal.hidden.push(`M${x} ${y}l${cell} ${cell}`);
          continue;
        }
        if (u === v) diagonal.shown.push(`M${x} ${y}h${cell}v${cell}h${-cell}z`);
        fill(x, y, view.value(u, v), limit());
        write(x, y, view.value(u, v), limit());
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
      drawing("path", { className: "own", d: diagonal.shown.join("") }),
      drawing("path", { className: "hidden", d: diagonal.hidden.join("") }),
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
      ...(size ? [column(strip, "IG")] : []),
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
    return u === null || v === null || (u === v && !state.diagonal) ? null : [Math.min(u, v), Math.max(u, v)];
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

  // Tables

  function renderTables() {
    const { spread } = view.level;
    at("spread-head").hidden = !spread;
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
        element("td", { className: "number", text: number(2 * value, view.largest.off) }),
      );
      if (spread) row.append(element("td", { className: "number", text: number(spread[`${u} ${v}`] ?? null, view.largest.off, false) }));
      row.dataset.pair = `${u} ${v}`;
      row.addEventListener("pointerenter", () => point([u, v]));
      row.addEventListener("pointerleave", () => point(null));
      return row;
    });
    at("table").tBodies[0].replaceChildren(...rows);
    at("table-note").textContent = [
      view.pairs.length ? "" : "No pair interacts.",
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

  // The list of texts

  let listed = [];
  const first = (index) => texts[index].levels[0];

  /** What tells apart entries that may share a text. */
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
      const { label, explained, confidence, converged, regression } = first(index);
      return (
        (!query || sought(index).toLocaleLowerCase().includes(query)) &&
        (!at("filter-label").value || label === at("filter-label").value) &&
        (!at("filter-explained").value || explained === at("filter-explained").value) &&
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
      const values = [...new Set(texts.map((_, index) => first(index)[key]))].sort();
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

  // Events of the text

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
    at("pairs").addEventListener("input", () => {
      state.pairs = Number(at("pairs").value);
      nameSlider();
      drawArcs();
      renderTables();
      refresh();
    });
    at("diagonal").addEventListener("change", () => {
      state.diagonal = at("diagonal").checked;
      renderMatrix();
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
})();
