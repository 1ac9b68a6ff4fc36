// From positions and times to pixels: by the order of events, or by the clock; with zoom and pan.
//
// By the clock, stretches in which nothing is under way are drawn short: between two cells of a
// notebook minutes may pass. A place is a step, or a second of what is left of the time then.
import { before } from "./dom.js";
import { number, tickStep, tickText } from "./words.js";

const IDLE = 0.3; // seconds in which nothing happens, at least, to be drawn short
const SHARE = 0.06; // of the time in which something does: as long is what is drawn short

/** The stretches of time in which something is under way, and the places they begin at. */
function busyStretches(store) {
  const spans = [];
  for (const call of store.calls) spans.push([call.made, call.settled ?? call.ended ?? store.end]);
  for (const arrow of store.arrows) spans.push([arrow.sent, arrow.arrived ?? store.end]);
  spans.sort((one, other) => one[0] - other[0]);
  const merged = [];
  for (const [from, to] of spans) {
    const last = merged.at(-1);
    if (last && from <= last.to + IDLE) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  if (!merged.length) merged.push({ from: store.begin, to: store.end });
  const busy = merged.reduce((sum, each) => sum + each.to - each.from, 0);
  const gap = Math.min(Math.max(busy * SHARE, 1e-3), IDLE);
  let place = 0;
  for (const each of merged) {
    each.place = place;
    place += each.to - each.from + gap;
  }
  return merged;
}

export class Axis {
  constructor(store) {
    this.store = store;
    this.by = "order";
    this.chosen = false;
    this.window = null; // null shows everything, and goes on doing so
    this.left = 0;
    this.right = 100;
    this.stretches = [{ from: 0, to: 0, place: 0 }];
  }

  /** There are new rows. */
  grown() {
    this.settle();
    if (this.by === "time") this.stretches = busyStretches(this.store);
  }

  /** Take the clock where it tells more than the order, unless the reader has chosen. */
  settle() {
    const { store } = this;
    if (this.chosen || this.by === "time") return;
    const flights = store.arrows.slice(0, 200).filter(arrow => (arrow.arrived ?? store.end) - arrow.sent > 1e-3);
    if (store.end > store.begin && flights.length * 4 > Math.min(store.arrows.length, 200)) this.by = "time";
  }

  choose(by) {
    this.by = by;
    this.chosen = true;
    this.window = null;
    this.grown();
  }

  /** All there is, in steps or seconds. */
  get whole() {
    const { store } = this;
    if (this.by === "order") return [0, Math.max(store.stops.length, 1) + 0.5];
    const last = this.stretches.at(-1);
    const span = Math.max(last.place + last.to - last.from, 1e-6);
    return [-span * 0.01, span * 1.02];
  }

  get shown() { return this.window ?? this.whole; }

  /** Where something stands; `time` is that of the position. */
  place(position, time) {
    return this.by === "time" ? this.placeOf(time) : before(this.store.stops, position + 1, stop => stop);
  }

  placeOf(time) {
    const { stretches } = this;
    const n = Math.max(before(stretches, time, each => each.from + 1e-12) - 1, 0);
    const here = stretches[n];
    if (time <= here.to || n + 1 === stretches.length) return here.place + Math.min(Math.max(time, here.from), here.to) - here.from;
    const next = stretches[n + 1];
    const from = here.place + here.to - here.from;
    return from + (time - here.to) / (next.from - here.to) * (next.place - from);
  }

  timeOf(place) {
    const { stretches } = this;
    const n = Math.max(before(stretches, place, each => each.place + 1e-12) - 1, 0);
    const here = stretches[n];
    const time = here.from + place - here.place;
    return n + 1 < stretches.length ? Math.min(time, stretches[n + 1].from) : time;
  }

  x(position, time) { return this.pixel(this.place(position, time)); }

  pixel(place) {
    const [from, to] = this.shown;
    return this.left + (place - from) / (to - from) * (this.right - this.left);
  }

  /** The position that a pixel stands for. */
  positionAt(x) {
    const [from, to] = this.shown;
    const place = from + (x - this.left) / (this.right - this.left) * (to - from);
    const { store } = this;
    if (this.by === "time") return before(store.times, this.timeOf(place), time => time);
    return store.stops[Math.max(Math.min(Math.round(place), store.stops.length), 0) - 1] ?? 0;
  }

  zoom(factor, x = (this.left + this.right) / 2) {
    const [from, to] = this.shown;
    const [first, last] = this.whole;
    const middle = from + (x - this.left) / (this.right - this.left) * (to - from);
    const least = this.by === "order" ? 4 : Math.max((last - first) * 1e-5, 1e-7);
    const span = Math.max((to - from) / factor, least);
    if (span >= last - first) {
      this.window = null;
      return;
    }
    const start = middle - (middle - from) * span / (to - from);
    this.window = this.held([start, start + span]);
  }

  pan(pixels) {
    if (!this.window) return;
    const [from, to] = this.window;
    const shift = pixels / (this.right - this.left) * (to - from);
    this.window = this.held([from + shift, to + shift]);
  }

  held([from, to]) {
    const [first, last] = this.whole;
    const shift = Math.max(first - from, 0) || Math.min(last - to, 0);
    return [from + shift, to + shift];
  }

  /** Move the window, if there is one, so that a place is in it. */
  reveal(place) {
    if (!this.window) return;
    const [from, to] = this.window;
    if (place < from || place > to) {
      const half = (to - from) / 2;
      this.window = this.held([place - half, place + half]);
    }
  }

  /** Where marks of the axis stand, and what they say. */
  ticks() {
    const [from, to] = this.shown;
    const step = tickStep(to - from, this.right - this.left);
    if (this.by === "order") return this.steps(Math.max(Math.round(step), 1));
    const most = Math.min(this.timeOf(to), this.store.end) - this.store.begin;
    const ticks = [];
    let last = -Infinity;
    for (const each of this.stretches) {
      const { begin } = this.store;
      const first = Math.max(each.from, each.from + from - each.place);
      for (let n = Math.ceil((first - begin) / step - 1e-9); begin + n * step <= each.to; n++) {
        const x = this.pixel(this.placeOf(begin + n * step));
        if (x > this.right) break;
        if (x - last < 70) continue;
        ticks.push([x, tickText(n * step, step, most)]);
        last = x;
      }
    }
    return ticks;
  }

  steps(step) {
    const [from, to] = this.shown;
    const ticks = [];
    for (let n = Math.max(Math.ceil(from / step), 0); n * step <= to; n++) ticks.push([this.pixel(n * step), number(n * step)]);
    return ticks;
  }

  /** Where time is drawn short: pixels from and to, and how long it was. */
  gaps() {
    if (this.by === "order") return [];
    return this.stretches.slice(1).map((next, n) => {
      const here = this.stretches[n];
      return [this.pixel(here.place + here.to - here.from), this.pixel(next.place), next.from - here.to];
    }).filter(([from, to]) => to > this.left && from < this.right);
  }
}
