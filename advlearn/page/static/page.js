// Play a recorded run. The drawing of the plane, above, is that of the lab.

const run = JSON.parse(document.getElementById("run").textContent);
const $ = (id) => document.getElementById(id);
const LINES = ["--accent", "--critic", "--real", "--fake", "--bad", "--soft"];
const state = { at: 0, playing: false, on: { real: true, fake: true, surface: true } };

/** Make an element with text, which is never read as HTML. */
function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const frames = run.plane ? run.plane.frames.map((f) => ({
  step: f.step, fake: { values: f.fake, shape: [f.fake.length / 2, 2] },
  surface: f.surface ? { values: f.surface, shape: [run.plane.cells, run.plane.cells] } : null,
})) : run.pictures.map(([step, url]) => ({ step, url }));
const scene = run.plane && { bound: 1, real: { values: run.plane.real, shape: [run.plane.real.length / 2, 2] } };

/** The steps of the slider: those of the frames, and those of verdicts or curves where there are few frames. */
function stepsOfSlider() {
  const steps = new Set(frames.map((f) => f.step));
  const more = run.verdicts.length ? run.verdicts.map((v) => v[0]) : run.panels.flatMap((p) => p.lines.flatMap((l) => l.steps));
  if (steps.size < 50) for (const step of more) steps.add(step);
  const all = [...steps].sort((a, b) => a - b), every = Math.ceil(all.length / 600);
  return all.length ? all.filter((_, i) => i % every === 0 || i === all.length - 1) : [run.step];
}
const steps = stepsOfSlider();

/** The last index whose step is not after a step; 0 where all are. */
function last(list, step, stepOf) {
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; stepOf(list[middle]) <= step ? (low = middle + 1) : (high = middle); }
  return Math.max(0, low - 1);
}

const number = (v) => (v === 0 ? "0" : Math.abs(v) < 1e-3 || Math.abs(v) >= 1e5 ? v.toExponential(2) : String(Number(v.toPrecision(4))));

function fit(canvas, height) {
  const ratio = Math.min(devicePixelRatio || 1, 2), width = Math.round((canvas.clientWidth || 260) * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  return [canvas.getContext("2d"), width, canvas.height, ratio];
}

class Chart {
  constructor(panel) {
    this.panel = panel;
    this.figure = made("figure");
    this.canvas = made("canvas", "", { role: "img" });
    const list = made("ul");
    this.values = panel.lines.map((line, k) => {
      const item = made("li"), mark = made("i"), value = made("b");
      mark.style.background = `var(${LINES[k % LINES.length]})`;
      item.append(mark, made("span", line.name), value);
      list.append(item);
      return value;
    });
    this.figure.append(made("figcaption", panel.title), this.canvas, list);
    const all = panel.lines.flatMap((l) => l.values).concat(panel.reference ?? []);
    [this.low, this.high] = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
    if (this.high - this.low < 1e-12) [this.low, this.high] = [this.low - 0.5, this.high + 0.5];
    this.start = Math.min(0, ...panel.lines.map((l) => l.steps[0] ?? 0));
    this.end = Math.max(1, run.step, ...panel.lines.map((l) => l.steps.at(-1) ?? 0));
    this.canvas.onclick = (event) => {
      const box = this.canvas.getBoundingClientRect();
      seek(last(steps, this.start + ((event.clientX - box.left) / box.width) * (this.end - this.start), (s) => s));
    };
  }

  draw(step) {
    const [c, width, height, ratio] = fit(this.canvas, 150);
    const x = (s) => ((s - this.start) / (this.end - this.start)) * (width - 4) + 2;
    const y = (v) => height - 6 - ((v - this.low) / (this.high - this.low)) * (height - 12);
    c.clearRect(0, 0, width, height);
    const segment = (x0, y0, x1, y1, colour, dash) => {
      c.strokeStyle = css(colour); c.setLineDash(dash); c.lineWidth = ratio;
      c.beginPath(); c.moveTo(x0, y0); c.lineTo(x1, y1); c.stroke(); c.setLineDash([]);
    };
    if (this.panel.reference !== null) segment(0, y(this.panel.reference), width, y(this.panel.reference), "--soft", [4 * ratio, 4 * ratio]);
    this.panel.lines.forEach((line, k) => {
      c.strokeStyle = c.fillStyle = css(LINES[k % LINES.length]);
      c.lineWidth = 1.7 * ratio;
      c.beginPath();
      line.values.forEach((v, i) => (i ? c.lineTo(x(line.steps[i]), y(v)) : c.moveTo(x(line.steps[i]), y(v))));
      c.stroke();
      if (line.values.length < 30) line.values.forEach((v, i) => c.fillRect(x(line.steps[i]) - 1.5 * ratio, y(v) - 1.5 * ratio, 3 * ratio, 3 * ratio));
      const at = last(line.steps, step, (s) => s);
      this.values[k].textContent = line.steps.length && line.steps[at] <= step ? number(line.values[at]) : "–";
    });
    segment(x(step), 0, x(step), height, "--ink", []);
    c.fillStyle = css("--soft");
    c.font = `${10 * ratio}px sans-serif`;
    c.fillText(number(this.high), 3 * ratio, 11 * ratio);
    c.fillText(number(this.low), 3 * ratio, height - 3 * ratio);
    const said = this.panel.lines.map((l, k) => `${l.name} ${this.values[k].textContent}`).join(", ");
    this.canvas.setAttribute("aria-label", `${this.panel.title}: ${said}; range ${number(this.low)} to ${number(this.high)}`);
  }
}

const charts = run.panels.map((panel) => new Chart(panel));

function drawFrame(step, share) {
  if (!frames.length) return;
  const at = last(frames, step, (f) => f.step), frame = frames[at], note = `step ${frame.step}`;
  if (run.plane) {
    const next = share > 0 && steps.length === frames.length ? frames[at + 1] : null, canvas = $("plane").querySelector("canvas");
    const layers = { ...state.on, surface: state.on.surface && Boolean(frame.surface) };
    drawings.generate(canvas, scene, next ? { fake: next.fake, surface: frame.surface } : frame, next && frame, share, layers);
    canvas.setAttribute("aria-label", `real and generated samples in the plane, ${note}`);
    $("plane").querySelector("figcaption").textContent = `${note}; x from ${run.plane.ranges[0]}, y from ${run.plane.ranges[1]}`;
  } else {
    const image = $("picture").querySelector("img");
    if (image.dataset.step !== String(frame.step)) { image.src = frame.url; image.dataset.step = frame.step; }
    image.alt = `samples at ${note}`;
    $("picture").querySelector("figcaption").textContent = note;
  }
}

let said = null;
function drawHealth(step) {
  const at = last(run.verdicts, step, (v) => v[0]), row = run.verdicts[at];
  const known = row && row[0] <= step, key = known ? at : -1;
  if (key === said) return;
  said = key;
  const lines = known ? Object.entries(row[1]).map(([name, text]) => {
    const p = made("p");
    p.append(made("b", `${name}: `), text);
    return p;
  }) : [made("p", run.verdicts.length ? "no verdict before this step" : "no verdict was recorded")];
  $("health").replaceChildren(made("h2", "Health"), ...lines, ...(known ? [made("p", `at step ${row[0]}`, { class: "when" })] : []));
}

function draw(share = 0) {
  const step = steps[state.at];
  $("slider").value = state.at;
  $("slider").setAttribute("aria-valuetext", `step ${step}`);
  $("step").textContent = `step ${step}`;
  drawFrame(step, share);
  drawHealth(step);
  for (const chart of charts) chart.draw(step);
}

function seek(at) {
  state.at = Math.max(0, Math.min(steps.length - 1, at));
  draw();
}

let loop = 0;
function play(on) {
  if (on && state.at === steps.length - 1) state.at = 0;
  state.playing = on;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
  const mine = ++loop;
  let place = state.at, before = performance.now();
  const move = (now) => {
    if (mine !== loop) return;
    // Few frames are shown for longer, so that a run of three pictures can be seen.
    const rate = Number($("speed").value) * Math.min(1, Math.max(0.1, steps.length / 60));
    place = Math.min(steps.length - 1, place + (Math.max(0, now - before) / 1000) * rate);
    before = now;
    state.at = Math.floor(place);
    draw(place - state.at);
    if (state.at === steps.length - 1) play(false); else requestAnimationFrame(move);
  };
  if (on) requestAnimationFrame(move);
}

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").setAttribute("aria-pressed", String(dark));
  readColours();
  draw();
}

function keys() {
  $("keys").hidden = !$("keys").hidden;
  $("help").setAttribute("aria-expanded", String(!$("keys").hidden));
}

function build() {
  $("title").textContent = run.title;
  $("status").textContent = `${run.step} steps`;
  $("slider").max = steps.length - 1;
  for (const [name, value] of run.recipe) {
    const row = made("tr");
    row.append(made("th", name, { scope: "row" }), made("td", value));
    $("recipe").append(row);
  }
  $("picture").hidden = Boolean(run.plane) || !frames.length;
  $("plane").hidden = $("layers").hidden = !run.plane;
  for (const [name, text, colour] of [["real", "real samples", "real"], ["fake", "generated samples", "fake"], ["surface", "critic's surface", "critic"]]) {
    if (name === "surface" && !frames.some((f) => f.surface)) continue;
    const label = made("label"), box = made("input", "", { type: "checkbox", id: `layer-${name}` }), mark = made("i");
    box.checked = true;
    box.onchange = () => { state.on[name] = box.checked; draw(); };
    mark.style.background = `var(--${colour})`;
    label.append(box, mark, text);
    $("layers").append(label);
  }
  $("curves").append(...charts.map((chart) => chart.figure));
  for (const [name, url] of run.stills) {
    const figure = made("figure");
    figure.append(made("img", "", { src: url, alt: name }), made("figcaption", name));
    $("stills").append(figure);
  }
  $("papers").hidden = !run.papers;
  $("papers").querySelector("pre").textContent = run.papers;
  $("notes").hidden = !run.notes.length;
  $("notes").querySelector("ul").append(...run.notes.map((note) => made("li", note)));
}

function listen() {
  $("play").onclick = () => play(!state.playing);
  $("slider").oninput = () => { play(false); seek(Number($("slider").value)); };
  $("theme").onclick = () => theme(document.documentElement.dataset.theme !== "dark");
  $("help").onclick = keys;
  new ResizeObserver(() => draw()).observe(document.querySelector("main"));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const button = event.target.tagName === "BUTTON" || event.target.type === "checkbox";
    const slider = event.target === $("slider");
    const actions = {
      " ": button ? null : () => play(!state.playing), t: () => $("theme").click(), "?": keys,
      ArrowLeft: slider ? null : () => { play(false); seek(state.at - 1); }, ArrowRight: slider ? null : () => { play(false); seek(state.at + 1); },
      Home: () => { play(false); seek(0); }, End: () => { play(false); seek(steps.length - 1); },
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
}

build();
listen();
theme(matchMedia("(prefers-color-scheme: dark)").matches);
seek(steps.length - 1);
globalThis.page = { run, get step() { return steps[state.at]; }, get playing() { return state.playing; } };
