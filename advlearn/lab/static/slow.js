// Slow motion: one training step in ten parts, each with the arrows that carry something.

const PART = 1250;
const f = (v) => (v === undefined || v === null ? "" : ` (now ${v.toPrecision(3)})`);
const PARTS = [
  ["Noise", "Random numbers are drawn; the generator has nothing else as input.", [], ["noise"]],
  ["Generate", "The generator maps each noise vector to a point of the plane.", ["a", "b"], ["generator", "fake"]],
  ["Real data", "A batch of real points is drawn.", ["d"], ["real"]],
  ["Score", "The critic scores real and generated points; the surface shows its score everywhere.", ["c", "d", "e"], ["critic", "scores"]],
  ["Critic's loss", (g) => `The objective turns scores into the critic's loss${f(g.critic_loss)}: it is low where real and generated points are told apart.`, ["e", "f"], ["critic_loss"]],
  ["Critic learns", "The gradient of that loss moves the critic's weights. The surface changes.", ["x"], ["critic"], "critic"],
  ["Generate again", "New noise passes the generator.", ["a", "b"], ["generator", "fake"]],
  ["Score again", "Only generated points are scored; the critic is held fixed.", ["c", "e"], ["critic", "scores"]],
  ["Generator's loss", (g) => `The generator's loss${f(g.player_loss)} is low where the critic takes its points for real. The arrows show where each point should move.`, ["e", "g"], ["generator_loss"]],
  ["Generator learns", "The gradient passes the critic and moves the generator's weights. The points move along the arrows.", ["y"], ["generator"], "generator"],
];

export class SlowMotion {
  /** step(side) asks the server for a step; figures() returns the latest figures. */
  constructor(graph, element, step, figures) {
    Object.assign(this, { graph, element, step, figures, part: 0, timer: null });
  }

  get on() { return this.timer !== null; }

  start() {
    if (this.on) return;
    this.element.hidden = false;
    this.timer = setInterval(() => this.next(), PART);
    this.next();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.element.hidden = true;
  }

  next() {
    const [title, words, arrows, nodes, side] = PARTS[this.part];
    this.graph.flow(arrows, nodes);
    const strong = document.createElement("b");
    strong.textContent = `${this.part + 1}. ${title}. `;
    this.element.replaceChildren(strong, typeof words === "function" ? words(this.figures()) : words);
    if (side) this.step(side);
    this.part = (this.part + 1) % PARTS.length;
  }
}
