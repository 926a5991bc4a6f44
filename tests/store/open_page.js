// Runs an exported page against a stand-in for a browser: draws, searches, colours, picks, switches levels.
"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");
const assert = require("assert");

const drawn = { images: 0, texts: new Set() };

function element(tag) {
  const self = {
    tag, children: [], listeners: {}, attributes: {}, value: "", width: 0, height: 0,
    classList: { add() {}, remove() {} },
    append: (...more) => self.children.push(...more),
    replaceChildren: (...more) => { self.children = more; },
    setAttribute: (name, value) => { self.attributes[name] = value; },
    addEventListener: (name, act) => { self.listeners[name] = act; },
    querySelector: (wanted) => {
      for (const child of self.children) {
        if (child.tag === wanted) return child;
        const below = child.querySelector(wanted);
        if (below) return below;
      }
      return null;
    },
    getBoundingClientRect: () => ({ left: 0, top: 0, width: 800, height: 600 }),
    getContext: () => ({ drawImage: () => { drawn.images += 1; }, fillRect() {}, strokeRect() {} }),
    setPointerCapture() {}, focus() {}, select() {}, click: () => self.onclick(),
    set textContent(text) { drawn.texts.add(String(text)); },
  };
  return self;
}

const elements = {};
const window = element("window");
window.devicePixelRatio = 2;
const world = vm.createContext({
  window,
  document: {
    getElementById: (id) => (elements[id] = elements[id] || element(id)),
    createElement: element,
    createElementNS: (_, tag) => element(tag),
  },
  Image: class {
    set src(name) {
      assert(fs.existsSync(path.join(process.argv[2], name)), `${name} is missing`);
      this.complete = true;
      this.naturalWidth = 64;
    }
  },
  console,
});
for (const name of ["atlas.js", "page.js"]) {
  vm.runInContext(fs.readFileSync(path.join(process.argv[2], name), "utf8"), world, { filename: name });
}
const run = (code) => vm.runInContext(code, world);
const press = (key, target) => window.listeners.keydown({ key, target, preventDefault() {} });

assert(drawn.images > 0, "nothing was drawn");
const cells = run("level().cells.length");
drawn.images = 0;
run("draw()");
const icons = run("level().cells.filter((cell) => cell[3]).length");
assert.strictEqual(drawn.images, icons, "the whole map shows every icon");

// A click in the middle of the first cell picks it and fills the panel.
elements.map.getBoundingClientRect = () => ({ left: 0, top: 0, width: run("map.width") / 2, height: run("map.height") / 2 });
run("draw()");
const at = { clientX: 0, clientY: 0, pointerId: 1 };
[at.clientX, at.clientY] = run(`(() => { const f = frame(), v = level(), c = v.cells[0];
  return [(f.left + (c[1] + 0.5) / v.grid * f.side) / 2, (f.top + (c[0] + 0.5) / v.grid * f.side) / 2]; })()`);
elements.map.onpointerdown(at);
elements.map.onpointerup(at);
assert.strictEqual(run("state.picked"), 0);
assert(drawn.texts.has("speaks for"));

elements.search.value = "fox";
elements.search.listeners.input();
press("Enter", elements.search);
assert.strictEqual(run("state.colour"), run("ATLAS.classes.findIndex((names) => names.includes('fox'))"));
press("Escape", elements.map);
assert.strictEqual(run("state.colour"), -1);
for (const key of ["ArrowLeft", "j", "+", "-", "d", "[", "[", "]", "]", "0", "/", "x"]) press(key, elements.map);
run("zoom(1.5, { clientX: 10, clientY: 20 }); choose(1, 0)");
assert(run("level().cells.length") > 0 && cells > 0);
