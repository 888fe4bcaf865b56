// Canvas drawings of each experiment: layers over one plane, with movement between frames.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let colours = {};
export function readColours() {
  for (const name of ["back", "card", "ink", "soft", "line", "accent", "real", "fake", "critic", "bad"]) colours[name] = css(`--${name}`);
  colours.dark = document.documentElement.dataset.theme === "dark";
}

/** Fit the canvas to its size on the screen; return its context and its side in pixels. */
function context(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 2), side = Math.round((canvas.clientWidth || 300) * ratio);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const c = canvas.getContext("2d");
  c.setTransform(1, 0, 0, 1, 0, 0);
  c.globalAlpha = 1; // a picture that failed may have left another
  c.fillStyle = colours.card;
  c.fillRect(0, 0, side, side);
  return [c, side, ratio];
}

/** Functions from the plane to pixels, for a square from low to high. */
const scaler = (low, high, side) => [(x) => ((x - low) / (high - low)) * side, (y) => side - ((y - low) / (high - low)) * side];

const images = new WeakMap();
/** Draw a grid of values in [-1, 1] as a smooth surface: high is green, low is violet. */
export function surface(c, side, grid, strength = 0.75) {
  const [rows, columns] = grid.shape;
  let kept = images.get(grid);
  if (!kept || kept.dark !== colours.dark) {
    const image = new ImageData(columns, rows);
    const high = colours.dark ? [60, 190, 145] : [30, 150, 110], low = colours.dark ? [160, 110, 240] : [135, 80, 215];
    for (let r = 0; r < rows; r++) for (let k = 0; k < columns; k++) {
      const v = grid.values[r * columns + k], i = 4 * ((rows - 1 - r) * columns + k), tone = v > 0 ? high : low;
      image.data.set([...tone, Math.min(255, Math.sqrt(Math.abs(v)) * 200 * strength)], i);
    }
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(image, 0, 0);
    images.set(grid, (kept = { small, dark: colours.dark }));
  }
  c.imageSmoothingEnabled = true;
  c.drawImage(kept.small, 0, 0, side, side);
}

/** Values between two frames of the same shape. */
export function between(a, b, share) {
  if (!a || a === b || a.values.length !== b.values.length) return b;
  const values = new Float32Array(b.values.length);
  for (let i = 0; i < values.length; i++) values[i] = a.values[i] + (b.values[i] - a.values[i]) * share;
  return { shape: b.shape, values };
}

function points(c, [px, py], array, colour, size, shape = "circle", pick = () => true) {
  c.fillStyle = colour;
  c.beginPath();
  for (let i = 0; i < array.values.length / 2; i++) {
    if (!pick(i)) continue;
    const x = px(array.values[2 * i]), y = py(array.values[2 * i + 1]);
    if (shape === "circle") { c.moveTo(x + size, y); c.arc(x, y, size, 0, 7); }
    else if (shape === "square") c.rect(x - size, y - size, 2 * size, 2 * size);
    else { c.moveTo(x, y - 1.4 * size); c.lineTo(x + 1.3 * size, y + size); c.lineTo(x - 1.3 * size, y + size); c.closePath(); }
  }
  c.fill();
}

function line(c, [px, py], values, from, count, step = 2) {
  c.beginPath();
  for (let i = 0; i < count; i++) {
    const k = from + i * step;
    i ? c.lineTo(px(values[k]), py(values[k + 1])) : c.moveTo(px(values[k]), py(values[k + 1]));
  }
  c.stroke();
}

function manifold(c, s, grid, ratio) {
  const [rows, columns] = grid.shape;
  c.strokeStyle = colours.fake;
  c.globalAlpha = 0.55;
  c.lineWidth = columns === 1 ? 2 * ratio : ratio;
  for (let r = 0; columns > 1 && r < rows; r++) line(c, s, grid.values, 2 * r * columns, columns);
  for (let k = 0; k < columns; k++) line(c, s, grid.values, 2 * k, rows, 2 * columns);
  c.globalAlpha = 1;
}

function arrows(c, [px, py], at, steps, length, colour, ratio) {
  c.strokeStyle = c.fillStyle = colour;
  c.lineWidth = 1.3 * ratio;
  for (let i = 0; i < steps.values.length / 2; i++) {
    const dx = steps.values[2 * i], dy = steps.values[2 * i + 1], norm = Math.hypot(dx, dy);
    if (norm < 0.02) continue;
    const grow = (length * Math.sqrt(norm)) / norm;
    const x = px(at.values[2 * i]), y = py(at.values[2 * i + 1]);
    const ex = px(at.values[2 * i] + dx * grow), ey = py(at.values[2 * i + 1] + dy * grow), a = Math.atan2(ey - y, ex - x), h = 4 * ratio;
    c.beginPath();
    c.moveTo(x, y); c.lineTo(ex, ey);
    c.lineTo(ex - h * Math.cos(a - 0.5), ey - h * Math.sin(a - 0.5)); c.moveTo(ex, ey);
    c.lineTo(ex - h * Math.cos(a + 0.5), ey - h * Math.sin(a + 0.5));
    c.stroke();
  }
}

function generate(canvas, scene, frame, before, share, on) {
  const [c, side, ratio] = context(canvas), b = scene.bound, s = scaler(-b, b, side), r = side / 190;
  if (on.surface) surface(c, side, frame.surface);
  if (on.manifold) manifold(c, s, between(before?.manifold, frame.manifold, share), ratio);
  if (on.real) points(c, s, scene.real, colours.real, r);
  const fake = between(before?.fake, frame.fake, share);
  if (on.fake) points(c, s, fake, colours.fake, r);
  if (on.arrows) arrows(c, s, fake, frame.arrows, 0.22, colours.critic, ratio);
}

function adaptation(canvas, scene, frame, before, share, on, view) {
  const [c, side] = context(canvas), r = side / 150;
  const both = [["source", colours.real, "circle"], ["target", colours.fake, "triangle"]];
  const b = view ? 1.08 : scene.bound, s = scaler(-b, b, side);
  if (!view && on.surface) surface(c, side, frame.surface);
  for (const [name, colour, shape] of both) {
    if (!on[name === "source" ? "real" : "fake"]) continue;
    const array = view ? between(before?.[`${name}_features`], frame[`${name}_features`], share) : scene[name];
    const classes = scene[`${name}_classes`];
    points(c, s, array, colour, r, shape, (i) => classes[i] === 1);
    c.globalAlpha = 0.45;
    points(c, s, array, colour, r, shape, (i) => classes[i] === 0);
    c.globalAlpha = 1;
  }
}

function fairness(canvas, scene, frame, before, share, on) {
  const [c, side] = context(canvas), s = scaler(-scene.bound, scene.bound, side), r = side / 160;
  if (on.surface) surface(c, side, between(before?.surface, frame.surface, share));
  for (const [group, colour, shape, layer] of [[0, colours.accent, "square", "real"], [1, colours.critic, "circle", "fake"]]) {
    if (!on[layer]) continue;
    points(c, s, scene.people, colour, r, shape, (i) => scene.groups[i] === group && scene.classes[i] === 1);
    c.globalAlpha = 0.35;
    points(c, s, scene.people, colour, r, shape, (i) => scene.groups[i] === group && scene.classes[i] === 0);
    c.globalAlpha = 1;
  }
}

function imitation(canvas, scene, frame, before, share, on) {
  const [c, side, ratio] = context(canvas), s = scaler(scene.low, scene.high, side);
  if (on.surface) surface(c, side, between(before?.surface, frame.surface, share));
  const paths = (array, colour, width) => {
    if (!array || array.shape.length < 3) return;
    c.strokeStyle = colour;
    c.lineWidth = width * ratio;
    for (let k = 0; k < array.shape[0]; k++) line(c, s, array.values, 2 * k * array.shape[1], array.shape[1]);
  };
  if (on.real) paths(scene.expert, colours.real, 2.5);
  if (on.fake) paths(frame.policy, colours.fake, 1.5);
  c.strokeStyle = colours.ink;
  c.lineWidth = side * 0.04 / (scene.high - scene.low);
  for (const [left, right, y] of scene.walls) { c.beginPath(); c.moveTo(s[0](left), s[1](y)); c.lineTo(s[0](right), s[1](y)); c.stroke(); }
  c.fillStyle = colours.bad;
  c.font = `${side / 16}px sans-serif`;
  c.textAlign = "center";
  c.fillText("★", s[0](scene.goal[0]), s[1](scene.goal[1]) + side / 45);
}

function dirac(canvas, scene, frame, before, share, on) {
  const [c, side, ratio] = context(canvas), s = scaler(-scene.bound, scene.bound, side);
  if (on.arrows) arrows(c, s, scene.points, scene.arrows, 0.24, colours.soft, ratio);
  c.strokeStyle = colours.line;
  c.lineWidth = ratio;
  line(c, s, [-9, 0, 9, 0], 0, 2); line(c, s, [0, -9, 0, 9], 0, 2);
  const trail = frame.trail, n = trail.shape[0];
  c.strokeStyle = colours.accent;
  c.lineWidth = 2 * ratio;
  if (on.fake) line(c, s, trail.values, 0, n);
  points(c, s, { values: trail.values.slice(-2) }, colours.fake, side / 70);
  points(c, s, { values: [0, 0] }, colours.real, side / 90);
}

export const drawings = { generate, adaptation, fairness, imitation, dirac };
export const views = { adaptation: ["samples and decision", "features"] };
export const layers = {
  generate: [["real", "real samples", "real"], ["fake", "generated samples", "fake"], ["surface", "critic's surface", "critic"], ["manifold", "generator's warped grid", "fake"], ["arrows", "gradients", "critic"]],
  adaptation: [["real", "source", "real"], ["fake", "target", "fake"], ["surface", "decision", "critic"]],
  fairness: [["real", "group 0", "accent"], ["fake", "group 1", "critic"], ["surface", "decision", "fake"]],
  imitation: [["real", "expert's paths", "real"], ["fake", "policy's paths", "fake"], ["surface", "learned reward", "critic"]],
  dirac: [["fake", "path of the weights", "accent"], ["arrows", "gradient field", "soft"]],
};
