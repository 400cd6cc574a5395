// What the page holds and what it shows now. Text reaches the page through textContent and attributes only.

const SVG = "http://www.w3.org/2000/svg";
const SHADES = 24; // from zero to either end, as in the style sheet
const MOST_ARCS = 60;
const MARGIN = 9; // how far an arc runs past the text where its line ends
const PAPER_WIDTH = 640; // 17 cm, as in the print style
const HINT = "Hover a word to see what it interacts with; click to pin it. Keys: arrows move, Enter pins, Escape unpins.";

const { texts } = JSON.parse(document.getElementById("report-data").textContent);
const at = (id) => document.getElementById(id);

const state = {
  text: 0,
  level: texts[0].levels[0].name,
  target: null, // the index of the label that was chosen
  pairs: 6,
  pinned: null, // a unit
  hovered: null, // a unit under the pointer or with the focus
  pointed: null, // a pair [u, v] under the pointer
  printing: false,
};
let view = null; // the level that is shown, decoded
let words = []; // element of each unit
let reading = []; // units in reading order

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

const isolate = (text) => `\u2068${text}\u2069`; // the direction of a right-to-left word ends with it

/** A number with the decimals that give `largest` three significant digits. */
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

const shownPairs = () => view.pairs.slice(0, state.pairs);
const active = () => state.pinned ?? state.hovered;
