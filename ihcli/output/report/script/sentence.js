// The text with its arcs.

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

/** Break lines where they were measured to break: letters are a little wider or narrower on paper. */
function fixLines() {
  for (const [n, line] of measure().lines.entries()) {
    if (n > 0 && words[line.first].previousSibling) words[line.first].before(element("br", { className: "turn" }));
  }
  at("sentence").classList.add("fixed");
}
