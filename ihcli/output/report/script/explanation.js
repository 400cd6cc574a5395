// The text that is chosen: what was predicted, how exact it is, its levels, the score from baseline to text.

function show(index, { keepPlace = false } = {}) {
  state.text = index;
  state.pinned = state.hovered = state.pointed = null;
  const levels = ofTarget(texts[index].levels);
  view = open(levels.find((level) => level.name === state.level) ?? levels[0]);
  renderVerdict();
  renderPath();
  renderRemoval();
  renderTargets(texts[index].levels);
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
  const [verdict, ...rest] = level.certificate;
  at("certificate").classList.toggle("failed", !level.converged);
  at("certificate").querySelector("p").replaceChildren(
    level.converged ? verdict : element("strong", { text: verdict }),
    ` ${rest.join(" ")}`,
  );
  const [positive, negative] = level.direction.map(isolate);
  const others = new Set(texts.map((_, index) => first(index).explained)).size > 1;
  at("direction").textContent = [
    `Arcs above the text: the pair ${positive}; below: it ${negative}.`,
    others ? "Each text has colours and arcs for its own explained label." : "",
    level.meaning ? `${level.meaning}.` : "",
  ].filter(Boolean).join(" ");
  at("warnings").hidden = level.warnings.length === 0;
  at("warnings").replaceChildren(...level.warnings.map((text) => element("li", { text })));
  at("facts").textContent = [
    `Model ${level.model}`,
    `formulation ${level.formulation}`,
    `${level.nodes} nodes`,
    `${view.size} units`,
    document.querySelector("meta[name=generator]").content,
  ].join(" · ");
}

/** The score on the way from the baseline to the text, for results whose entries nearly cancel. */
function renderPath() {
  const { cancels, path, f } = view.level;
  at("cancels").hidden = !cancels;
  if (!cancels) return;
  at("cancels").querySelector("summary").textContent = cancels + (path ? " Show the score from baseline to text." : "");
  const [width, height, room] = [480, 150, 58];
  const scores = [...(path?.f ?? []), ...f];
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const x = (t) => room + (width - 2 * room) * t;
  const y = (score) => 12 + ((height - 36) * (high - score)) / (high - low || 1);
  const label = (left, top, text, anchor) => drawing("text", { x: left, y: top, text, "text-anchor": anchor });
  const picture = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `The score from the baseline (${scoreOf(f[1], f[0])}) to the text (${scoreOf(...f)})` });
  picture.append(
    drawing("line", { className: "zero", x1: x(0), x2: x(1), y1: y(f[1]), y2: y(f[1]) }),
    drawing("polyline", { points: (path?.t ?? []).map((t, n) => `${x(t).toFixed(1)},${y(path.f[n]).toFixed(1)}`).join(" ") }),
    label(x(0) - 6, y(f[1]) + 4, scoreOf(f[1], f[0]), "end"),
    label(x(1) + 6, y(f[0]) + 4, scoreOf(...f), "start"),
    label(x(0), height - 6, "baseline", "middle"),
    label(x(1), height - 6, "text", "middle"),
  );
  at("path").replaceChildren(...(path ? [picture] : []));
}

/** What the model says of the text, and of what is left of it without the units of strong pairs. */
function renderRemoval() {
  const { level } = view;
  const { removal } = level;
  at("removal").hidden = !removal;
  if (!removal) return;
  at("removal-sentence").textContent = removal.sentence;
  const largest = Math.max(...level.f.map(Math.abs), ...removal.pairs.map(({ effect }) => Math.abs(effect)));
  const row = ({ without, text, label, probability, score }) =>
    element(
      "tr",
      {},
      element("td", { text: without.length === level.units.length ? "all" : without.map((u) => view.name(u)).join(", ") || "nothing" }),
      element("td", {}, element("bdi", { text: text || "(no words)" })),
      element("td", { text: level.regression ? "" : label }),
      element("td", { className: "number", text: probability === null ? "" : number(probability, 1, false) }),
      element("td", { className: "number", text: number(score, largest) }),
    );
  const whole = level.pair ? `${level.text} / ${level.pair}` : level.text;
  const groups = removal.pairs.map(({ units, interaction, effect, texts: rest }) => {
    const pair = units.map((u) => view.name(u)).join(" × ");
    const entry = `${level.words.entry} ${number(interaction, view.largest.off)}`;
    const heading = `${pair}: ${entry} in the matrix; by removal they add ${number(effect, largest)} together`;
    return element(
      "tbody",
      {},
      element("tr", {}, element("th", { colspan: 5, scope: "rowgroup", text: heading })),
      ...rest.map(row),
    );
  });
  for (const body of [...at("removed").tBodies]) body.remove();
  at("removed-probability").textContent = `${level.regression ? "" : "p of "}${level.explained}`;
  const text = { without: [], text: whole, label: level.label, probability: removal.whole, score: level.f[0] };
  at("removed").append(element("tbody", {}, row(text), ...removal.single.map(row)), ...groups);
}

/** The levels of the label that was chosen, else of the predicted one, else of the first. */
function ofTarget(levels) {
  const shown =
    levels.find((level) => level.index === state.target) ??
    levels.find((level) => level.explained === level.label) ??
    levels[0];
  return levels.filter((level) => level.index === shown.index);
}

/** The labels that this text is explained for. */
function renderTargets(levels) {
  const choices = new Map(levels.map(({ index, choice }) => [index, choice]));
  at("by-target").hidden = choices.size < 2;
  at("target").replaceChildren(
    ...[...choices].map(([index, choice]) => element("option", { value: String(index), text: choice })),
  );
  at("target").value = String(view.level.index);
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
