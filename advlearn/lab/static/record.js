// Recording and replay: the messages of a run are kept, thinned out when there are many.

import { check } from "./check.js";
import { Points } from "./curves.js";

const MOST = 600, LARGEST = 60_000_000;

export class Recording {
  constructor() {
    this.points = new Points();
    this.clear(null);
  }

  /** Start again with a message; an edit keeps the curves. */
  clear(started, keepsCurves = false) {
    this.started = started;
    this.frames = [];
    this.newest = null;
    this.every = 1;
    this.count = 0;
    if (!keepsCurves) this.points.clear(started?.games.length ?? 0);
  }

  /** Keep a frame; where there are too many, keep every second one from then on. */
  add(frame) {
    this.newest = frame;
    this.points.add(frame.games);
    if (this.count++ % this.every) return;
    this.frames.push(frame);
    if (this.frames.length > MOST) {
      this.frames = this.frames.filter((_, i) => i % 2 === 0);
      this.every *= 2;
    }
  }

  save() {
    const text = JSON.stringify({ advlearn_lab: 1, started: this.started, frames: this.frames });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "advlearn-lab.json";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /** Read a saved recording; throw an Error with one line where anything in the file is damaged. */
  static async open(file, catalogue) {
    if (file.size > LARGEST) throw new Error("recording: larger than 60 MB");
    let value;
    try { value = JSON.parse(await file.text()); } catch { throw new Error("recording: not JSON"); }
    check(value, catalogue);
    const recording = new Recording();
    recording.clear(value.started);
    for (const frame of value.frames) recording.add(frame);
    return recording;
  }
}
