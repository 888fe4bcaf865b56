// The settings: a form for one experiment, built from the catalogue; each change is an edit.

const number = (path, label, min, max, step) => ({ path, label, kind: "number", min, max, step });
const choice = (path, label, options) => ({ path, label, kind: "choice", options });
const text = (path, label, list) => ({ path, label, kind: "text", list });
const sizes = (path, label) => ({ path, label, kind: "sizes" });

function rows(kind, catalogue) {
  const seed = number("seed", "seed", 0, 2147483647, 1), spec = text("objective", "objective", catalogue.objectives);
  const steps = number("critic_steps", "critic steps", 1, 10, 1), batch = number("batch_size", "batch size", 16, 512, 16);
  const rate = number("lr", "learning rate", 0.000001, 1, "any"), games = ["", ...catalogue.games];
  const weight = number("adversarial_weight", "adversary's weight", 0, 10, 0.1), layers = sizes("layers", "layers");
  const side = (name) => [
    sizes(`${name}.layers`, `${name}: layers`),
    choice(`${name}.activation`, `${name}: activation`, catalogue.activations),
    choice(`${name}_step.optimizer`, `${name}: optimiser`, catalogue.optimizers),
    number(`${name}_step.lr`, `${name}: rate`, 0.000001, 1, "any"),
  ];
  return {
    generate: [
      choice("data.shape", "data", catalogue.shapes), spec, { kind: "regularizers", label: "add regularizer" },
      choice("noise.size", "noise: dimensions", [1, 2]), choice("noise.kind", "noise: distribution", ["gaussian", "uniform"]),
      ...side("generator"), ...side("critic"), steps, choice("game", "game rule", games), batch, seed,
    ],
    adaptation: [number("angle", "angle of the target", 0, 180, 5), spec, weight, layers, rate, steps, batch, seed],
    fairness: [
      number("bias", "bias of outcomes", 0, 1, 0.1),
      choice("criterion", "criterion", ["demographic_parity", "equalized_odds", "equal_opportunity"]),
      spec, weight, layers, rate, steps, batch, seed,
    ],
    imitation: [choice("maze", "maze", ["CMaze-v0", "CMazeMirrored-v0", "SMaze-v0", "SMazeMirrored-v0"]), text("objective", "method", ["gail + r1", "gail", "fairl", "vail"]), rate, seed],
    dirac: [spec, rate, choice("game", "game rule", games), seed],
  }[kind];
}

/** The settings of a kind of experiment: the path and the kind of value of each. */
export const fields = (kind, catalogue) => rows(kind, catalogue).filter((row) => row.path);
export const get = (object, path) => path.split(".").reduce((o, key) => o?.[key], object);
function put(object, path, value) {
  const copy = structuredClone(object), keys = path.split("."), last = keys.pop();
  keys.reduce((o, key) => o[key], copy)[last] = value;
  return copy;
}

export class Panel {
  /** onEdit(settings) is called with complete new settings; onDraw() where points must be drawn. */
  constructor(form, catalogue, onEdit, onDraw) {
    Object.assign(this, { form, catalogue, onEdit, onDraw });
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  show(settings, title) {
    if (this.kind !== settings.kind || this.title !== title) this.build(settings, title);
    this.settings = settings;
    for (const [path, { input, row }] of Object.entries(this.inputs)) {
      const value = get(settings, path);
      if (document.activeElement === input) continue;
      input.value = row.kind === "sizes" ? value.join(" ") : value;
    }
  }

  build(settings, title) {
    this.kind = settings.kind;
    this.title = title;
    this.inputs = {};
    const heading = document.createElement("h2");
    heading.textContent = title;
    this.form.replaceChildren(heading, ...rows(settings.kind, this.catalogue).map((row) => this.row(row)));
    if (settings.kind === "generate") this.form.append(this.drawButton());
  }

  row(row) {
    const label = document.createElement("label"), name = document.createElement("span");
    name.textContent = row.label;
    let input = document.createElement(row.kind === "choice" || row.kind === "regularizers" ? "select" : "input");
    const options = row.kind === "regularizers" ? ["", ...this.catalogue.regularizers] : row.options;
    for (const option of options ?? []) if (input.tagName === "SELECT") input.add(new Option(option === "" ? "none" : option, option));
    if (row.kind === "number") Object.assign(input, { type: "number", min: row.min, max: row.max, step: row.step });
    if (row.kind === "sizes") input.title = "one to five numbers of neurons, from 1 to 128";
    label.append(name, input);
    if (row.list) {
      const list = document.createElement("datalist");
      list.id = `list-${row.path}`;
      for (const value of row.list) list.append(new Option(value));
      input.setAttribute("list", list.id);
      input.autocomplete = "off";
      label.append(list);
    }
    if (row.kind === "regularizers") {
      input.id = "set-regularizer";
      input.addEventListener("change", () => {
        if (input.value) this.onEdit(put(this.settings, "objective", `${this.settings.objective} + ${input.value}`));
        input.value = "";
      });
      return label;
    }
    input.id = `set-${row.path}`;
    input.addEventListener("change", () => this.edit(row, input.value));
    this.inputs[row.path] = { input, row };
    return label;
  }

  edit(row, value) {
    if (row.path === "data.shape" && value === "points" && !this.settings.data.points.length) {
      this.onDraw();
      return;
    }
    const numeric = row.kind === "number" || row.path === "noise.size";
    const parsed = row.kind === "sizes" ? value.trim().split(/[\s,]+/).map(Number) : numeric ? Number(value) : value;
    this.onEdit(put(this.settings, row.path, parsed));
  }

  drawButton() {
    const button = document.createElement("button");
    button.type = "button";
    button.id = "open-draw";
    button.textContent = "Draw data or open a CSV file";
    button.addEventListener("click", () => this.onDraw());
    return button;
  }
}
