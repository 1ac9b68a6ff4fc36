// Streams: for each one its window, the bytes on their way and unread, and when its writer waited.
import { legendOf } from "./app.js";
import { Surface, font, line, mark } from "./canvas.js";
import { before, make } from "./dom.js";
import { LOOK, WORDS } from "./look.js";
import { duration, said, size, told } from "./words.js";

const SAY = WORDS.live;

const EACH = 150; // pixels for one stream
const LEFT = 70;
const MOST = 6; // streams that are drawn; the last ones

export class StreamsPanel {
  name = "streams";
  controlled = true;

  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.surface = new Surface(app.root, EACH, (...all) => this.paint(...all));
    const { element } = this.surface;
    element.setAttribute("role", "img");
    element.addEventListener("pointermove", event => this.point(event));
    element.addEventListener("pointerleave", () => app.say(null));
    element.addEventListener("click", event => this.go(event));
    this.texts = make("ul", { class: "rl-list" });
    this.element = make("div", { class: "rl-panel" }, make("div", { class: "rl-stage" }, element), this.texts, legendOf("streams"));
  }

  reset() { this.points = new Map(); this.read = 0; }
  close() { this.surface.close(); }
  onPaper(paper) { this.surface.onPaper(paper); }
  update() { this.tell(); this.surface.ask(); }

  grown() {
    const { store } = this;
    if (!this.points || this.read > store.points.length) this.reset();
    for (; this.read < store.points.length; this.read++) {
      const point = store.points[this.read];
      if (!this.points.has(point.stream)) this.points.set(point.stream, []);
      this.points.get(point.stream).push(point);
    }
    this.shown = store.streams.slice(-MOST);
    this.surface.setHeight(Math.max(this.shown.length * EACH, 60));
    this.surface.element.setAttribute("aria-label", said(SAY["streams label"], { streams: store.streams.length }));
  }

  /** The state of a stream at a position. */
  at(stream, position) {
    const points = this.points.get(stream.number) ?? [];
    return points[before(points, position, point => point.moment) - 1];
  }

  /** What there is to say of a stream at a position. */
  describe(stream, position) {
    const point = this.at(stream, position);
    const until = this.store.timeAt(position);
    const name = said(WORDS.labels.stream, stream);
    if (!point) return [name, SAY["not open"]];
    const waits = this.waits(stream).filter(each => each.begin <= until);
    const over = stream.closed !== null && stream.closed <= until;
    const points = this.points.get(stream.number);
    const known = {
      ...stream, ...point, number: stream.number, chunks: position === this.store.length ? stream.chunks : null,
      peak: points.slice(0, before(points, position, each => each.moment)).reduce((most, each) => Math.max(most, each.in_flight), 0),
      outcome: over ? stream.outcome : SAY.open,
      is_held_back: waits.length > 0, held_back: waits.length,
      held_for: waits.reduce((sum, each) => sum + Math.min(each.end ?? until, until) - each.begin, 0),
    };
    return [...told("stream", known), ...told("stream at a moment", known)];
  }

  tell() {
    const lines = (this.shown ?? []).map(stream => this.describe(stream, this.app.position).filter(Boolean));
    this.texts.replaceChildren(...lines.map(([first, ...rest]) => make("li", {}, make("b", {}, first), ` · ${rest.join(" · ")}`)));
    const hidden = this.store.streams.length - lines.length;
    if (hidden > 0) this.texts.append(make("li", { class: "rl-muted" }, said(SAY["earlier streams"], { streams: hidden })));
    if (!lines.length) this.texts.append(make("li", { class: "rl-muted" }, SAY["no stream"]));
  }

  span(stream) {
    const end = stream.closed ?? this.store.end;
    return [stream.opened, Math.max(end, stream.opened + 1e-6)];
  }

  paint(context, width, height, palette) {
    context.fillStyle = palette.named.background;
    context.fillRect(0, 0, width, height);
    this.right = width - 16;
    (this.shown ?? []).forEach((stream, n) => this.paintStream(context, stream, n * EACH, palette));
  }

  x(stream, time) {
    const [from, to] = this.span(stream);
    return LEFT + Math.min(Math.max((time - from) / (to - from), 0), 1) * (this.right - LEFT);
  }

  paintStream(context, stream, top, palette) {
    const points = this.points.get(stream.number) ?? [];
    const [begin, end] = this.span(stream);
    const bottom = top + EACH - 26;
    const ceiling = Math.max(1, ...points.map(point => Math.max(point.window ?? 0, point.in_flight, point.buffered))) * 1.08;
    const y = value => bottom - Math.max(value, 0) / ceiling * (EACH - 58);
    font(context, 11, { bold: true });
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = palette.worker(this.store.workers.indexOf(stream.sender)).edge;
    context.fillText(said(WORDS.labels.stream, stream), LEFT, top + 12);
    this.paintHeld(context, stream, top + 22, bottom, palette);
    const area = (value, place) => {
      const { edge, tint } = palette.worker(place);
      context.beginPath();
      context.moveTo(this.x(stream, begin), y(0));
      let last = 0;
      for (const point of points) {
        context.lineTo(this.x(stream, point.time), y(last));
        context.lineTo(this.x(stream, point.time), y(last = value(point)));
      }
      context.lineTo(this.x(stream, end), y(last));
      context.lineTo(this.x(stream, end), y(0));
      context.globalAlpha = 0.85;
      context.fillStyle = tint;
      context.fill();
      context.globalAlpha = 1;
      context.strokeStyle = edge;
      context.lineWidth = 1.2;
      context.setLineDash([]);
      context.stroke();
    };
    area(point => point.in_flight, 1);
    area(point => point.buffered, 2);
    this.paintWindow(context, stream, points, y, palette);
    this.markHeld(context, stream, top + 22, palette);
    this.paintFrame(context, stream, top, bottom, ceiling, y, palette);
  }

  waits(stream) { return this.store.held.filter(each => each.stream === stream.number); }

  paintHeld(context, stream, top, bottom, palette) {
    context.fillStyle = palette.named["warn-tint"];
    for (const each of this.waits(stream)) {
      const from = this.x(stream, each.begin);
      const to = this.x(stream, each.end ?? this.store.end);
      context.fillRect(from, top, Math.max(to - from, 1), bottom - top);
    }
  }

  /** A mark where there is room for one since the last. */
  markHeld(context, stream, top, palette) {
    const wide = LOOK.sizes.mark;
    let marked = -Infinity;
    for (const each of this.waits(stream)) {
      const x = this.x(stream, each.begin);
      if (x - marked <= wide) continue;
      marked = x + wide / 2 + 1;
      mark(context, palette, "held back", Math.min(marked, this.right - wide / 2), top + 8);
    }
  }

  paintWindow(context, stream, points, y, palette) {
    line(context, palette, "window");
    context.beginPath();
    let known = null;
    for (const point of points) {
      if (point.window === null) continue;
      const x = this.x(stream, point.time);
      if (known === null) context.moveTo(x, y(point.window));
      else {
        context.lineTo(x, y(known));
        context.lineTo(x, y(point.window));
      }
      known = point.window;
    }
    if (known !== null) context.lineTo(this.right, y(known));
    context.stroke();
    context.setLineDash([]);
  }

  paintFrame(context, stream, top, bottom, ceiling, y, palette) {
    font(context, 10);
    context.fillStyle = palette.named.muted;
    context.strokeStyle = palette.named.line;
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const value of [0, ceiling / 1.08]) context.fillText(size(Math.round(value)), LEFT - 6, y(value));
    context.beginPath();
    context.moveTo(LEFT, bottom + 0.5);
    context.lineTo(this.right, bottom + 0.5);
    context.stroke();
    const [from, to] = this.span(stream);
    const { begin, end } = this.store;
    context.textAlign = "left";
    context.fillText(duration(Math.round((from - begin) * 1e9) / 1e9), LEFT, bottom + 12);
    context.textAlign = "right";
    context.fillText(duration(Math.round((Math.min(to, end) - begin) * 1e9) / 1e9), this.right, bottom + 12);
    context.textAlign = "left";
    const now = this.store.timeAt(this.app.position);
    if (now < from || now > to) return;
    const x = this.x(stream, now);
    line(context, palette, "moment");
    context.beginPath();
    context.moveTo(x + 0.5, top + 20);
    context.lineTo(x + 0.5, bottom + 4);
    context.stroke();
  }

  positionAt(event) {
    const stream = this.shown?.[Math.floor(event.offsetY / EACH)];
    if (!stream || event.offsetX < LEFT) return [];
    const [from, to] = this.span(stream);
    const time = from + (event.offsetX - LEFT) / (this.right - LEFT) * (to - from);
    return [stream, before(this.store.times, time + 1e-12, at => at)];
  }

  point(event) {
    const [stream, position] = this.positionAt(event);
    this.app.say(stream ? this.describe(stream, position) : null);
  }

  go(event) {
    const [stream, position] = this.positionAt(event);
    if (stream) this.app.scrubber.go(position);
  }
}
