// The timeline: a lane for each Worker, a bar for each call, an arrow for each message.
import { legendOf } from "./app.js";
import { Axis } from "./axis.js";
import { Surface, arrowHead, font, haloed, line, mark } from "./canvas.js";
import { before, lineOf, make } from "./dom.js";
import { BASE, Lanes, TOP } from "./lanes.js";
import { LOOK, WORDS } from "./look.js";
import { callAlone, callLabel, elided, said, told } from "./words.js";

const SAY = WORDS.live;
const REACH = 6; // pixels around the pointer in which an arrow is meant
const LABELLED = 7; // the lowest row that has room for a label

export class TimelinePanel {
  name = "timeline";
  advised = true;
  controlled = true;

  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.axis = new Axis(this.store);
    this.where = new Lanes(this.store, this.axis);
    this.surface = new Surface(app.root, this.where.height, (...all) => this.paint(...all));
    this.layer = document.createElement("canvas");
    this.drawn = null;
    this.chosen = null;
    this.names = LOOK.sizes.names[0]; // pixels for the names of the Workers
    this.reset();
    const { element } = this.surface;
    element.setAttribute("role", "img");
    element.setAttribute("aria-roledescription", SAY.titles.timeline);
    element.addEventListener("pointermove", event => this.point(event));
    element.addEventListener("pointerleave", () => { if (!this.drag) this.hover(null); });
    element.addEventListener("pointerdown", event => this.grab(event));
    element.addEventListener("pointerup", event => this.drop(event));
    element.addEventListener("dblclick", event => { this.axis.zoom(3, event.offsetX); this.redraw(); });
    element.addEventListener("wheel", event => this.wheel(event), { passive: false });
    element.addEventListener("keydown", event => this.key(event));
    element.addEventListener("focus", () => app.say(this.chosen ? this.describe(this.chosen) : null));
    this.element = make("div", { class: "rl-panel" }, this.tools(), make("div", { class: "rl-stage" }, element), legendOf("timeline"));
  }

  tools() {
    const button = (text, what, action) => make("button", { type: "button", title: what, "aria-label": what, onclick: action }, text);
    this.scales = ["order", "time"].map(by => make("button", {
      type: "button", title: SAY.scales[by],
      onclick: () => { this.measure(by); this.redraw(); },
    }, SAY[by]));
    return make("div", { class: "rl-tools", role: "group", "aria-label": SAY["timeline tools"] },
      make("span", { class: "rl-muted" }, SAY.scale), make("span", { class: "rl-switch" }, ...this.scales),
      button(...SAY.out, () => this.zoom(1 / 1.6)), button(...SAY.in, () => this.zoom(1.6)),
      button(...SAY.fit, () => { this.axis.window = null; this.redraw(); }),
      make("span", { class: "rl-muted rl-keys" }, SAY["timeline keys"]));
  }

  showScale() { this.scales.forEach((button, n) => button.setAttribute("aria-pressed", String(["order", "time"][n] === this.axis.by))); }

  /** Take steps, or the clock, as the measure. */
  measure(by) {
    this.axis.choose(by);
    this.showScale();
  }

  reset() {
    this.chosen = null;
    this.axis.window = null;
  }

  close() { this.surface.close(); }
  onPaper(paper) { this.drawn = null; this.surface.onPaper(paper); this.drawn = null; }

  /** There are new rows: lay out anew. */
  grown() {
    this.axis.grown();
    this.showScale();
    this.where.layOut();
    this.surface.setHeight(this.where.height);
    this.drawn = null;
    const { calls, arrows, workers } = this.store;
    this.surface.element.setAttribute("aria-label", said(SAY["timeline label"], { workers: workers.length, calls: calls.length, messages: arrows.length }));
  }

  redraw() { this.drawn = null; this.update(); }

  update() {
    if (this.followed !== this.app.position) {
      this.followed = this.app.position;
      this.axis.reveal(this.axis.place(this.app.position, this.store.timeAt(this.app.position)));
      if (this.axis.window) this.drawn = this.axis.window === this.drawnWindow ? this.drawn : null;
    }
    this.surface.ask();
  }

  // Drawing.

  paint(context, width, height, palette) {
    const { character, label, names: [least, most] } = LOOK.sizes;
    const widest = this.store.workers.reduce((all, name) => Math.max(all, name.length), 0) * character * label;
    this.names = Math.min(Math.max(widest + 24, least), most, width * 0.35);
    this.axis.left = this.names;
    this.axis.right = width - 14;
    const dense = window.devicePixelRatio || 1;
    const key = `${width} ${height} ${dense} ${palette.key}`;
    if (this.drawn !== key || this.drawnWindow !== this.axis.window) {
      this.drawn = key;
      this.drawnWindow = this.axis.window;
      this.layer.width = Math.round(width * dense);
      this.layer.height = Math.round(height * dense);
      const below = this.layer.getContext("2d");
      below.setTransform(dense, 0, 0, dense, 0, 0);
      this.paintAll(below, width, height, palette);
    }
    context.drawImage(this.layer, 0, 0, width, height);
    this.paintLater(context, width, height, palette);
    if (this.chosen) this.paintChosen(context, palette);
    this.paintMoment(context, height, palette);
  }

  paintAll(context, width, height, palette) {
    context.fillStyle = palette.named.background;
    context.fillRect(0, 0, width, height);
    this.paintLanes(context, width, palette);
    context.save();
    context.beginPath();
    context.rect(this.names, 0, width - this.names, height);
    context.clip();
    this.paintGaps(context, height, palette);
    this.paintNotes(context, palette);
    this.paintArrows(context, palette);
    this.paintBars(context, palette);
    context.restore();
  }

  paintLanes(context, width, palette) {
    const { store } = this;
    this.where.lanes.forEach((lane, n) => {
      const name = store.lanes[n];
      const colours = palette.worker(store.workers.indexOf(name));
      if (n % 2 === 0) {
        context.fillStyle = palette.named.band;
        context.fillRect(0, lane.top, width, lane.height);
      }
      context.fillStyle = colours.edge;
      context.fillRect(0, lane.top + 3, 3, lane.height - 6);
      font(context, 11, { bold: true });
      context.textBaseline = "middle";
      context.textAlign = "left";
      context.fillText(elided(name, this.names - 20), 10, lane.top + BASE);
      context.strokeStyle = palette.named.line;
      context.lineWidth = 1;
      context.setLineDash([]);
      context.beginPath();
      context.moveTo(this.names, lane.top + BASE);
      context.lineTo(width, lane.top + BASE);
      context.stroke();
    });
    font(context, 10);
    context.fillStyle = palette.named.muted;
    context.textAlign = "center";
    for (const [x, text] of this.axis.ticks()) {
      context.fillText(text, Math.min(x, width - 18), 9);
      context.strokeStyle = palette.named.line;
      context.beginPath();
      context.moveTo(x, 15);
      context.lineTo(x, TOP);
      context.stroke();
    }
    context.textAlign = "left";
    context.fillText(this.axis.by === "order" ? SAY.step : SAY.time, 10, 9);
  }

  /** Where nothing happened for long, and the time is drawn short. */
  paintGaps(context, height, palette) {
    font(context, 10, { code: false });
    context.textAlign = "center";
    for (const [from, to, span] of this.axis.gaps()) {
      context.fillStyle = palette.named.band;
      context.fillRect(from, TOP, to - from, height - TOP);
      context.strokeStyle = palette.named.line;
      context.lineWidth = 1;
      context.setLineDash([2, 3]);
      context.strokeRect(from + 0.5, TOP, to - from, height);
      context.setLineDash([]);
      context.fillStyle = palette.named.muted;
      if (to - from > 34) context.fillText(said(WORDS.labels.idle, { span: Number(span.toPrecision(2)) }), (from + to) / 2, height - 8);
    }
    context.textAlign = "left";
  }

  paintNotes(context, palette) {
    for (const note of this.store.notes) {
      if (note.kind !== "deployed" && note.kind !== "link") continue;
      const lane = this.where.place.get(note.workers[0]);
      const x = Math.max(this.axis.x(note.moment + 1, note.time), this.axis.window ? 0 : this.names + 6);
      if (lane === undefined || x < this.names || x > this.axis.right) continue;
      mark(context, palette, note.kind, x, this.where.base(lane), 9);
    }
  }

  /** The arrows that are in sight. An arrow is sent before its successor, but may arrive late. */
  sight() {
    const [from, to] = this.axis.shown;
    const { arrows } = this.store;
    const last = before(arrows, to, arrow => this.axis.place(arrow.sent_at + 1, arrow.sent));
    const found = [];
    for (let n = 0; n < last; n++) {
      const arrow = arrows[n];
      if (arrow.arrived === null || this.axis.place(arrow.arrived_at + 1, arrow.arrived) >= from) found.push(arrow);
    }
    return found;
  }

  paintArrows(context, palette) {
    const seen = this.sight();
    const heads = seen.length < 700;
    const thin = seen.length > 1500;
    const groups = new Map();
    for (const arrow of seen) {
      const style = lineOf(arrow.kind, arrow.pipelined);
      if (!groups.has(style)) groups.set(style, []);
      groups.get(style).push(arrow);
    }
    for (const [style, arrows] of groups) {
      line(context, palette, style);
      // Dashes of thousands of lines cost more than they tell.
      if (thin) { context.lineWidth = 0.5; context.setLineDash([]); }
      context.beginPath();
      const tips = [];
      for (const arrow of arrows) {
        const [x, y, to, down] = this.where.ends(arrow);
        context.moveTo(x, y);
        if (style === "pipelined") context.quadraticCurveTo(x + (to - x) * 0.15, y + (down - y) * 0.75, to, down);
        else context.lineTo(to, down);
        if (heads) tips.push([to, down, style === "pipelined" ? Math.atan2((down - y) * 0.25, (to - x) * 0.85) : Math.atan2(down - y, to - x)]);
      }
      context.stroke();
      context.setLineDash([]);
      for (const tip of tips) arrowHead(context, ...tip, context.strokeStyle);
    }
  }

  paintBars(context, palette) {
    const { axis } = this;
    const shown = [];
    for (const bar of this.where.bars) {
      const [from, to] = this.where.span(bar);
      if (to < this.names || from > axis.right + 40) continue;
      shown.push([bar, from, to]);
    }
    const thick = Math.min(this.where.row - 2, 14);
    for (const [bar, from, to] of shown) {
      const y = this.where.middle(bar);
      const { edge, tint } = palette.worker(this.store.workers.indexOf(bar.call.worker));
      context.fillStyle = tint;
      context.strokeStyle = edge;
      context.lineWidth = 1.2;
      context.setLineDash(bar.call.outcome === "running" ? [3, 2] : []);
      context.beginPath();
      if (to - from > 6) context.roundRect(from, y - thick / 2, to - from, thick, 2.5);
      else context.rect(from, y - thick / 2, to - from, thick);
      context.fill();
      context.stroke();
      context.setLineDash([]);
      if (["raised", "cancelled", "lost"].includes(bar.call.outcome) && this.where.row >= LABELLED) mark(context, palette, bar.call.outcome, to, y, 10);
    }
    if (this.where.row < LABELLED) return;
    this.paintLabels(context, shown, palette);
  }

  /** A label stands in its bar, or behind it, or before it: where there is room for all of it. */
  paintLabels(context, shown, palette) {
    const rows = new Map();
    for (const each of shown) {
      const key = `${each[0].lane} ${Math.min(each[0].row, this.where.lanes[each[0].lane].shown - 1)}`;
      if (!rows.has(key)) rows.set(key, []);
      rows.get(key).push(each);
    }
    const height = Math.min(LOOK.sizes.label, this.where.row - 3);
    font(context, height);
    context.textBaseline = "middle";
    context.fillStyle = palette.named.text;
    const one = height * LOOK.sizes.character;
    const wide = text => text.length * one;
    for (const bars of rows.values()) {
      bars.sort(([, one], [, other]) => one - other);
      let taken = this.names;
      bars.forEach(([bar, from, to], place) => {
        const y = this.where.middle(bar) + 0.5;
        const ground = palette.named[bar.lane % 2 ? "background" : "band"];
        const end = Math.max(to, bars[place - 1]?.[2] ?? to);
        const behind = (bars[place + 1]?.[1] ?? this.axis.right + 10) - end - 12;
        const before = from - taken - 12;
        const inside = to - from - 8;
        const room = Math.max(behind, before, inside);
        taken = Math.max(taken, end);
        if (room < 5 * one) return;
        // What came of a call is left out where only so it can be read whole.
        let text = callLabel(bar.call);
        if (wide(text) > room) text = callAlone(bar.call);
        if (wide(text) <= inside) context.fillText(text, from + 4, y);
        else if (wide(text) <= room && wide(text) > behind) haloed(context, text, from - 6 - wide(text), y, ground);
        else {
          const cut = wide(text) <= room ? text : behind < 5 * one ? "" : elided(text, behind, height);
          if (cut) haloed(context, cut, end + 7, y, ground);
          if (cut) taken = end + 7 + wide(cut);
        }
      });
    }
  }

  /** What came after the moment that is looked at is pale. */
  paintLater(context, width, height, palette) {
    if (this.app.scrubber.position === null) return;
    const x = Math.max(this.axis.x(this.app.position, this.store.timeAt(this.app.position)) + 1, this.names);
    context.globalAlpha = 0.74;
    context.fillStyle = palette.named.background;
    context.fillRect(x, TOP, width - x, height - TOP);
    context.globalAlpha = 1;
  }

  paintMoment(context, height, palette) {
    const x = this.axis.x(this.app.position, this.store.timeAt(this.app.position));
    if (x < this.names - 1 || x > this.axis.right + 10 || !this.store.length) return;
    line(context, palette, "moment");
    context.beginPath();
    context.moveTo(x + 0.5, 14);
    context.lineTo(x + 0.5, height);
    context.stroke();
    context.fillStyle = context.strokeStyle;
    context.beginPath();
    context.moveTo(x - 4, 14);
    context.lineTo(x + 5, 14);
    context.lineTo(x + 0.5, 20);
    context.fill();
  }

  paintChosen(context, palette) {
    const { call, arrow } = this.chosen;
    context.strokeStyle = context.fillStyle = palette.named.text;
    context.setLineDash([]);
    context.lineWidth = 2.2;
    context.beginPath();
    if (arrow) {
      const [x, y, to, down] = this.where.ends(arrow);
      context.moveTo(x, y);
      context.lineTo(to, down);
    } else {
      const bar = this.where.barOf.get(call.number);
      if (!bar) return;
      const [from, to] = this.where.span(bar);
      const thick = Math.min(this.where.row - 2, 14) + 4;
      context.roundRect(from - 2, this.where.middle(bar) - thick / 2, to - from + 4, thick, 4);
    }
    context.stroke();
  }

  // What the reader does.

  find(x, y) {
    if (x < this.names) return null;
    let found = null;
    for (const bar of this.where.bars) {
      if (Math.abs(y - this.where.middle(bar)) > Math.max(this.where.row / 2, 4)) continue;
      const [from, to] = this.where.span(bar);
      if (x >= from - 3 && x <= to + 3) found = { call: bar.call };
    }
    if (found) return found;
    let least = REACH;
    for (const arrow of this.sight()) {
      const away = distance(x, y, ...this.where.ends(arrow));
      if (away < least) {
        least = away;
        found = { arrow };
      }
    }
    return found;
  }

  point(event) {
    if (this.drag) {
      const moved = event.offsetX - this.drag.x;
      if (Math.abs(moved) > 3) this.drag.far = true;
      if (this.drag.far && this.axis.window) {
        this.axis.pan(this.drag.last - event.offsetX);
        this.drag.last = event.offsetX;
        this.redraw();
      }
      return;
    }
    this.hover(this.find(event.offsetX, event.offsetY));
  }

  hover(found) {
    const same = found?.call === this.chosen?.call && found?.arrow === this.chosen?.arrow;
    this.surface.element.classList.toggle("rl-over", Boolean(found));
    if (same) return;
    this.chosen = found;
    this.app.say(found ? this.describe(found) : null);
    this.surface.ask();
  }

  grab(event) {
    this.drag = { x: event.offsetX, last: event.offsetX, far: false };
    this.surface.element.setPointerCapture(event.pointerId);
  }

  drop(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.far || event.offsetX < this.names) return;
    this.app.scrubber.go(this.axis.positionAt(event.offsetX));
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.axis.zoom(1.0015 ** -event.deltaY, event.offsetX);
      this.redraw();
    } else if ((event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) && this.axis.window) {
      event.preventDefault();
      this.axis.pan(event.deltaX || event.deltaY);
      this.redraw();
    }
  }

  zoom(factor) {
    const at = this.axis.x(this.app.position, this.store.timeAt(this.app.position));
    this.axis.zoom(factor, Math.min(Math.max(at, this.names), this.axis.right));
    this.redraw();
  }

  key(event) {
    const action = {
      "+": () => this.zoom(1.6), "=": () => this.zoom(1.6), "-": () => this.zoom(1 / 1.6),
      0: () => { this.axis.window = null; this.redraw(); },
      ArrowUp: () => this.walk(-1), ArrowDown: () => this.walk(1),
    }[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  /** Go from call to call, and say of each what there is to say. */
  walk(by) {
    const { calls } = this.store;
    if (!calls.length) return;
    const at = this.chosen?.call?.number ?? (by > 0 ? 0 : calls.length + 1);
    const call = calls[Math.min(Math.max(at + by, 1), calls.length) - 1];
    this.chosen = { call };
    this.axis.reveal(this.axis.place(call.made_at + 1, call.made));
    this.app.say(this.describe(this.chosen));
    this.redraw();
  }

  describe({ call, arrow }) {
    const { begin } = this.store;
    const span = (from, to) => from === null || to === null ? null : to - from;
    if (arrow) {
      const under_way = arrow.arrived === null;
      return told("message", { ...arrow, under_way, after: arrow.sent - begin, took: span(arrow.sent, arrow.arrived) });
    }
    return told("call", { ...call, after: call.made - begin, took: span(call.made, call.settled), ran: span(call.begun, call.ended) });
  }
}

function distance(x, y, fromX, fromY, toX, toY) {
  const length = (toX - fromX) ** 2 + (toY - fromY) ** 2;
  const share = length ? Math.min(Math.max(((x - fromX) * (toX - fromX) + (y - fromY) * (toY - fromY)) / length, 0), 1) : 0;
  return Math.hypot(x - fromX - share * (toX - fromX), y - fromY - share * (toY - fromY));
}
