// A distribution of your own: drawn points, or two columns of a CSV file.

const MOST = 4000, LARGEST = 2_000_000;
const $ = (id) => document.getElementById(id);

/** Return the first two numeric columns of CSV text as points within [-1, 1]. */
export function readCsv(content) {
  const lines = content.split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => (cell.trim() === "" ? NaN : Number(cell))));
  const width = Math.max(...lines.map((l) => l.length));
  const counts = Array.from({ length: width }, (_, k) => lines.filter((l) => Number.isFinite(l[k])).length);
  const columns = counts.map((n, k) => [n, k]).filter(([n]) => n >= 10).map(([, k]) => k).slice(0, 2);
  if (columns.length < 2) throw new Error("the file needs two columns with at least 10 numbers each");
  let points = lines.map((l) => columns.map((k) => l[k])).filter((p) => p.every(Number.isFinite));
  if (points.length > MOST) points = points.filter((_, i) => i % Math.ceil(points.length / MOST) === 0);
  if (points.length < 10) throw new Error("the file needs at least 10 rows with two numbers");
  const low = [0, 1].map((k) => Math.min(...points.map((p) => p[k]))), high = [0, 1].map((k) => Math.max(...points.map((p) => p[k])));
  return points.map((p) => p.map((v, k) => round(high[k] > low[k] ? (2 * (v - low[k])) / (high[k] - low[k]) - 1 : 0)));
}

const round = (v) => Math.round(v * 10000) / 10000;

export class Drawing {
  /** onUse(points) is called with the points; onError(text) with what is wrong. */
  constructor(onUse, onError) {
    this.dialog = $("draw");
    this.canvas = $("draw-canvas");
    this.points = [];
    $("draw-clear").onclick = () => this.set([]);
    $("draw-cancel").onclick = () => this.dialog.close();
    $("draw-apply").onclick = () => {
      if (this.points.length < 10) { $("draw-count").textContent = `${this.points.length} points; draw at least 10`; return; }
      this.dialog.close();
      onUse(this.points);
    };
    $("csv").onchange = async (event) => {
      const file = event.target.files[0];
      event.target.value = "";
      if (!file) return;
      try {
        if (file.size > LARGEST) throw new Error("the file is larger than 2 MB");
        this.set(readCsv(await file.text()));
      } catch (error) {
        $("draw-count").textContent = error.message;
        onError(`CSV: ${error.message}`);
      }
    };
    this.canvas.onpointerdown = (event) => { this.canvas.setPointerCapture(event.pointerId); this.spray(event); };
    this.canvas.onpointermove = (event) => event.buttons && this.spray(event);
  }

  open(points) {
    this.set([...points]);
    this.dialog.showModal();
  }

  /** Add a few points around the pointer. */
  spray(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 2.6 - 1.3, y = 1.3 - ((event.clientY - box.top) / box.height) * 2.6;
    const noise = () => (Math.random() + Math.random() - 1) * 0.06;
    const added = Array.from({ length: 6 }, () => [round(x + noise()), round(y + noise())]);
    this.set([...this.points, ...added].slice(-MOST));
  }

  set(points) {
    this.points = points;
    const c = this.canvas.getContext("2d"), side = this.canvas.width;
    c.clearRect(0, 0, side, side);
    c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--real");
    for (const [x, y] of points) c.fillRect(((x + 1.3) / 2.6) * side - 1, ((1.3 - y) / 2.6) * side - 1, 2.5, 2.5);
    $("draw-count").textContent = `${points.length} points`;
  }
}
