// Curves of the figures over the steps, one small canvas each, and the health in words.

const MOST = 400;
const TITLES = {
  critic_loss: "critic's loss", player_loss: "generator's loss", task_loss: "task loss", kl: "KL", js: "JS",
  wasserstein: "Wasserstein (sliced)", modes: "modes", quality: "high quality", source_accuracy: "source accuracy",
  target_accuracy: "target accuracy", parity_gap: "parity gap", odds_gap: "odds gap", return: "return",
  distance: "distance", theta: "generator's weight", psi: "critic's weight", accuracy: "accuracy",
};
const ORDER = Object.keys(TITLES);
const COLOURS = ["--accent", "--critic"];

/** The points of the curves: for each game a list of [step, value] by name. */
export class Points {
  constructor() { this.clear(0); }

  clear(count) { this.games = Array.from({ length: count }, () => new Map()); }

  /** Add the figures of a frame for each game. */
  add(games) {
    games.forEach((game, k) => {
      for (const [name, value] of Object.entries(game.figures)) {
        if (value === null) continue;
        const list = this.games[k].get(name) ?? [];
        // A step may be drawn again, and an edit may start again from an earlier one.
        while (list.length && list.at(-1)[0] >= game.step) list.pop();
        list.push([game.step, value]);
        // Every second point is dropped where there are too many.
        this.games[k].set(name, list.length > MOST ? list.filter((_, i) => i % 2) : list);
      }
    });
  }
}

export class Curves {
  constructor(element, health) {
    this.element = element;
    this.health = health;
    this.points = new Points();
    this.steps = [];
    this.panels = new Map();
  }

  /** Show points up to the steps of a frame, and the health in it. */
  show(points, games) {
    this.points = points;
    this.steps = games.map((game) => game.step);
    this.words(games);
    this.draw();
  }

  words(games) {
    const text = games.map((g) => g.health).join("|");
    if (text === this.last) return;
    this.last = text;
    const title = document.createElement("h2");
    title.textContent = "Health";
    const lines = games.map((game, k) => {
      const p = document.createElement("p");
      if (games.length > 1) {
        const tag = document.createElement("span");
        tag.className = "tag";
        tag.textContent = "AB"[k];
        p.append(tag);
      }
      p.append(game.health);
      return p;
    });
    this.health.replaceChildren(title, ...lines);
  }

  /** Have one panel for each name, in their order. */
  arrange(names) {
    if (names.size === this.panels.size && [...names].every((name) => this.panels.has(name))) return;
    const rank = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
    const sorted = [...names].sort((a, b) => rank(a) - rank(b));
    this.panels = new Map(sorted.map((name) => [name, this.panels.get(name) ?? makePanel(name)]));
    this.element.replaceChildren(...[...this.panels.values()].map((panel) => panel.figure));
  }

  draw() {
    this.arrange(new Set(this.points.games.flatMap((game) => [...game.keys()])));
    for (const [name, { canvas, value }] of this.panels) {
      const lists = this.points.games.map((game, k) => (game.get(name) ?? []).filter(([step]) => step <= this.steps[k]));
      value.textContent = lists.map((l) => (l.length ? Number(l.at(-1)[1].toPrecision(3)) : "")).join(" / ");
      canvas.setAttribute("aria-label", `${TITLES[name] ?? name}: ${value.textContent}`);
      plot(canvas, lists);
    }
  }
}

function makePanel(name) {
  const figure = document.createElement("figure"), canvas = document.createElement("canvas");
  const caption = document.createElement("figcaption"), value = document.createElement("b");
  caption.append(TITLES[name] ?? name, value);
  figure.append(caption, canvas);
  canvas.setAttribute("role", "img");
  return { figure, canvas, value };
}

function plot(canvas, lists) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const width = Math.round((canvas.clientWidth || 160) * ratio), height = Math.round(74 * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const c = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const all = lists.flat();
  c.clearRect(0, 0, width, height);
  if (!all.length) return;
  const steps = all.map((p) => p[0]), values = all.map((p) => p[1]);
  const [x0, x1] = [Math.min(...steps), Math.max(...steps)];
  let [y0, y1] = [Math.min(...values), Math.max(...values)];
  if (y1 - y0 < 1e-9) [y0, y1] = [y0 - 0.5, y1 + 0.5];
  c.strokeStyle = style.getPropertyValue("--line");
  c.lineWidth = 1;
  c.strokeRect(0.5, 0.5, width - 1, height - 1);
  c.lineWidth = 1.6 * ratio;
  lists.forEach((list, k) => {
    c.strokeStyle = style.getPropertyValue(COLOURS[k]);
    c.beginPath();
    list.forEach(([step, v], i) => {
      const x = ((step - x0) / Math.max(1, x1 - x0)) * (width - 4) + 2, y = height - 4 - ((v - y0) / (y1 - y0)) * (height - 8);
      i ? c.lineTo(x, y) : c.moveTo(x, y);
    });
    c.stroke();
  });
}
