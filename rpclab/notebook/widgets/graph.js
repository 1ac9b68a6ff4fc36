// The graph: Workers, bindings, the stubs they hold; and what one of them can reach.
//
// Where the parts stand is worked out in the kernel, for all that there has been: so nothing moves
// while one steps through a recording. Here the parts of a moment are drawn.
import { legendOf } from "./app.js";
import { colourOf, draw, make } from "./dom.js";
import { keyOf, reach } from "./edges.js";
import { LOOK, WORDS } from "./look.js";
import { elided, lineWords, said } from "./words.js";

const SAY = WORDS.live;
const SMALLEST = 0.85; // of its size; a picture that is wider is scrolled

export class GraphPanel {
  name = "graph";

  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.chosen = null;
    this.stage = make("div", { class: "rl-stage rl-graph" });
    this.ways = make("div", { class: "rl-ways", role: "status", "aria-live": "polite" });
    this.element = make("div", { class: "rl-panel" },
      make("div", { class: "rl-tools" }, make("span", { class: "rl-muted" }, SAY["graph hint"])),
      this.stage, this.ways, legendOf("graph"));
    this.observer = new ResizeObserver(() => this.update());
    this.observer.observe(this.stage);
  }

  reset() { this.chosen = null; this.key = ""; }
  close() { this.observer.disconnect(); }

  update() {
    const { store } = this;
    store.lines.moveTo(this.app.position);
    const lines = store.lines.shown;
    const deployed = store.deployedAt(this.app.position);
    const layout = this.layoutFor(this.stage.clientWidth);
    const key = JSON.stringify([layout, [...lines], [...deployed], this.chosen]);
    if (!layout || key === this.key) return;
    this.key = key;
    this.show(layout, lines, deployed);
  }

  /** The widest layout that there is room for. */
  layoutFor(room) {
    const fitting = this.store.layouts.filter(({ width }) => width * SMALLEST <= room);
    return fitting.at(-1) ?? this.store.layouts[0];
  }

  show({ width, height, boxes, lines: places }, lines, deployed) {
    const reached = this.chosen && boxes[this.chosen] ? reach(lines, this.chosen) : null;
    const focused = this.stage.contains(document.activeElement);
    const nodes = Object.entries(boxes).map(([name, box]) => this.node(name, box, lines, deployed, reached));
    const edges = places.flatMap(place => {
      const line = lines.get(keyOf(place.kind, place.holder, place.worker));
      return line ? [this.edge(line, place, reached)] : [];
    });
    // All texts stand above all lines.
    const picture = draw("svg", {
      viewBox: `0 0 ${width} ${height}`, width, height, class: "rl-picture", role: "group", style: `min-width:${width * SMALLEST}px`,
      "aria-label": said(SAY["graph label"], { workers: this.store.workers.length }),
    }, ...edges.map(([shape]) => shape), ...nodes, ...edges.map(([, text]) => text));
    this.stage.replaceChildren(picture);
    if (focused && this.chosen) this.stage.querySelector(".rl-chosen")?.focus();
    this.tell(reached);
  }

  node(name, [left, top, right, bottom], lines, deployed, reached) {
    const colour = colourOf(this.store.workers.indexOf(name));
    const absent = name !== "notebook" && !deployed.has(name);
    const lit = !reached || name === this.chosen || reached.has(name);
    const act = () => { this.chosen = this.chosen === name ? null : name; this.update(); };
    const stubs = [...lines.values()].filter(line => line.kind === "stub" && line.holder === name).flatMap(line => line.things);
    const held = stubs.reduce((sum, [, number]) => sum + number, 0);
    const more = absent ? WORDS.graph.absent : held ? said(SAY.holds, { held }) : "";
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const paint = absent ? "fill:none;stroke:var(--rl-muted);stroke-dasharray:4 3" : `fill:var(--rl-t${colour});stroke:var(--rl-w${colour})`;
    return draw("g", {
      class: `rl-node${lit ? "" : " rl-dim"}${name === this.chosen ? " rl-chosen" : ""}`, tabindex: "0", role: "button",
      "aria-pressed": String(name === this.chosen), "aria-label": more ? `${name}, ${more}` : name, "data-worker": name, onclick: act,
      onkeydown: event => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        act();
      },
    }, draw("title", {}, more ? `${name}, ${more}` : name),
    draw("rect", { x: left, y: top, width: right - left, height: bottom - top, rx: 6, style: paint }),
    draw("text", { x, y: more ? y - 1 : y + 4, "text-anchor": "middle", class: "b", style: `fill:var(--rl-w${colour})` }, elided(name, right - left - 12)),
    ...(more ? [draw("text", { x, y: y + 12, "text-anchor": "middle", class: "t", style: "fill:var(--rl-muted);font-size:10px" }, more)] : []));
  }

  /** A line, and its text. */
  edge(line, { line: path, head, label: [left, , right, bottom] }, reached) {
    const { kind, holder } = line;
    const { label, title } = lineWords(line);
    const lit = !reached || ((holder === this.chosen || reached.has(holder)) && kind !== "introduction");
    const dim = lit ? "" : " rl-dim";
    const fill = `fill:var(--rl-${kind === "stub" ? LOOK.lines.stub.colour : "muted"})`;
    const text = elided(label, right - left - 4);
    return [
      draw("g", { class: `call${dim}` }, draw("title", {}, title), draw("path", { d: path, class: `l-${kind}` }),
        draw("path", { d: head, style: `fill:var(--rl-${LOOK.lines[kind].colour})` })),
      draw("text", { x: (left + right) / 2, y: bottom - 3, "text-anchor": "middle", class: `h${dim}`, style: fill }, draw("title", {}, title), text),
    ];
  }

  tell(reached) {
    if (!reached) {
      this.ways.replaceChildren();
      return;
    }
    const name = this.chosen;
    const items = [...reached].map(([worker, through]) => make("li", {}, said(WORDS.graph.way, { worker, through })));
    const first = said(WORDS.graph[items.length ? "reaches" : "reaches nobody"], { name });
    this.ways.replaceChildren(make("b", {}, first), make("ul", {}, ...items));
  }
}
