// A sample's picture on a canvas, with boxes in SVG over it. A bitmap is closed once it is painted:
// pictures that are loaded by address stay decoded in the browser's memory.

const SVG = "http://www.w3.org/2000/svg", GONE = 410;

// A browser has six connections to a server, for all tabs: pictures that S3 is slow to give must
// leave some to everything else.
const MOST_ASKED = 2;
const waiting = [];
let asked = 0;

const ruler = document.createElement("canvas").getContext("2d");
const MOVES = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, -0.5, -1, -1.5, -2];  // of a label, in lines

async function turn() {
  if (asked < MOST_ASKED) asked += 1;
  else await new Promise((resolve) => waiting.push(resolve));
}

function endTurn() {
  if (waiting.length) waiting.shift()();
  else asked -= 1;
}

export function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export class Picture {
  constructor(isSmall, isLive) {
    this.isSmall = isSmall;
    this.isLive = isLive;
    this.element = document.createElement("div");
    this.element.className = "picture";
    this.canvas = document.createElement("canvas");
    this.canvas.width = 3;
    this.canvas.height = 2;
    this.over = svg("svg", { role: "img", "aria-label": "no picture yet" });
    this.problem = document.createElement("p");
    this.problem.className = "problem";
    this.element.append(this.canvas, this.over, this.problem);
    this.id = this.drawn = this.failed = null;
    this.isAsking = false;
    this.retryAt = 0;
    this.onPainted = () => {};
  }

  // Boxes belong to a picture: they change when it does, never before.
  async show(sample, hasPictures) {
    this.sample = sample;
    if (this.id === sample.id) return this.paint();
    if (this.isAsking || (this.failed === sample.id && performance.now() < this.retryAt)) return;
    if (!hasPictures) return this.fail(sample, "pictures of samples need AWS credentials");
    this.isAsking = true;
    if (!this.isLive) await turn();
    await this.ask(this.sample);
    if (!this.isLive) endTurn();
    this.isAsking = false;
  }

  async ask(sample) {
    if (!this.element.isConnected) return;
    try {
      const answer = await fetch(`/pictures/${sample.id}${this.isSmall ? "/small" : ""}`);
      if (answer.status === GONE) return;  // a newer one has its place: the next state names it
      if (!answer.ok) return this.fail(sample, await answer.text());
      const bitmap = await createImageBitmap(await answer.blob());
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      this.element.style.setProperty("--ratio", bitmap.width / bitmap.height);
      bitmap.close();
      this.problem.textContent = "";
      this.id = sample.id;
      this.drawn = sample;
      this.paint();
      this.onPainted(sample);
    } catch (error) {
      this.fail(sample, String(error));
    }
  }

  // The picture before it stays, with its own caption.
  fail(sample, text) {
    this.problem.textContent = `No ${this.drawn ? "newer " : ""}picture: ${text.slice(0, 300)}`;
    this.failed = sample.id;
    this.retryAt = performance.now() + 5000;
    if (!this.drawn) this.over.setAttribute("aria-label", "no picture");
  }

  paint() {
    if (this.sample.id === this.id) this.drawn = this.sample;
    const marks = this.drawn.marks || [];
    const key = `${this.id} ${JSON.stringify(marks)}`;
    if (this.painted === key) return;
    this.painted = key;
    const { width, height } = this.canvas;
    this.over.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.over.setAttribute("aria-label", marks.map((mark) => mark.text).join(", ") || "no boxes");
    const size = (this.isSmall ? 12 : 14) * width / (this.element.clientWidth || 400);
    const boxed = marks.filter((mark) => mark.box).sort((a, b) => area(b.box) - area(a.box));
    const shapes = [];
    for (const mark of boxed) shapes.push(...rectangle(mark, width, height));
    for (const mark of marks) for (const point of mark.points) shapes.push(...dot(mark, point, width, height));
    const named = [...boxed.sort((a, b) => b.score - a.score), ...marks.filter((mark) => !mark.box).slice(0, 5)];
    this.over.replaceChildren(...shapes, ...labels(named, size, width, height));
  }
}

function area(box) {
  return (box[2] - box[0]) * (box[3] - box[1]);
}

function rectangle(mark, width, height) {
  const [left, top, right, bottom] = mark.box;
  const place = {
    x: left * width, y: top * height,
    width: Math.max(0, (right - left) * width), height: Math.max(0, (bottom - top) * height),
  };
  return [
    svg("rect", { ...place, class: "casing" }),
    svg("rect", { ...place, class: "box", stroke: mark.colour }),
  ];
}

function dot(mark, [x, y, score], width, height) {
  if (score < 0.3) return [];
  return [svg("circle", { cx: x * width, cy: y * height, r: width / 150, fill: mark.colour, class: "point" })];
}

// Labels inside the picture, the best first. One that would cover another moves, but stays near its
// box; one for which there is no room is left out.
function labels(marks, size, width, height) {
  const taken = [], line = size * 1.2;
  ruler.font = `600 ${size}px system-ui, sans-serif`;
  const isFree = ({ x, y, length }) => y >= 0 && y + line <= height && taken.every((other) =>
    x >= other.x + other.length || other.x >= x + length || Math.abs(y - other.y) > 0.99 * line);
  for (const mark of marks) {
    const [left, top] = mark.box || [0, 0];
    const text = fitting(mark.text, width - size);
    const length = ruler.measureText(text).width + size / 2;
    const x = Math.max(0, Math.min(left * width, width - length));
    const y = Math.max(0, Math.min(top * height, height - line));
    const place = MOVES.map((move) => ({ x, y: y + move * line, length, mark, text })).find(isFree);
    if (place) taken.push(place);
  }
  return taken.map(({ x, y, mark, text }) => (
    svg("text", { x: x + size / 4, y: y + size, "font-size": size, fill: mark.colour }, text)));
}

// The score is the last word, and stays.
function fitting(text, room) {
  if (ruler.measureText(text).width <= room) return text;
  const end = text.lastIndexOf(" "), letters = [...text.slice(0, end)];
  let shortened = text;
  while (letters.length && ruler.measureText(shortened).width > room) {
    letters.pop();
    shortened = `${letters.join("").trimEnd()}…${text.slice(end)}`;
  }
  return shortened;
}
