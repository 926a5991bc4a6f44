// Shows the ATLAS of atlas.js: one map on a canvas, one panel. No name ever becomes markup: all text is textContent.
"use strict";

const $ = (id) => document.getElementById(id);
const map = $("map");
const pen = map.getContext("2d");
const state = { layer: 0, level: 0, x: 0.5, y: 0.5, zoom: 1, picked: -1, hovered: -1, shown: -2, colour: -1, density: true };

const layer = () => ATLAS.layers[state.layer];
const level = () => layer().levels[state.level];
const shortName = (names) => names.split(",")[0].trim();
const value = (cell, c) => cell[5][c] * cell[4];

// Tiles are asked for once; a tile that arrives draws the map again.
const pictures = new Map();
function picture(path) {
  if (!pictures.has(path)) {
    const image = new Image();
    image.onload = () => { state.shown = -2; draw(); };
    image.src = path;
    pictures.set(path, image);
  }
  const image = pictures.get(path);
  return image.complete && image.naturalWidth > 0 ? image : null;
}

function index(view) {
  if (!view.index) {
    view.tileAt = new Map(view.tiles.map(([row, col, path]) => [row + "," + col, path]));
    view.index = new Map(view.cells.map((cell, i) => [cell[0] + "," + cell[1], i]));
  }
  return view.index;
}

// Pixels per map side, and where the map's corner lies.
function frame() {
  const side = Math.min(map.width, map.height) * 0.96 * state.zoom;
  return { side, left: map.width / 2 - state.x * side, top: map.height / 2 - state.y * side };
}

function iconSource(view, cell) {
  const path = view.tileAt.get(Math.floor(cell[0] / ATLAS.tile) + "," + Math.floor(cell[1] / ATLAS.tile));
  const image = cell[3] && path ? picture(path) : null;
  return image && { image, x: (cell[1] % ATLAS.tile) * view.size, y: (cell[0] % ATLAS.tile) * view.size };
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  const box = map.getBoundingClientRect();
  map.width = Math.max(1, Math.round(box.width * ratio));
  map.height = Math.max(1, Math.round(box.height * ratio));
  const view = level();
  index(view);
  const { side, left, top } = frame();
  const step = side / view.grid;
  const mean = layer().n_samples / (view.grid * view.grid);
  const strongest = state.colour < 0 ? 1
    : Math.max(1e-9, ...view.cells.map((cell) => Math.abs(value(cell, state.colour))));
  pen.imageSmoothingEnabled = step < view.size * 3;
  view.cells.forEach((cell, i) => {
    const x = left + cell[1] * step;
    const y = top + cell[0] * step;
    if (x > map.width || y > map.height || x + step < 0 || y + step < 0) return;
    const shrink = state.density ? Math.min(1, Math.sqrt(cell[2] / mean)) : 1;
    const size = Math.max(1, step * shrink);
    const gap = (step - size) / 2;
    const icon = iconSource(view, cell);
    if (icon) {
      pen.drawImage(icon.image, icon.x, icon.y, view.size, view.size, x + gap, y + gap, size, size);
    } else {
      pen.fillStyle = "#2c2a28";
      pen.fillRect(x + step * 0.4, y + step * 0.4, step * 0.2, step * 0.2);
    }
    if (state.colour >= 0) {
      const share = value(cell, state.colour) / strongest;
      pen.fillStyle = `rgba(20, 19, 18, ${0.75 * (1 - Math.abs(share))})`;
      pen.fillRect(x + gap, y + gap, size, size);
      pen.fillStyle = share >= 0 ? `rgba(240, 160, 75, ${0.65 * share})` : `rgba(91, 155, 213, ${-0.65 * share})`;
      pen.fillRect(x + gap, y + gap, size, size);
    }
    if (i === state.picked || i === state.hovered) {
      pen.lineWidth = (i === state.picked ? 3 : 1.5) * ratio;
      pen.strokeStyle = i === state.picked ? "#ffffff" : "#b8b4ae";
      pen.strokeRect(x, y, step, step);
    }
  });
  showCell();
}

// The panel follows the picked cell, else the one under the pointer.
function showCell() {
  const which = state.picked >= 0 ? state.picked : state.hovered;
  if (which === state.shown) return;
  state.shown = which;
  const panel = $("cell");
  const view = level();
  const cell = view.cells[which];
  if (!cell) return;
  panel.replaceChildren();
  const icon = iconSource(view, cell);
  if (icon) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 320;
    canvas.getContext("2d").drawImage(icon.image, icon.x, icon.y, view.size, view.size, 0, 0, 320, 320);
    panel.append(canvas);
  }
  line(panel, "p", `row ${cell[0]}, column ${cell[1]} of ${view.grid} × ${view.grid}`);
  line(panel, "p", `${cell[2].toLocaleString()} of ${layer().n_samples.toLocaleString()} activations`, "dim");
  if (cell[5].length === 0) return;
  const order = cell[5].map((_, c) => c).sort((a, b) => cell[5][b] - cell[5][a] || a - b);
  const half = Math.min(8, Math.ceil(order.length / 2));
  const most = Math.max(1, ...cell[5].map(Math.abs));
  line(panel, "h2", "speaks for");
  order.slice(0, half).forEach((c) => bar(panel, cell, c, most));
  line(panel, "h2", "speaks against");
  order.slice(half).slice(-half).reverse().forEach((c) => bar(panel, cell, c, most));
}

function line(parent, tag, text, name) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  parent.append(element);
  return element;
}

function bar(panel, cell, c, most) {
  const button = document.createElement("button");
  button.className = "bar";
  button.title = ATLAS.classes[c];
  line(button, "span", shortName(ATLAS.classes[c]), "name");
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const rect = document.createElementNS(space, "rect");
  const width = 46 * Math.abs(cell[5][c]) / most;
  rect.setAttribute("x", cell[5][c] >= 0 ? 46 : 46 - width);
  rect.setAttribute("width", width);
  rect.setAttribute("height", 10);
  rect.setAttribute("fill", cell[5][c] >= 0 ? "#f0a04b" : "#5b9bd5");
  svg.append(rect);
  button.append(svg);
  line(button, "span", value(cell, c).toPrecision(3), "value");
  button.onclick = () => colourBy(c);
  panel.append(button);
}

function colourBy(c) {
  state.colour = c;
  $("search").value = c < 0 ? "" : shortName(ATLAS.classes[c]);
  $("found").replaceChildren();
  draw();
}

function search() {
  const wanted = $("search").value.trim().toLowerCase();
  const list = $("found");
  list.replaceChildren();
  if (!wanted) { colourBy(-1); return; }
  ATLAS.classes
    .map((names, c) => ({ names, c, at: names.toLowerCase().indexOf(wanted) }))
    .filter((hit) => hit.at >= 0)
    .sort((a, b) => a.at - b.at || a.names.length - b.names.length)
    .slice(0, 8)
    .forEach((hit) => {
      const item = document.createElement("li");
      const button = line(item, "button", hit.names);
      button.onclick = () => { colourBy(hit.c); map.focus(); };
      list.append(item);
    });
}

function choose(layerIdx, levelIdx) {
  state.layer = layerIdx;
  state.level = Math.max(0, Math.min(levelIdx, layer().levels.length - 1));
  state.picked = state.hovered = -1;
  state.shown = -2;
  buttons($("layers"), ATLAS.layers.map((l) => l.name), state.layer, (i) => choose(i, state.level));
  buttons($("levels"), layer().levels.map((l) => `${l.grid} × ${l.grid}`), state.level, (i) => choose(state.layer, i));
  draw();
}

function buttons(parent, names, pressed, act) {
  parent.replaceChildren();
  names.forEach((name, i) => {
    const button = line(parent, "button", name);
    button.setAttribute("aria-pressed", String(i === pressed));
    button.onclick = () => act(i);
  });
}

function cellUnder(event) {
  const box = map.getBoundingClientRect();
  const scale = map.width / box.width;
  const { side, left, top } = frame();
  const view = level();
  const col = Math.floor(((event.clientX - box.left) * scale - left) / side * view.grid);
  const row = Math.floor(((event.clientY - box.top) * scale - top) / side * view.grid);
  const found = index(view).get(row + "," + col);
  return found === undefined ? -1 : found;
}

function pan(dx, dy) {
  const clamp = (v) => Math.min(1.2, Math.max(-0.2, v));
  state.x = clamp(state.x + dx);
  state.y = clamp(state.y + dy);
  draw();
}

// Zooms so that the point under the pointer stays.
function zoom(factor, event) {
  const box = map.getBoundingClientRect();
  const px = event ? ((event.clientX - box.left) / box.width) * map.width : map.width / 2;
  const py = event ? ((event.clientY - box.top) / box.height) * map.height : map.height / 2;
  const before = frame();
  const at = { x: (px - before.left) / before.side, y: (py - before.top) / before.side };
  state.zoom = Math.min(60, Math.max(0.5, state.zoom * factor));
  const after = frame();
  state.x = at.x - (px - map.width / 2) / after.side;
  state.y = at.y - (py - map.height / 2) / after.side;
  draw();
}

let drag = null;
map.onpointerdown = (event) => {
  map.setPointerCapture(event.pointerId);
  drag = { x: event.clientX, y: event.clientY, moved: false };
};
map.onpointermove = (event) => {
  if (drag) {
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (drag.moved || Math.hypot(dx, dy) > 4) {
      const scale = map.width / map.getBoundingClientRect().width / frame().side;
      drag = { x: event.clientX, y: event.clientY, moved: true };
      map.classList.add("dragging");
      pan(-dx * scale, -dy * scale);
    }
    return;
  }
  const under = cellUnder(event);
  if (under !== state.hovered) { state.hovered = under; draw(); }
};
map.onpointerup = (event) => {
  if (drag && !drag.moved) { state.picked = cellUnder(event); draw(); }
  drag = null;
  map.classList.remove("dragging");
};
map.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-Math.max(-80, Math.min(80, event.deltaY)) * 0.004), event);
}, { passive: false });

// One step among the cells with the arrow keys when a cell is picked, else a pan.
function go(dx, dy) {
  const view = level();
  const cell = view.cells[state.picked];
  if (!cell) { pan(dx * 0.15 / state.zoom, dy * 0.15 / state.zoom); return; }
  for (let n = 1; n < view.grid; n += 1) {
    const next = index(view).get((cell[0] + dy * n) + "," + (cell[1] + dx * n));
    if (next !== undefined) { state.picked = next; draw(); return; }
  }
}

const keys = {
  ArrowLeft: () => go(-1, 0), h: () => go(-1, 0),
  ArrowRight: () => go(1, 0), l: () => go(1, 0),
  ArrowUp: () => go(0, -1), k: () => go(0, -1),
  ArrowDown: () => go(0, 1), j: () => go(0, 1),
  "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3),
  "[": () => choose(state.layer, state.level - 1), "]": () => choose(state.layer, state.level + 1),
  "0": () => { Object.assign(state, { x: 0.5, y: 0.5, zoom: 1 }); draw(); },
  d: () => { state.density = !state.density; draw(); },
  "/": () => { $("search").focus(); $("search").select(); },
  Escape: () => { state.picked = -1; colourBy(-1); },
};
window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === $("search")) {
    if (event.key === "Escape") { colourBy(-1); map.focus(); }
    if (event.key === "Enter") { const first = $("found").querySelector("button"); if (first) first.click(); }
    return;
  }
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});
$("search").addEventListener("input", search);
window.addEventListener("resize", draw);
$("title").textContent = `${ATLAS.network} · ${ATLAS.n_images.toLocaleString()} images`;
choose(0, ATLAS.layers[0].levels.length - 1);
