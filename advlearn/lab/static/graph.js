// The model graph: nodes, and arrows that move while data or gradients flow.

const NODES = {
  noise: [70, 50, "noise z", ""], generator: [215, 50, "generator", "generator"], fake: [360, 50, "generated", "generator"],
  real: [360, 140, "real data", "real"], critic: [520, 95, "critic", "critic"], scores: [665, 95, "scores", "critic"],
  critic_loss: [810, 140, "critic's loss", "critic"], generator_loss: [810, 50, "generator's loss", "generator"],
};
const ARROWS = {
  a: ["noise", "generator"], b: ["generator", "fake"], c: ["fake", "critic"], d: ["real", "critic"], e: ["critic", "scores"],
  f: ["scores", "critic_loss"], g: ["scores", "generator_loss"],
  x: ["critic_loss", "critic", "back"], y: ["generator_loss", "generator", "back"],
};
const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes, text) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

export class Graph {
  constructor(element) {
    this.element = element;
    const svg = make("svg", { viewBox: "0 0 890 195", role: "img" });
    this.title = make("title", {}, "Noise passes the generator; generated and real samples pass the critic; two losses send gradients back.");
    svg.append(this.title);
    this.paths = {};
    for (const [key, [from, to, kind]] of Object.entries(ARROWS)) {
      const [x1, y1] = NODES[from], [x2, y2] = NODES[to];
      const path = kind
        ? to === "critic" ? `M ${x1 - 50} ${y1 + 10} C 700 195, 560 190, ${x2} ${y2 + 26}` : `M ${x1 - 50} ${y1 - 18} C 640 -8, 360 -8, ${x2} ${y2 - 26}`
        : `M ${x1 + 56} ${y1} L ${x2 - 58} ${y2}`;
      svg.append((this.paths[key] = make("path", { d: path })));
    }
    this.nodes = {};
    for (const [key, [x, y, label, kind]] of Object.entries(NODES)) {
      const group = make("g", { class: kind });
      group.append(make("rect", { x: x - 56, y: y - 25, width: 112, height: 50 }), make("text", { x, y: y - 2 }, label));
      const small = make("text", { x, y: y + 14, class: "small" }, "");
      group.append(small);
      svg.append(group);
      this.nodes[key] = { group, small };
    }
    element.replaceChildren(svg);
  }

  /** Show sizes and losses. */
  describe(settings, figures) {
    if (settings.kind !== "generate") return;
    const set = (key, text) => (this.nodes[key].small.textContent = text);
    set("noise", `${settings.noise.size}-D ${settings.noise.kind}`);
    set("generator", settings.generator.layers.join(" · "));
    set("critic", settings.critic.layers.join(" · "));
    set("real", settings.data.shape);
    set("scores", settings.objective.slice(0, 18));
    set("critic_loss", figures?.critic_loss?.toFixed(4) ?? "");
    set("generator_loss", figures?.player_loss?.toFixed(4) ?? "");
  }

  /** Let data flow along some arrows, and mark some nodes. */
  flow(arrows, nodes = []) {
    const key = `${arrows}|${nodes}`;
    if (key === this.key) return;
    this.key = key;
    for (const [name, path] of Object.entries(this.paths)) path.setAttribute("class", (arrows.includes(name) ? "flow " : "") + (ARROWS[name][2] ?? ""));
    for (const [name, node] of Object.entries(this.nodes)) node.group.classList.toggle("on", nodes.includes(name));
  }
}
