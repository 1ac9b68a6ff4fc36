// Where the things of a timeline are: lanes, rows in them, the ends of bars and arrows.

export const TOP = 20; // pixels for the axis
export const BASE = 20; // from the top of a lane to the line of its own code
const TALLEST = 22;
const LOWEST = 5;
const LANE = 34; // a lane without calls
const HEIGHT = { least: 150, most: 460 };

export class Lanes {
  /** @param axis says where moments and times are */
  constructor(store, axis) {
    this.store = store;
    this.axis = axis;
    this.height = HEIGHT.least;
    this.layOut();
  }

  /** Give each call a row of its lane, so that no two overlap. */
  layOut() {
    const { store } = this;
    const free = store.lanes.map(() => []);
    this.place = new Map(store.lanes.map((name, n) => [name, n]));
    this.bars = [];
    for (const call of store.calls) {
      if (call.arrived_at === null) continue; // still under way
      const lane = this.place.get(call.worker);
      const rows = free[lane];
      let row = rows.findIndex(end => end !== null && end <= call.arrived_at);
      if (row < 0) row = rows.length;
      rows[row] = call.left_at;
      this.bars.push({ call, lane, row });
    }
    this.barOf = new Map(this.bars.map(bar => [bar.call.number, bar]));
    this.lanes = free.map(rows => ({ rows: rows.length, top: 0, height: 0 }));
    const all = this.lanes.reduce((sum, lane) => sum + lane.rows, 0);
    const room = HEIGHT.most - TOP - this.lanes.length * LANE;
    this.row = Math.max(Math.min(TALLEST, Math.floor(room / Math.max(all, 1))), LOWEST);
    const most = Math.max(Math.floor(room / this.row / Math.max(this.lanes.filter(lane => lane.rows).length, 1)), 3);
    let y = TOP;
    for (const lane of this.lanes) {
      lane.top = y;
      lane.shown = all * this.row > room ? Math.min(lane.rows, most) : lane.rows;
      lane.height = LANE + lane.shown * this.row;
      y += lane.height;
    }
    this.height = Math.max(Math.min(y + 6, HEIGHT.most + 200), HEIGHT.least);
  }

  /** The middle of the line where a Worker's own code stands. */
  base(lane) { return this.lanes[lane].top + BASE; }

  middle(bar) {
    const lane = this.lanes[bar.lane];
    return lane.top + LANE + (Math.min(bar.row, lane.shown - 1) + 0.5) * this.row - 4;
  }

  span({ call }) {
    const { axis, store } = this;
    const from = axis.x(call.arrived_at + 1, call.arrived);
    const to = call.left_at === null ? axis.x(store.length, store.end) : axis.x(call.left_at + 1, call.left);
    return [from, Math.max(to, from + 3)];
  }

  /** How low an arrow begins or ends: at a call's bar, or at the line of a Worker. */
  level(number, worker) {
    const bar = this.barOf.get(number);
    return bar ? this.middle(bar) : this.base(this.place.get(worker) ?? 0);
  }

  /** The two ends of an arrow. */
  ends(arrow) {
    const { axis, store } = this;
    const one = this.level(arrow.begins, arrow.sender);
    const other = this.level(arrow.ends, arrow.receiver);
    const begin = axis.x(arrow.sent_at + 1, arrow.sent);
    const end = arrow.arrived === null ? axis.x(store.length, store.end) : axis.x(arrow.arrived_at + 1, arrow.arrived);
    const share = arrow.arrived === null ? 0.6 : 1;
    return [begin, one, end, one + (other - one) * share];
  }
}
