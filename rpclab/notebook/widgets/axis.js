// From positions and times to pixels: by the order of events, or by the clock; with zoom and pan.
import { before, seconds } from "./dom.js";

export class Axis {
  constructor(store) {
    this.store = store;
    this.by = "order";
    this.chosen = false;
    this.window = null; // null shows everything, and goes on doing so
    this.left = 0;
    this.right = 100;
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
  }

  /** All there is, in steps or seconds. */
  get whole() {
    const { store } = this;
    if (this.by === "order") return [0, Math.max(store.stops.length, 1) + 0.5];
    const span = Math.max(store.end - store.begin, 1e-6);
    return [store.begin - span * 0.01, store.end + span * 0.02];
  }

  get shown() { return this.window ?? this.whole; }

  /** Where something stands; `time` is that of the position. */
  place(position, time) {
    return this.by === "time" ? time : before(this.store.stops, position + 1, stop => stop);
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
    if (this.by === "time") return before(store.times, place, time => time);
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
    const most = Math.max((this.right - this.left) / 90, 1);
    const raw = (to - from) / most;
    const power = 10 ** Math.floor(Math.log10(raw));
    let step = [1, 2, 5, 10].map(n => n * power).find(size => size >= raw);
    if (this.by === "order") step = Math.max(Math.round(step), 1);
    const begin = this.by === "time" ? this.store.begin : 0;
    const ticks = [];
    for (let n = Math.ceil((from - begin) / step); begin + n * step <= to; n++) {
      const text = this.by === "time" ? seconds(Math.round(n * step * 1e9) / 1e9) : `${n * step}`;
      if (n >= 0) ticks.push([this.pixel(begin + n * step), text]);
    }
    return ticks;
  }
}
