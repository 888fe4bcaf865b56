// The page: connects the server's messages with drawings, curves, settings and buttons.

import { Curves } from "./curves.js";
import { Drawing } from "./draw.js";
import { Graph } from "./graph.js";
import { Panel } from "./panel.js";
import { drawings, layers, readColours, views } from "./plane.js";
import { Recording } from "./record.js";
import { copyAddress, fromHash } from "./share.js";
import { SlowMotion } from "./slow.js";
import { connect, unpackAll } from "./socket.js";

const $ = (id) => document.getElementById(id);
const lab = (window.lab = { frames: 0, drawn: 0, speed: 0, step: 0, playing: false, replaying: false });
const on = {};
let catalogue, games = [], canvases = [], edited = 0, panel;

const curves = new Curves($("curves"), $("health")), graph = new Graph($("graph")), live = new Recording();
// What the replay bar shows: the live games, or a recording that was opened. Messages of the server
// go to `live` only, so that one that arrives late cannot change an opened recording.
let shown = live;
const slow = new SlowMotion(graph, $("slow-text"), (side) => send({ type: "step", side }), () => games[0]?.latest?.figures ?? {});
const drawing = new Drawing((points) => edit({ ...games[edited].settings, data: { shape: "points", points } }), (t) => refuse(t));
const send = connect({ welcome, started, frame, state, refused: (m) => refuse(m.message) }, (text) => ($("status").textContent = text));

function welcome(message) {
  catalogue = message;
  const groups = new Map();
  message.presets.forEach((preset, k) => {
    if (!groups.has(preset.group)) {
      const group = document.createElement("optgroup");
      group.label = preset.group;
      groups.set(preset.group, group);
      $("preset").append(group);
    }
    groups.get(preset.group).append(new Option(preset.title, k));
  });
  panel = new Panel($("controls"), message, edit, () => drawing.open(games[edited].settings.data.points));
  const shared = fromHash(location.hash);
  shared ? start(shared) : choose(0);
}

function choose(k) {
  $("preset").value = k;
  $("about").textContent = catalogue.presets[k].text;
  start(catalogue.presets[k].games);
}

function start(list) {
  goLive();
  slow.stop();
  press("slow", false);
  edited = 0;
  send({ type: "start", games: list });
}

/** Change a game; where a recording is open, start its games with the change. */
function edit(settings) {
  if (shown !== live) return start(games.map((game, k) => (k === edited ? settings : game.settings)));
  goLive();
  refuse("");
  send({ type: "edit", game: edited, settings });
}

function write(text) {
  $("refused").hidden = !text;
  $("refused").textContent = text;
}

function refuse(text) {
  write(text);
  if (text && games[edited]) panel.show(games[edited].settings, titleOf());
}

function started(message) {
  live.clear(message, isEdit(message));
  if (shown !== live) return;
  goLive();
  display(message);
  state(message);
}

/** Show the games of a message, live ones or those of a recording. */
function display(message) {
  const same = games.length === message.games.length && games.every((g, k) => g.settings.kind === message.games[k].settings.kind);
  games = message.games.map((game) => ({ settings: game.settings, scene: unpackAll(game.scene) }));
  edited = Math.min(edited, Math.max(0, games.length - 1));
  refuse("");
  if (!same) { buildGames(); buildLayers(); }
  games.forEach((game, k) => (canvases[k].caption.textContent = `${games.length > 1 ? `${"AB"[k]}: ` : ""}${game.scene.chain}`));
  graph.element.hidden = games[0].settings.kind !== "generate";
  $("slow").disabled = games[0].settings.kind !== "generate";
  press("pair", games.length > 1);
  panel.show(games[edited].settings, titleOf());
}

/** Whether the live games continue: a start with other games, or a restart, is no edit. */
function isEdit(message) {
  const seeds = (started) => JSON.stringify(started?.games.map((game) => [game.settings.kind, game.settings.seed]));
  const trained = (live.newest?.games[0].step ?? 0) > 0;
  const continues = trained && !lab.restarting && seeds(live.started) === seeds(message);
  lab.restarting = false;
  return continues;
}

const titleOf = () => (games.length > 1 ? `Settings of game ${"AB"[edited]}` : "Settings");

function buildGames() {
  canvases = games.map((game, k) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption"), box = document.createElement("div");
    figure.className = games.length > 1 ? "game two" : "game";
    const names = views[game.settings.kind] ?? [""];
    box.className = names.length > 1 ? "views many" : "views";
    const list = names.map((name) => {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.tabIndex = 0;
      canvas.setAttribute("aria-label", `${game.settings.kind} ${name}`);
      box.append(canvas);
      return canvas;
    });
    figure.append(box, caption);
    if (games.length > 1) {
      const button = document.createElement("button");
      button.textContent = `Edit ${"AB"[k]}`;
      button.className = "choose-game";
      button.onclick = () => { edited = k; panel.show(games[k].settings, titleOf()); };
      figure.append(button);
    }
    return { figure, caption, list };
  });
  $("games").replaceChildren(...canvases.map((c) => c.figure));
}

function buildLayers() {
  const fields = layers[games[0].settings.kind].map(([key, text, colour], k) => {
    const label = document.createElement("label"), box = document.createElement("input"), dot = document.createElement("i");
    Object.assign(box, { type: "checkbox", checked: on[key] ?? true, id: `layer-${key}` });
    on[key] = box.checked;
    box.onchange = () => (on[key] = box.checked);
    dot.style.background = `var(--${colour})`;
    label.title = `key ${k + 1}`;
    label.append(box, dot, text);
    return label;
  });
  $("layers").replaceChildren($("layers").firstElementChild, ...fields);
}

function frame(message) {
  live.add(message);
  lab.speed = message.speed;
  lab.frames++;
  if (!lab.replaying) show(message);
  showLength();
  send({ type: "drawn" });
}

function showLength() {
  $("replay").max = Math.max(0, shown.frames.length - 1);
  if (!lab.replaying) $("replay").value = $("replay").max;
}

const broken = (error) => `picture: expected a frame that can be drawn, got one with an error (${error.message}); make a step or restart`;

let unshown = "";
/** Show a frame; where it cannot be shown, `draw` says so until the next one. */
function show(message) {
  if (message.games.length !== games.length) return;
  unshown = "";
  try { present(message); } catch (error) { unshown = broken(error); }
}

function present(message) {
  const now = performance.now(), unpacked = message.games.map(unpackAll);
  unpacked.forEach((latest, k) => {
    const game = games[k];
    game.before = game.latest;
    game.latest = latest;
    game.gap = Math.min(250, now - (game.at ?? now));
    game.at = now;
  });
  lab.step = message.games[0].step;
  $("replay-step").textContent = `step ${lab.step}`;
  curves.show(shown.points, message.games);
  graph.describe(games[0].settings, message.games[0].figures);
  describe();
}

/** Give screen readers the state of each picture in words. */
function describe() {
  games.forEach((game, k) => {
    const modes = game.scene.modes ? `, ${game.latest.figures.modes ?? 0} of ${game.scene.modes} modes` : "";
    const words = `step ${game.latest.step}${modes}; ${game.latest.health}`;
    canvases[k].list.forEach((canvas, view) => canvas.setAttribute("aria-label", `${(views[game.settings.kind] ?? [game.settings.kind])[view]}: ${words}`));
  });
}

function state(message) {
  lab.playing = message.playing;
  press("play", lab.playing);
  $("play").textContent = lab.playing ? "Pause" : "Play";
  if (!slow.on) graph.flow(lab.playing ? Object.keys(graph.paths) : []);
}

function press(id, value) { $(id).setAttribute("aria-pressed", String(value)); }

let second = performance.now(), warned = "";
/** Write what is wrong with the pictures, and clear it once they are drawn again. */
function warn(text) {
  if (text ? !$("refused").hidden && text === warned : !warned) return;
  if (text || $("refused").textContent === warned) write(text);
  warned = text;
}

function draw(now) {
  requestAnimationFrame(draw); // first, since an error in a picture must not end the animation
  let wrong = unshown;
  for (const [k, game] of games.entries()) {
    if (!game.latest) continue;
    const share = game.gap ? Math.min(1, (now - game.at) / game.gap) : 1;
    try {
      canvases[k].list.forEach((canvas, view) => drawings[game.settings.kind](canvas, game.scene, game.latest, game.before, share, on, view));
    } catch (error) { wrong = broken(error); }
  }
  warn(wrong);
  lab.drawn++;
  if (now - second >= 1000) {
    lab.fps = (lab.drawn * 1000) / (now - second);
    $("rates").textContent = `${lab.fps.toFixed(0)} frames/s, ${lab.playing ? lab.speed.toFixed(0) : 0} steps/s`;
    lab.drawn = 0;
    second = now;
  }
}

/** Show another recording, which has its own curves. */
function change(recording) {
  shown = recording;
  if (shown.started) display(shown.started);
  showLength();
}

function goLive() {
  lab.replaying = false;
  $("live").disabled = true;
  if (shown !== live) change(live);
  showLength();
  if (live.newest) show(live.newest);
}

function replay(index) {
  if (!shown.frames.length) return;
  lab.replaying = true;
  $("live").disabled = false;
  if (lab.playing) send({ type: "pause" });
  const k = Math.max(0, Math.min(shown.frames.length - 1, index));
  $("replay").value = k;
  show(shown.frames[k]);
}

function step(side) {
  stopSlow();
  goLive();
  send({ type: "step", side });
}

function stopSlow() { slow.stop(); press("slow", false); graph.flow(lab.playing ? Object.keys(graph.paths) : []); }

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  press("theme", theme === "dark");
  readColours();
  curves.draw();
}

const actions = {
  play: () => { stopSlow(); if (lab.replaying) goLive(); send({ type: lab.playing ? "pause" : "play" }); },
  "step-both": () => step("both"),
  "step-critic": () => step("critic"),
  "step-generator": () => step("generator"),
  slow: () => {
    if (slow.on) return stopSlow();
    goLive();
    if (lab.playing) send({ type: "pause" });
    slow.start();
    press("slow", true);
  },
  restart: () => { stopSlow(); lab.restarting = true; start(games.map((g) => g.settings)); },
  pair: () => start(games.length > 1 ? [games[0].settings] : [games[0].settings, games[0].settings]),
  share: async () => ($("status").textContent = await copyAddress(games.map((g) => g.settings))),
  theme: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  help: () => { $("keys").hidden = !$("keys").hidden; $("help").setAttribute("aria-expanded", String(!$("keys").hidden)); },
  live: goLive,
  "save-recording": () => shown.save(),
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
$("preset").onchange = (event) => choose(Number(event.target.value));
$("replay").oninput = (event) => replay(Number(event.target.value));
$("open-recording").onchange = async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  try {
    const opened = await Recording.open(file, catalogue);
    stopSlow();
    lab.replaying = true;
    change(opened);
    replay(0);
  } catch (error) {
    goLive();
    refuse(error.message);
  }
};

const KEYS = { " ": "play", s: "step-both", c: "step-critic", g: "step-generator", m: "slow", r: "restart", t: "theme", "?": "help" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog") || (event.key === " " && event.target.closest("button"))) return;
  const layer = document.querySelectorAll("#layers input")[Number(event.key) - 1];
  if (layer) layer.click();
  else if (event.key === "[" || event.key === "]") replay(Number($("replay").value) + (event.key === "]" ? 1 : -1));
  else if (KEYS[event.key]) $(KEYS[event.key]).click();
  else return;
  event.preventDefault();
});
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
requestAnimationFrame(draw);
