// Lifetimes: what stubs lead to, and below each the stubs of it, from their making to their end.
import { legendOf } from "./app.js";
import { Axis } from "./axis.js";
import { Surface, font, line, mark } from "./canvas.js";
import { before, make, markOf } from "./dom.js";
import { LOOK, WORDS } from "./look.js";
import { Store } from "./store.js";
import { columnsOf, elided, place, placeIn, said, shortPlace, told } from "./words.js";

const SAY = WORDS.live;
const LABEL = 26; // pixels before a label
const COUNT = 4; // characters of the number of references behind a target
const ROW = 20;
const HEAD = 20;
const MOST = 400; // pixels that are seen at a time
const NOTHING = { stubs: 0, targets: 0, label: 0, place: 0, short: 0, name: 0 }; // characters of the widest texts so far

export class LifetimesPanel {
  name = "lifetimes";

  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.axis = new Axis(this.store);
    this.surface = new Surface(app.root, 120, (...all) => this.paint(...all));
    this.rows = [];
    this.chosen = null;
    this.widest = { ...NOTHING };
    this.only = false;
    const { element } = this.surface;
    element.setAttribute("role", "img");
    element.addEventListener("pointermove", event => this.hover(this.rowAt(event.offsetY)));
    element.addEventListener("pointerleave", () => this.hover(null));
    element.addEventListener("click", event => this.open(this.rowAt(event.offsetY)));
    element.addEventListener("keydown", event => this.key(event));
    this.sheet = make("div", { class: "rl-sheet" });
    this.scroll = make("div", { class: "rl-scroll", onscroll: () => this.surface.ask() }, make("div", { class: "rl-stick" }, element), this.sheet);
    this.reason = make("div", { class: "rl-reason", role: "status", "aria-live": "polite" });
    this.onlyHeld = make("button", { type: "button", "aria-pressed": "false", onclick: () => this.toggle() }, SAY["only held"]);
    this.held = make("span", { class: "rl-muted" });
    this.element = make("div", { class: "rl-panel" },
      make("div", { class: "rl-tools" }, this.onlyHeld, this.held, make("span", { class: "rl-muted rl-keys" }, SAY["lifetimes keys"])),
      this.scroll, this.reason, legendOf("lifetimes"));
  }

  reset() {
    this.chosen = null;
    this.reason.replaceChildren();
    this.widest = { ...NOTHING };
  }

  close() { this.surface.close(); }
  onPaper(paper) { this.surface.onPaper(paper); }
  update() { this.sort(); this.surface.ask(); }

  /** Take steps, or the clock, as the measure. */
  measure(by) { this.axis.choose(by); }

  toggle() {
    this.only = !this.only;
    this.onlyHeld.setAttribute("aria-pressed", String(this.only));
    this.update();
  }

  grown() {
    this.axis.grown();
    const groups = new Map();
    for (const stub of this.store.stubs) {
      if (!groups.has(stub.target)) groups.set(stub.target, []);
      groups.get(stub.target).push(stub);
    }
    // What is held still comes first, for there may be more than can be seen at a time.
    const isHeld = ([, stubs]) => stubs.some(stub => stub.ended_at === null);
    const all = [...groups];
    this.groups = new Map([...all.filter(isHeld), ...all.filter(group => !isHeld(group))]);
  }

  /** Columns as wide as their texts, as far as there is room; labels give way first. */
  columns(width) {
    const { store, widest } = this;
    for (const stub of store.stubs.slice(widest.stubs)) {
      widest.label = Math.max(widest.label, said(WORDS.labels.stub, stub).length);
      widest.place = Math.max(widest.place, place(stub.site ?? "").length);
      widest.short = Math.max(widest.short, shortPlace(stub.site ?? "").length);
    }
    for (const target of store.targets.slice(widest.targets)) widest.name = Math.max(widest.name, said(WORDS.labels.target, target).length);
    Object.assign(widest, { stubs: store.stubs.length, targets: store.targets.length });
    const [, site, right] = columnsOf([widest.label, widest.place, widest.short, widest.name + COUNT], LABEL, width);
    return { site, right };
  }

  isHeld(stub) { return Store.lives(this.app.position, stub.made_at, stub.ended_at); }

  /** The rows at this moment: a target, and the stubs of it. */
  sort() {
    this.rows = [];
    let held = 0;
    for (const [number, stubs] of this.groups ?? []) {
      const shown = this.only ? stubs.filter(stub => this.isHeld(stub)) : stubs;
      held += stubs.filter(stub => this.isHeld(stub)).length;
      if (!shown.length) continue;
      this.rows.push({ target: this.store.targets[number - 1] });
      for (const stub of shown) this.rows.push({ stub });
    }
    this.held.textContent = ` ${said(SAY.held, { held, stubs: this.store.stubs.length })}`;
    const all = HEAD + this.rows.length * ROW + 6;
    this.seen = Math.min(Math.max(all, 120), MOST);
    this.surface.setHeight(this.seen);
    this.scroll.style.height = `${this.seen}px`;
    this.sheet.style.height = `${Math.max(all - this.seen, 0)}px`;
    this.surface.element.setAttribute("aria-label", said(SAY["lifetimes label"], { stubs: this.store.stubs.length, held }));
  }

  paint(context, width, height, palette) {
    font(context, 11);
    const columns = this.columns(width);
    const text = columns.right;
    this.axis.left = text;
    this.axis.right = width - 20;
    context.fillStyle = palette.named.background;
    context.fillRect(0, 0, width, height);
    context.textBaseline = "middle";
    const first = Math.floor(this.scroll.scrollTop / ROW);
    const shift = this.scroll.scrollTop - first * ROW;
    const last = Math.min(first + Math.ceil((height - HEAD) / ROW) + 1, this.rows.length);
    context.save();
    context.beginPath();
    context.rect(0, HEAD, width, height - HEAD);
    context.clip();
    for (let n = first; n < last; n++) {
      const y = HEAD + (n - first) * ROW - shift + ROW / 2;
      const row = this.rows[n];
      if (this.isChosen(row)) {
        context.fillStyle = palette.named.band;
        context.fillRect(0, y - ROW / 2, width, ROW);
        context.fillStyle = palette.named.pipelined;
        context.fillRect(0, y - ROW / 2, 3, ROW);
      }
      if (row.target) this.paintTarget(context, row.target, y, text, palette);
      else this.paintStub(context, row.stub, y, columns, palette);
    }
    context.restore();
    this.paintAxis(context, height, text, palette);
    if (!this.rows.length) {
      font(context, 12, { code: false });
      context.fillStyle = palette.named.muted;
      context.fillText(this.only ? SAY["none held"] : SAY["no stub"], 12, HEAD + 20);
    }
  }

  paintAxis(context, height, text, palette) {
    font(context, 10);
    context.textAlign = "center";
    context.fillStyle = palette.named.muted;
    for (const [x, tick] of this.axis.ticks()) context.fillText(tick, Math.min(x, this.axis.right + 4), 9);
    context.textAlign = "left";
    context.fillText(this.axis.by === "order" ? SAY.step : SAY.time, 10, 9);
    const x = this.axis.x(this.app.position, this.store.timeAt(this.app.position));
    if (x < text || !this.store.length) return;
    line(context, palette, "moment");
    context.beginPath();
    context.moveTo(x + 0.5, 14);
    context.lineTo(x + 0.5, height);
    context.stroke();
  }

  worker(name) { return this.store.workers.indexOf(name); }

  /** How many references a target has at this moment. */
  references(target) {
    const list = target.references;
    return list[before(list, this.app.position, entry => entry[0]) - 1]?.[2] ?? 0;
  }

  paintTarget(context, target, y, text, palette) {
    const { axis, store } = this;
    const { edge } = palette.worker(this.worker(target.worker));
    font(context, 11, { bold: true });
    context.fillStyle = edge;
    const references = this.references(target);
    context.fillText(elided(said(WORDS.labels.target, target), text - 48), 8, y);
    font(context, 11);
    context.fillStyle = references ? palette.named.text : palette.named.muted;
    context.textAlign = "right";
    context.fillText(said(WORDS.labels.references, { references }), text - LOOK.sizes.gap, y);
    context.textAlign = "left";
    const from = axis.x(target.introduced_at + 1, target.introduced);
    const to = target.gone_at === null ? axis.x(store.length, store.end) : axis.x(target.gone_at + 1, target.gone);
    context.fillStyle = edge;
    context.globalAlpha = from > axis.x(this.app.position, store.timeAt(this.app.position)) ? 0.3 : 1;
    const { least, each, most } = LOOK.thickness;
    target.references.forEach(([moment, time, number], n) => {
      const next = target.references[n + 1];
      const begin = Math.max(axis.x(moment + 1, time), from);
      const end = next ? axis.x(next[0] + 1, next[1]) : to;
      const thick = least + each * Math.min(number, most);
      if (number) context.fillRect(begin, y - thick / 2, Math.max(end - begin, 2), thick);
    });
    context.globalAlpha = 1;
    if (target.broken !== null) mark(context, palette, "broken", Math.max(axis.x(store.length, target.broken), from + 8), y);
  }

  paintStub(context, stub, y, { site, right }, palette) {
    const { axis, store } = this;
    const { edge, tint } = palette.worker(this.worker(stub.holder));
    const { gap } = LOOK.sizes;
    const held = this.isHeld(stub);
    if (held) mark(context, palette, "leak", 16, y, 11);
    font(context, 11);
    context.fillStyle = held ? palette.named.warn : palette.named.text;
    context.fillText(elided(said(WORDS.labels.stub, stub), site - LABEL - gap), LABEL, y);
    context.fillStyle = palette.named.muted;
    context.fillText(placeIn(stub.site ?? "", right - site - gap), site, y);
    const now = axis.x(this.app.position, store.timeAt(this.app.position));
    const from = axis.x(stub.made_at + 1, stub.made);
    const to = stub.ended_at === null ? axis.x(store.length, store.end) : axis.x(stub.ended_at + 1, stub.ended);
    context.globalAlpha = from > now + 0.5 ? 0.3 : 1;
    context.fillStyle = tint;
    context.strokeStyle = edge;
    context.lineWidth = 1.2;
    context.setLineDash([]);
    context.beginPath();
    context.roundRect(from, y - 5, Math.max(to - from, 3), 10, 2.5);
    context.fill();
    context.stroke();
    for (const [moment, time] of stub.passed) {
      context.beginPath();
      context.arc(axis.x(moment + 1, time), y, 2.5, 0, 7);
      context.fillStyle = edge;
      context.fill();
    }
    if (stub.ended_at !== null) mark(context, palette, LOOK.ends[stub.why] ?? LOOK.ends.user, to + 9, y, 10);
    context.globalAlpha = 1;
  }

  // What the reader does.

  rowAt(y) {
    const n = Math.floor((y - HEAD + this.scroll.scrollTop) / ROW);
    return y < HEAD ? null : this.rows[n] ?? null;
  }

  isChosen(row) {
    return this.chosen !== null && row.stub === this.chosen.stub && row.target === this.chosen.target;
  }

  hover(row) {
    if (row === this.chosen || (row && this.isChosen(row))) return;
    this.chosen = row;
    this.app.say(row ? this.describe(row) : null);
    this.surface.ask();
  }

  key(event) {
    const at = this.chosen ? this.rows.findIndex(row => this.isChosen(row)) : -1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (to === undefined) {
      this.open(this.chosen);
      return;
    }
    const n = Math.min(Math.max(to, 0), this.rows.length - 1);
    const y = n * ROW;
    const { scrollTop } = this.scroll;
    if (y < scrollTop) this.scroll.scrollTop = y;
    else if (y + ROW > scrollTop + this.seen - HEAD) this.scroll.scrollTop = y + ROW - this.seen + HEAD + 8;
    this.chosen = null;
    this.hover(this.rows[n] ?? null);
  }

  /** Ask what keeps a stub alive; only its kernel can tell. */
  open(row) {
    if (!row?.stub) return;
    const { stub } = row;
    this.asked = stub.number;
    this.explain(stub, this.isHeld(stub) && stub.ended_at === null ? "…" : null);
    if (stub.ended_at === null) this.app.send({ ask: "why", stub: stub.number, holder: stub.holder, site: stub.site });
  }

  explained({ stub, text }) { if (stub === this.asked) this.explain(this.store.stubs[stub - 1], text); }

  explain(stub, text) {
    const lines = [...this.describe({ stub })];
    const close = make("button", { type: "button", "aria-label": SAY.close, onclick: () => this.reason.replaceChildren() }, "×");
    this.reason.replaceChildren(make("div", { class: "rl-card" }, close, stub.ended_at === null ? markOf("leak") : "",
      make("b", {}, ` ${lines[0]}`), make("div", {}, lines.slice(1).filter(Boolean).join(" · ")), text ? make("pre", {}, text) : ""));
  }

  describe({ stub, target }) {
    const { begin } = this.store;
    const after = time => time === null ? null : time - begin;
    if (target) {
      return told("target", {
        ...target, references: this.references(target), is_broken: target.broken !== null,
        after: after(target.introduced), until: after(target.gone),
      });
    }
    const { name, worker } = this.store.targets[stub.target - 1];
    const receivers = [...new Set(stub.passed.map(each => each[2]))];
    return told("stub", { ...stub, name, worker, receivers, after: after(stub.made), until: after(stub.ended) });
  }
}
