// Checks of a recording from a file: everything that the page draws or writes, in every frame.

import { fields, get } from "./panel.js";

const LARGEST = 1e30; // of a scale, far below the largest number that a Float32Array holds

const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const short = (v) => (v === undefined ? "nothing" : Array.isArray(v) ? `a list of ${v.length}` : isObject(v) ? "an object" : typeof v === "string" ? JSON.stringify(v.slice(0, 20)) : String(v));

function refuse(where, expected, found) {
  throw new Error(`recording: ${where}: expected ${expected}, got ${found}; open a file that the lab saved`);
}

// A check takes the place in words, the value, and sizes by name, which arrays of a game share.
const number = (where, v) => { if (!Number.isFinite(v)) refuse(where, "a finite number", short(v)); };
const positive = (where, v) => { if (!(Number.isFinite(v) && v > 0)) refuse(where, "a number above 0", short(v)); };
const text = (where, v) => { if (typeof v !== "string") refuse(where, "text", short(v)); };

/** A list of values that pass a check: of a length, or of the length with a name. */
const list = (check, size) => (where, v, sizes) => {
  const length = typeof size === "string" ? sizes[size] : size;
  if (!Array.isArray(v) || (length !== undefined && v.length !== length)) refuse(where, `a list${length === undefined ? "" : ` of ${length}`}`, short(v));
  v.forEach((each, i) => check(`${where}[${i}]`, each, sizes));
};

/** A packed array; a name in its shape is a size that is at least 1 and the same wherever it occurs. */
const array = (...shape) => (where, v, sizes) => {
  if (!isObject(v)) refuse(where, "an array", short(v));
  const given = v.shape, fits = Array.isArray(given) && given.length === shape.length && given.every((n, k) => Number.isInteger(n) && n >= 1 && n === (typeof shape[k] === "string" ? sizes[shape[k]] ?? n : shape[k]));
  if (!fits) refuse(`${where}.shape`, `(${shape.map((n) => sizes[n] ?? n).join(", ")})`, Array.isArray(given) ? `(${given.slice(0, 4).map(short).join(", ")})` : short(given));
  shape.forEach((n, k) => { if (typeof n === "string") sizes[n] = given[k]; });
  packed(where, v);
};

function packed(where, { shape, scale, data }) {
  number(`${where}.scale`, scale);
  if (Math.abs(scale) > LARGEST) refuse(`${where}.scale`, `a number up to ${LARGEST}`, short(scale));
  text(`${where}.data`, data);
  const count = shape.reduce((product, n) => product * n, 1);
  let bytes;
  try { bytes = atob(data).length; } catch { refuse(`${where}.data`, "base64", short(data)); }
  if (bytes !== 2 * count) refuse(`${where}.data`, `${count} numbers of 2 bytes`, `${bytes} bytes`);
}

/** Arrows at the first samples. */
const arrows = (where, v, sizes) => {
  array("arrows", 2)(where, v, sizes);
  if (sizes.arrows > sizes.samples) refuse(where, `at most ${sizes.samples} arrows, one for each sample`, sizes.arrows);
};

/** Paths of a policy, of which there are none before training. */
const paths = (where, v, sizes) => {
  const none = Array.isArray(v?.shape) && v.shape.length === 3 && v.shape[0] === 0;
  none ? packed(where, v) : array("paths", "path", 2)(where, v, sizes);
};

const SCENES = {
  generate: { bound: positive, real: array("real", 2), modes: number },
  adaptation: {
    bound: positive, source: array("source", 2), target: array("target", 2),
    source_classes: list(number, "source"), target_classes: list(number, "target"),
  },
  fairness: { bound: positive, people: array("people", 2), groups: list(number, "people"), classes: list(number, "people") },
  imitation: { low: number, high: number, walls: list(list(number, 3)), goal: list(number, 2), expert: array("expert", "step", 2) },
  dirac: { bound: positive, points: array("field", 2), arrows: array("field", 2) },
};
const FRAMES = {
  generate: { fake: array("samples", 2), surface: array("rows", "columns"), manifold: array("lines", "line", 2), arrows },
  adaptation: { surface: array("rows", "columns"), source_features: array("source", 2), target_features: array("target", 2) },
  fairness: { surface: array("rows", "columns") },
  imitation: { surface: array("rows", "columns"), policy: paths },
  dirac: { trail: array("trail", 2) },
};

/** Check the named values of an object, and that every other array can be unpacked. */
function each(where, object, checks, sizes) {
  for (const [name, check] of Object.entries(checks)) check(`${where}: ${name}`, object[name], sizes);
  for (const [name, value] of Object.entries(object)) {
    if (isObject(value) && name !== "figures" && !(name in checks)) array(...[value.shape].flat().map((_, k) => `axis ${k}`))(`${where}: ${name}`, value, {});
  }
}

function settings(where, value, catalogue) {
  for (const { path, kind } of fields(value.kind, catalogue)) {
    const v = get(value, path), place = `${where}: settings.${path}`;
    if (kind === "sizes") list(number)(place, v);
    else if (kind === "number") number(place, v);
    else if (kind === "text") text(place, v);
    else if (typeof v !== "string" && !Number.isFinite(v)) refuse(place, "text or a number", short(v));
  }
  if (value.kind === "generate") list(list(number, 2))(`${where}: settings.data.points`, value.data.points);
}

/** Check what a recording states about a game, and return the sizes of its arrays. */
function scene(where, game, catalogue) {
  for (const name of ["settings", "scene"]) if (!isObject(game?.[name])) refuse(`${where}: ${name}`, "an object", short(game?.[name]));
  const kind = game.settings.kind, sizes = {};
  if (!Object.hasOwn(SCENES, kind)) refuse(`${where}: settings.kind`, `one of ${Object.keys(SCENES).join(", ")}`, short(kind));
  settings(where, game.settings, catalogue);
  each(where, game.scene, { ...SCENES[kind], chain: text }, sizes);
  if (kind === "imitation" && !(game.scene.low < game.scene.high)) refuse(`${where}: high`, `a number above ${game.scene.low}`, short(game.scene.high));
  return sizes;
}

function frame(where, kind, game, sizes) {
  if (!isObject(game)) refuse(where, "an object", short(game));
  each(where, game, { step: number, health: text, ...FRAMES[kind] }, { ...sizes });
  if (!isObject(game.figures)) refuse(`${where}: figures`, "an object", short(game.figures));
  for (const [name, value] of Object.entries(game.figures)) if (value !== null) number(`${where}: figures.${name}`, value);
}

/** Check a recording; throw an Error with one line that says where and what is wrong. */
export function check(value, catalogue) {
  if (value?.advlearn_lab !== 1) refuse("advlearn_lab", "1", short(value?.advlearn_lab));
  const games = value.started?.games, frames = value.frames;
  if (!Array.isArray(games) || !games.length || games.length > 2) refuse("started.games", "a list of 1 or 2", short(games));
  if (!Array.isArray(frames) || !frames.length) refuse("frames", "a list of at least 1", short(frames));
  const named = (k) => (games.length > 1 ? `, game ${"AB"[k]}` : "");
  const sizes = games.map((game, k) => scene(`start${named(k)}`, game, catalogue));
  frames.forEach((given, i) => {
    const where = `frame ${i + 1} of ${frames.length}`;
    if (!Array.isArray(given?.games) || given.games.length !== games.length) refuse(`${where}: games`, `a list of ${games.length}`, short(given?.games));
    given.games.forEach((game, k) => frame(where + named(k), games[k].settings.kind, game, sizes[k]));
  });
}
