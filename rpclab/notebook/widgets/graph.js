// The graph: Workers, bindings, the stubs they hold; and what one of them can reach.
import { legendOf } from "./app.js";
import { count, draw, make } from "./dom.js";
import { LOOK } from "./look.js";
import { reach } from "./store.js";

const BOX = { width: 128, height: 34 };
const COLUMN = 300;
const LINE = 86;
const APART = 26; // how far lines between the same two are bent from each other

export class GraphPanel {
  title = "Graph";

  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.chosen = null;
    this.stage = make("div", { class: "rl-stage rl-graph" });
    this.ways = make("div", { class: "rl-ways", role: "status", "aria-live": "polite" });
    this.element = make("div", { class: "rl-panel" },
      make("div", { class: "rl-tools" }, make("span", { class: "rl-muted" }, "Click a Worker, or move the focus to it and press Enter: what can it reach?")),
      this.stage, this.ways, legendOf([
        ["line binding", "a binding of an env: always there"], ["line stub", "stubs that are held, and how many"],
        ["line introduction", "who gave somebody a stub of a third one's"],
      ]));
  }

  reset() { this.chosen = null; this.key = ""; }

  update() {
    const graph = this.store.graphAt(this.app.position);
    const key = JSON.stringify([graph.workers, [...graph.deployed], graph.bindings, graph.stubs, graph.introductions.length, this.chosen]);
    if (key === this.key) return;
    this.key = key;
    this.show(graph);
  }

  /** Columns by distance from the first Worker; those that nothing leads to come with it. */
  layOut(graph) {
    const columns = new Map();
    const start = graph.workers[0];
    if (start) columns.set(start, 0);
    for (const [name, way] of start ? reach(graph, start) : []) columns.set(name, way.length);
    for (const name of graph.workers) {
      if (!columns.has(name)) columns.set(name, 0);
    }
    const rows = [];
    const places = new Map();
    for (const name of graph.workers) {
      const column = columns.get(name);
      rows[column] = (rows[column] ?? 0) + 1;
      places.set(name, { column, row: rows[column] - 1 });
    }
    const most = Math.max(1, ...rows.map(n => n ?? 0));
    for (const place of places.values()) {
      // Columns are centred, and set off by a bit, so that lines do not run through boxes.
      place.x = 20 + BOX.width / 2 + place.column * COLUMN;
      place.y = 50 + ((most - rows[place.column]) / 2 + place.row) * LINE + (place.column % 2) * 12;
    }
    // Lines within the last column need room beside it.
    return { places, width: 140 + BOX.width + Math.max(rows.length - 1, 0) * COLUMN, height: 20 + most * LINE };
  }

  show(graph) {
    const { places, width, height } = this.layOut(graph);
    const reached = this.chosen && places.has(this.chosen) ? reach(graph, this.chosen) : null;
    const focused = this.stage.contains(document.activeElement);
    const nodes = graph.workers.map((name, n) => this.node(graph, name, n, places.get(name), reached));
    const picture = draw("svg", {
      viewBox: `0 0 ${width} ${height}`, width, height, class: "rl-picture", role: "group",
      "aria-label": `${count(graph.workers.length, "Worker")}, ${count(graph.bindings.length, "binding")}, ${count(graph.stubs.length, "kind")} of stubs held`,
    }, heads(this.app.id), ...this.edges(graph, places, reached), ...nodes);
    this.stage.replaceChildren(picture);
    if (focused && this.chosen) nodes[graph.workers.indexOf(this.chosen)]?.focus();
    this.tell(graph, reached);
  }

  node(graph, name, number, { x, y }, reached) {
    const colour = number ? 1 + (number - 1) % (LOOK.workers.light.length - 1) : 0;
    const absent = number > 0 && !graph.deployed.has(name) && name !== "notebook";
    const lit = !reached || name === this.chosen || reached.has(name);
    const act = () => { this.chosen = this.chosen === name ? null : name; this.update(); };
    const held = graph.stubs.filter(stub => stub.holder === name).reduce((sum, stub) => sum + stub.count, 0);
    const label = `${name}${absent ? ", not deployed" : ""}${held ? `, holds ${count(held, "stub")}` : ""}`;
    return draw("g", {
      class: `rl-node${lit ? "" : " rl-dim"}${name === this.chosen ? " rl-chosen" : ""}`, tabindex: "0", role: "button",
      "aria-pressed": String(name === this.chosen), "aria-label": label, "data-worker": name, onclick: act,
      onkeydown: event => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        act();
      },
    }, draw("rect", {
      x: x - BOX.width / 2, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 6,
      style: `fill:var(--rl-t${colour});stroke:var(--rl-w${colour})${absent ? ";stroke-dasharray:4 3" : ""}`,
    }), draw("text", { x, y: held || absent ? y - 3 : y + 4, "text-anchor": "middle", class: "b", style: `fill:var(--rl-w${colour})` }, name.length > 17 ? `${name.slice(0, 16)}…` : name),
    ...(held || absent ? [draw("text", { x, y: y + 10, "text-anchor": "middle", style: "fill:var(--rl-muted);font-size:9.5px" }, absent ? "not deployed" : `holds ${count(held, "stub")}`)] : []),
    draw("title", {}, label));
  }

  /** The lines, those of one kind between the same two as one. */
  edges(graph, places, reached) {
    const lines = [
      ...graph.bindings.map(each => ["binding", each.holder, each.worker, `env.${each.name}${each.entrypoint && each.entrypoint !== "Default" ? ` (${each.entrypoint})` : ""}`]),
      ...graph.stubs.map(each => ["stub", each.holder, each.worker, `${each.count > 1 ? `${each.count} × ` : ""}${each.name}`]),
      ...graph.introductions.map(each => ["introduction", each.introducer, each.receiver, `gave ${each.name} of ${each.worker}`]),
    ];
    const together = new Map();
    for (const [kind, from, to, text] of lines) {
      const key = `${kind}|${from}|${to}`;
      if (!together.has(key)) together.set(key, { kind, from, to, one: places.get(from), other: places.get(to), texts: new Map() });
      const { texts } = together.get(key);
      texts.set(text, (texts.get(text) ?? 0) + 1);
    }
    const edges = [...together.values()].filter(edge => edge.one && edge.other);
    attach(edges);
    const taken = [...places.values()].map(at => ({ x: at.x, y: at.y, width: BOX.width + 8, height: BOX.height + 6 }));
    const drawn = edges.map(edge => this.edge(edge, taken, reached));
    // All texts stand above all lines.
    return [...drawn.map(([path]) => path), ...drawn.map(([, text]) => text)];
  }

  edge({ kind, from, to, texts, ends, bend }, taken, reached) {
    const lit = !reached || ((from === this.chosen || reached.has(from)) && kind !== "introduction");
    const words = [...texts].map(([text, times]) => times > 1 && kind === "introduction" ? `${text} ×${times}` : text);
    const all = words.length > 3 ? `${words.slice(0, 2).join(", ")}, … ${words.length - 2} more` : words.join(", ");
    const text = all.length > 34 ? `${all.slice(0, 33)}…` : all;
    const { path, at } = curve(ends, bend);
    const { x, y } = free(at, text.length * 6.2 + 6, taken);
    const shape = LOOK.lines[kind];
    const dim = lit ? null : "rl-dim";
    const title = () => draw("title", {}, `${from} → ${to}: ${words.join(", ")}`);
    return [draw("path", {
      d: path, "marker-end": `url(#${this.app.id}-${kind})`, class: dim,
      style: `fill:none;stroke:var(--rl-${shape.colour});stroke-width:${shape.width}${shape.dash ? `;stroke-dasharray:${shape.dash}` : ""}`,
    }, title()), draw("text", { x, y: y + 3.5, "text-anchor": "middle", class: lit ? "h" : "h rl-dim", style: "font-size:10px" }, text, title())];
  }

  tell(graph, reached) {
    if (!reached) {
      this.ways.replaceChildren();
      return;
    }
    const items = [...reached].map(([name, steps]) => make("li", {}, make("b", {}, name), ` through ${steps.join(", then ")}`));
    this.ways.replaceChildren(make("b", {}, items.length ? `${this.chosen} can reach ${items.length} of ${graph.workers.length - 1}:` : `${this.chosen} can reach nobody.`), make("ul", {}, ...items));
  }
}

/** Give each line a place of its own on the sides of the boxes that it joins. */
function attach(edges) {
  const sides = new Map();
  for (const edge of edges) {
    const { one, other } = edge;
    const side = Math.sign(other.column - one.column);
    edge.self = one === other;
    // Lines within a column run on its right, where nothing comes in from the first one.
    edge.ends = [{ box: one, side: side || 1 }, { box: other, side: -side || 1 }];
    edge.ends.forEach((end, n) => {
      const key = `${end.box.x} ${end.box.y} ${end.side}`;
      if (!sides.has(key)) sides.set(key, []);
      sides.get(key).push({ end, towards: edge.ends[1 - n].box.y + (edge.self ? n - 0.5 : 0) });
    });
  }
  for (const side of sides.values()) {
    side.sort((one, other) => one.towards - other.towards);
    const step = Math.min((BOX.height - 6) / side.length, 11);
    side.forEach(({ end }, n) => {
      end.x = end.box.x + end.side * BOX.width / 2;
      end.y = end.box.y + (n - (side.length - 1) / 2) * step;
    });
  }
  // Lines between the same two part on their way, so that each has room for its text.
  const between = new Map();
  for (const edge of edges) {
    const pair = [edge.from, edge.to].sort().join("|");
    if (!between.has(pair)) between.set(pair, []);
    between.get(pair).push(edge);
  }
  const height = ({ ends: [one, other] }) => one.y + other.y;
  for (const lines of between.values()) {
    lines.sort((one, other) => height(one) - height(other));
    lines.forEach((edge, n) => { edge.bend = (n - (lines.length - 1) / 2) * APART; });
  }
}

/** The curve between two ends, bent up or down by so much, and its middle. */
function curve([one, other], bend) {
  const within = one.side === other.side;
  const reachOut = within ? 46 + Math.abs(one.y - other.y) * 0.25 : Math.abs(other.x - one.x) * 0.42;
  const [x1, x2] = [one.x + one.side * reachOut, other.x + other.side * reachOut];
  const [y1, y2] = within ? [one.y, other.y] : [one.y + bend, other.y + bend];
  const at = { x: (one.x + 3 * x1 + 3 * x2 + other.x) / 8, y: (one.y + 3 * y1 + 3 * y2 + other.y) / 8 };
  return { path: `M${one.x} ${one.y}C${x1} ${y1} ${x2} ${y2} ${other.x} ${other.y}`, at };
}

/** The place nearest to a point where a text of that width meets nothing that stands there. */
function free(at, width, taken) {
  for (let n = 0; n < 24; n++) {
    const y = at.y + (n % 2 ? 1 : -1) * Math.ceil(n / 2) * 7;
    const box = { x: at.x, y, width, height: 13 };
    if (taken.some(other => Math.abs(other.x - box.x) * 2 < other.width + box.width && Math.abs(other.y - box.y) * 2 < other.height + box.height)) continue;
    taken.push(box);
    return box;
  }
  return at;
}

function heads(id) {
  return draw("defs", {}, ...["binding", "stub", "introduction"].map(kind => draw("marker", {
    id: `${id}-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto",
  }, draw("path", { d: "M0 0L8 4L0 8z", style: `fill:var(--rl-${LOOK.lines[kind].colour});stroke:none` }))));
}
