// What the page knows of a recording: the rows that came, and the state at any position in it.
//
// A position counts the events that had happened by then. Fields that end in `_at` are the index of
// an event, so that something has happened at a position if its index is below it.
import { before } from "./dom.js";
import { Lines } from "./edges.js";

const NUMBERED = ["calls", "arrows", "stubs", "targets", "streams", "held"];
const LISTED = ["times", "deployed", "notes", "tables", "edges", "points", "figures"];
const SHOWN_NOTES = new Set(["deployed", "bound", "link"]);

export class Store {
  constructor() {
    this.empty();
    this.advice = [];
    this.state = { links: [], paces: {} };
  }

  empty() {
    this.columns = {};
    this.workers = [];
    this.lanes = [];
    this.first = 0;
    this.live = false;
    this.clock = "";
    for (const kind of [...NUMBERED, ...LISTED]) this[kind] = [];
    this.stops = [];
    this.sizes = [0];
    this.ends = new Tables();
    this.lines = new Lines();
    this.layouts = [];
  }

  /** How many events there are. */
  get length() { return this.times.length; }
  get begin() { return this.times[0] ?? 0; }
  get end() { return this.times.at(-1) ?? 0; }

  /** The time of a position: of the last event before it. */
  timeAt(position) { return this.times[Math.min(position, this.length) - 1] ?? this.begin; }

  all(message) {
    this.empty();
    Object.assign(this, { columns: message.columns, first: message.first, live: message.live, clock: message.clock });
    this.advice = message.advice;
    this.news(message.rows);
  }

  news(rows) {
    const known = this.length;
    if (rows.times) for (const time of rows.times) this.times.push(time);
    if (rows.workers) this.workers = rows.workers;
    if (rows.lanes) this.lanes = rows.lanes;
    const stops = new Set();
    const stop = index => { if (index !== null && index >= known) stops.add(index + 1); };
    for (const kind of NUMBERED) {
      for (const row of rows[kind] ?? []) {
        const item = named(this.columns[kind], row);
        this[kind][item.number - 1] = Object.assign(this[kind][item.number - 1] ?? {}, item);
      }
    }
    for (const kind of LISTED) {
      if (kind === "times") continue;
      for (const row of rows[kind] ?? []) this[kind].push(named(this.columns[kind], row));
    }
    for (const row of rows.calls ?? []) {
      const call = this.calls[row[0] - 1];
      stop(call.made_at);
      stop(call.settled_at);
    }
    for (const row of rows.arrows ?? []) this.newArrow(this.arrows[row[0] - 1], stop);
    for (const note of this.notes.slice(this.notes.length - (rows.notes?.length ?? 0))) {
      if (SHOWN_NOTES.has(note.kind)) stop(note.moment);
    }
    for (const row of rows.stubs ?? []) {
      const stub = this.stubs[row[0] - 1];
      stop(stub.made_at);
      stop(stub.ended_at);
    }
    for (const row of rows.points ?? []) stop(row[1]);
    this.stops.push(...[...stops].sort((one, other) => one - other));
    this.ends.add(this.tables.slice(this.tables.length - (rows.tables?.length ?? 0)));
    this.lines.add(this.edges.slice(this.edges.length - (rows.edges?.length ?? 0)));
  }

  newArrow(arrow, stop) {
    stop(arrow.sent_at);
    stop(arrow.arrived_at);
    if (arrow.number >= this.sizes.length) {
      this.sizes.push(this.sizes.at(-1) + arrow.size);
    }
  }

  /** The stop before a position. */
  stopBefore(position) {
    const index = before(this.stops, position, stop => stop);
    return index ? this.stops[index - 1] : 0;
  }

  /** The number of the step that a position stands at. */
  stepOf(position) { return before(this.stops, position + 1, stop => stop); }

  /** The figures at a position. */
  figuresAt(position) {
    const messages = before(this.arrows, position, arrow => arrow.sent_at);
    const last = before(this.figures, position + 1, figure => figure.moment) - 1;
    return {
      at_most: true,  // tasks of one method are not told apart
      ...this.figures[last] ?? { round_trips: 0, without: 0, pipelined: false },
      calls: before(this.calls, position, call => call.made_at),
      messages,
      bytes: this.sizes[messages],
    };
  }

  /** Whether something stands at a position: between its beginning and its end. */
  static lives(position, from, to) {
    return from !== null && from < position && (to === null || to >= position);
  }

  /** The Workers that are deployed at a position. */
  deployedAt(position) {
    return new Set(this.deployed.filter(each => each.moment < position).map(each => each.worker));
  }
}

/** The import and export tables, which can be moved to any position, forward and back. */
class Tables {
  constructor() {
    this.changes = [];
    this.applied = 0;
    this.sessions = new Map();
  }

  add(changes) { this.changes.push(...changes); }

  moveTo(position) {
    const { changes } = this;
    while (this.applied < changes.length && changes[this.applied].moment <= position) this.apply(changes[this.applied++]);
    while (this.applied > 0 && changes[this.applied - 1].moment > position) this.undo(changes[--this.applied]);
  }

  table(change) {
    const key = `${change.here}→${change.there}`;
    let end = this.sessions.get(key);
    if (!end) this.sessions.set(key, end = { here: change.here, there: change.there, imports: new Map(), exports: new Map() });
    return end[change.side];
  }

  apply(change) {
    const table = this.table(change);
    change.before = table.get(change.id) ?? null;
    if (change.what === null) table.delete(change.id);
    else table.set(change.id, change);
  }

  undo(change) {
    const table = this.table(change);
    if (change.before === null) table.delete(change.id);
    else table.set(change.id, change.before);
  }

  /** The changes that came after one position, up to another one. */
  between(from, to) {
    return this.changes.slice(before(this.changes, from + 1, c => c.moment), before(this.changes, to + 1, c => c.moment));
  }
}

function named(columns, row) {
  const item = {};
  for (let n = 0; n < columns.length; n++) item[columns[n]] = row[n];
  return item;
}
