// The page: a state comes, is painted, and its acknowledgment asks for the next one.
// Text of others reaches the document as textContent only.

import { Charts } from "/charts.js";
import { Picture } from "/picture.js";
import { Settings } from "/settings.js";

const FROZEN_MS = 5000, LONGEST_PAUSE = 5;
const LATE = 60;  // seconds after which an upload is worth a word: the core had no connection, or its clock is wrong
const element = (id) => document.getElementById(id);
const charts = new Charts(element("charts"));
const settings = new Settings();
const frames = new Map(), samples = new Map(), live = new Map();
let socket = null, state = null, arrived = 0, selected = chosen(), isPaused = false;
let pause = 0.5, nextTry = 0;

function connect() {
  const opened = socket = new WebSocket(`ws://${location.host}/live?core=${encodeURIComponent(selected)}`);
  socket.onmessage = (event) => {
    state = JSON.parse(event.data);
    arrived = performance.now();
    pause = 0.5;
    requestAnimationFrame(() => {
      if (!isPaused) paint();
      showState();
      if (socket !== opened) return;  // closed since the message came
      settings.update(state);
      opened.send(JSON.stringify({ core: selected }));
    });
  };
  socket.onclose = () => {
    socket = null;
    settings.disconnected();
    nextTry = performance.now() + pause * 1000;
    pause = Math.min(LONGEST_PAUSE, pause * 2);
    showState();
  };
}

function showState() {
  const [name, text, hint, duration = ""] = described();
  document.body.dataset.state = name;
  if (element("said").textContent !== text) element("said").textContent = text;  // is read aloud
  element("since").textContent = duration;
  element("hint").textContent = hint;
  element("hint").hidden = !hint;
}

function described() {
  if (socket === null) {
    const left = Math.max(0, Math.ceil((nextTry - performance.now()) / 1000));
    return ["disconnected", "Disconnected", `mli view does not answer; next try in ${left} s. If it was started again, open the address that it printed.`];
  }
  if (state === null) return ["connecting", "Connecting …", "Waiting for the page's server."];
  if (performance.now() - arrived > FROZEN_MS) return ["stale", "Stale", "mli view has not answered for some seconds."];
  if (!state.connected) return ["connecting", "Connecting to the broker …", state.detail];
  const core = state.core;
  if (core === null) return ["empty", "Connected, nothing yet", "No message has come. Is the core running? Try: mli status NAME"];
  if (core.age > core.silentAfter) return ["stale", "Silent", `${core.name} has sent nothing for ${ago(core.age)}. Try: mli status ${core.name}`, ` for ${ago(core.age)}`];
  const others = state.leftOut ? `More than ${state.cores.length} cores send messages. To see another one: mli view NAME` : "";
  return ["live", isPaused ? "Paused" : "Live", others];
}

function paint() {
  paintCores();
  const core = state.core;
  if (core === null) return;
  element("rate").textContent = `${core.perSecond.toFixed(1)}/s`;
  paintRows(core.rows.slice(0, 12));
  paintHealth(core.telemetry);
  charts.update(core.series);
  element("live-section").hidden = core.live.length === 0;
  element("no-sample").hidden = core.latest.length > 0;
  paintPictures(element("live"), live, core.live, false);
  paintPictures(element("frames"), frames, core.latest, false);
  paintPictures(element("samples"), samples, core.samples, true);
}

function paintCores() {
  const list = element("cores"), names = state.cores.map((core) => core.name);
  const isFirst = list.options.length === 0;
  names.sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  names.forEach((name, place) => {  // cores are never taken away
    if (list.options[place]?.value !== name) list.add(new Option(name, name), place);
  });
  if (state.core && (isFirst || document.activeElement !== list)) list.value = state.core.name;
  document.title = state.core ? `${state.core.name} · mli view` : "mli view";
}

function paintRows(rows) {
  const body = element("rows");
  while (body.rows.length < rows.length) {
    const row = body.insertRow();
    for (let column = 0; column < 4; column += 1) row.insertCell();
  }
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, number) => {
    const found = row.found.map((mark) => mark.text).join(", ") || "nothing found";
    const texts = [ago(row.age + since()), nameOf(row.source) || `${row.n}`,
      row.more ? `${found} (+${row.more})` : found, row.ms === null ? "" : row.ms.toFixed(1)];
    texts.forEach((text, column) => {
      const cell = body.rows[number].cells[column];
      if (cell.textContent !== text) cell.textContent = text;
    });
  });
}

function paintHealth(telemetry) {
  const parts = [];
  if (telemetry === null) parts.push("No telemetry yet: cores send it once a minute.");
  else {
    parts.push(telemetry.status || "?");
    if (telemetry.model) parts.push(telemetry.model);
    if (telemetry.p50 !== null) parts.push(`inference p50 ${telemetry.p50.toFixed(1)} ms, p95 ${(telemetry.p95 ?? telemetry.p50).toFixed(1)} ms`);
    for (const source of telemetry.sources) parts.push(`${source.name}: ${source.state}`);
    parts.push(`telemetry ${ago(telemetry.age + since())} old`);
  }
  element("health").textContent = parts.join(" · ");
  element("faults").textContent = telemetry ? telemetry.faults.join(" · ") : "";
}

function paintPictures(list, known, wanted, isSmall) {
  const keyOf = (sample) => (isSmall ? sample.id : `${state.core.name} ${sample.place}`);
  const ids = new Set(wanted.map(keyOf));
  for (const [key, tile] of known) {
    if (!ids.has(key)) {
      tile.figure.remove();
      known.delete(key);
    }
  }
  wanted.forEach((sample, place) => {
    const key = keyOf(sample);
    if (!known.has(key)) known.set(key, tileOf(isSmall, known === live));
    const tile = known.get(key);
    if (list.children[place] !== tile.figure) list.insertBefore(tile.figure, list.children[place] || null);
    sample.seen = arrived;
    tile.picture.onPainted = (painted) => paintCaption(tile, painted, isSmall);
    tile.picture.show(sample, state.pictures || known === live);
    paintCaption(tile, tile.picture.drawn || sample, isSmall);
  });
}

// A caption belongs to the picture that is painted, which may be older than the last that came.
function paintCaption(tile, sample, isSmall) {
  const age = sample.age + (performance.now() - sample.seen) / 1000;
  const lines = [sample.late > LATE ? `came ${ago(age)} ago, ${ago(sample.late)} after it was taken` : `${ago(age)} old`];
  if (sample.frame) lines[0] += ` · frame ${sample.frame}`;
  if (sample.source) lines[0] += ` · ${nameOf(sample.source)}`;
  if (isSmall) lines.unshift(...sample.reasons);
  if (sample.marks === null) lines.push("no boxes yet");
  while (tile.caption.children.length > lines.length) tile.caption.lastChild.remove();
  lines.forEach((text, number) => {
    const line = tile.caption.children[number] || tile.caption.appendChild(document.createElement("span"));
    if (line.textContent !== text) line.textContent = text;
  });
}

function tileOf(isSmall, isLive) {
  const picture = new Picture(isSmall, isLive), caption = document.createElement("p");
  const figure = document.createElement(isSmall ? "li" : "div");
  figure.className = "tile";
  figure.append(picture.element, caption);
  return { figure, picture, caption };
}

function since() {
  return (performance.now() - arrived) / 1000;
}

// What has stopped must not look as if it had just come.
function paintAges() {
  paintRows(state.core.rows.slice(0, 12));
  paintHealth(state.core.telemetry);
  for (const [tiles, isSmall] of [[live, false], [frames, false], [samples, true]]) {
    for (const tile of tiles.values()) paintCaption(tile, tile.picture.drawn || tile.picture.sample, isSmall);
  }
}

// Of a file its name; of a stream all but the scheme, since many cameras differ in the host alone.
function nameOf(source) {
  return source.includes("://") ? source.split("://").pop() : source.split("/").pop();
}

function ago(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// The address has the chosen core, for a reload and for a link.
function chosen() {
  return location.hash.slice(1);
}

function choose(core) {
  selected = core;
  history.replaceState(null, "", `#${core}`);
  setPaused(false);  // or its settings would stand beside the pictures of another core
}

function setPaused(paused) {
  isPaused = paused;
  element("pause").setAttribute("aria-pressed", String(paused));
}

element("pause").onclick = () => setPaused(!isPaused);
element("boxes").onchange = (event) => document.body.classList.toggle("plain", !event.target.checked);
element("cores").onchange = (event) => choose(event.target.value);
window.onhashchange = () => choose(chosen());
setInterval(() => {
  if (socket === null && performance.now() >= nextTry) connect();
  showState();
  if (state && state.core && since() > 1 && !isPaused) paintAges();
}, 250);
connect();
