// Sparklines: one SVG polyline each, five minutes wide.

import { svg } from "/picture.js";

const SECONDS = 300, WIDTH = 120, HEIGHT = 28;
const UNITS = {
  fps: ["frames/s", (v) => v.toFixed(2)],
  memory: ["memory", (v) => `${Math.round(v / 2 ** 20)} MiB`],
  queued: ["queued", (v) => v.toFixed(0)],
  dropped: ["dropped", (v) => v.toFixed(0)],
};

export class Charts {
  constructor(element) {
    this.element = element;
    this.known = new Map();
  }

  update(series) {
    for (const [name, chart] of this.known) {
      if (!(name in series)) {
        chart.figure.remove();
        this.known.delete(name);
      }
    }
    for (const [name, points] of Object.entries(series)) this.chart(name).update(points);
  }

  chart(name) {
    if (!this.known.has(name)) {
      const made = new Chart(name);
      this.known.set(name, made);
      this.element.append(made.figure);
    }
    return this.known.get(name);
  }
}

class Chart {
  constructor(name) {
    [this.title, this.shown] = UNITS[name] || [name, (v) => `${v.toFixed(1)} ms`];
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    this.caption = document.createElement("figcaption");
    this.line = svg("polyline", { class: "line" });
    this.svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.svg.append(this.line);
    this.figure.append(this.caption, this.svg);
  }

  update(points) {
    const values = points.map(([, value]) => value);
    const low = Math.min(0, ...values), high = Math.max(low + 1e-9, ...values);
    const placed = points.map(([age, value]) => [
      WIDTH * (1 - age / SECONDS), HEIGHT - 2 - (HEIGHT - 4) * ((value - low) / (high - low)),
    ]);
    if (placed.length === 1) placed.unshift([placed[0][0] - 2, placed[0][1]]);
    this.line.setAttribute("points", placed.map((p) => p.map((n) => n.toFixed(1)).join(",")).join(" "));
    const last = this.shown(values[values.length - 1]);
    this.caption.textContent = `${this.title} ${last}`;
    const range = `${this.shown(Math.min(...values))} to ${this.shown(Math.max(...values))}`;
    this.svg.setAttribute("aria-label", `${this.title}: now ${last}, in five minutes ${range}`);
  }
}
