// Both sides' import and export tables at a position, and what the last step changed in them.
import { make } from "./dom.js";
import { WORDS } from "./look.js";
import { said } from "./words.js";

const SAY = WORDS.live;

const MOST_ROWS = 12;
const MOST_SESSIONS = 6;

export class TablesPart {
  constructor(store) {
    this.store = store;
    this.body = make("div", { class: "rl-tables" });
    this.element = make("details", { class: "rl-part", ontoggle: () => this.shown !== undefined && this.show(this.shown) },
      make("summary", {}, SAY.tables), this.body);
  }

  show(position) {
    // Whoever steps through a recording wants to see them; closed once, they stay closed.
    if (position !== this.store.length && !this.found) this.element.open = this.found = true;
    this.shown = position;
    if (!this.element.open) return;
    const { store } = this;
    store.ends.moveTo(position);
    const from = store.stopBefore(position);
    const changed = new Map();
    for (const change of store.ends.between(from, position)) changed.set(keyOf(change), change);
    const done = new Set();
    const sessions = [];
    for (const [label, end] of named(store.ends.sessions)) {
      const back = `${end.there}→${end.here}`;
      if (done.has(label) || done.has(back)) continue;
      done.add(label);
      const ends = end.here === end.there ? [end] : [end, store.ends.sessions.get(back) ?? { ...end, here: end.there, there: end.here, imports: new Map(), exports: new Map() }];
      const news = [...changed.values()].filter(c => [label, back].includes(`${c.here}→${c.there}`));
      if (ends.some(each => each.imports.size + each.exports.size) || news.length) sessions.push([ends, news]);
    }
    // What has just changed comes first.
    sessions.sort((one, other) => Number(other[1].length > 0) - Number(one[1].length > 0));
    this.body.replaceChildren(...sessions.slice(0, MOST_SESSIONS).map(([ends, news]) => sessionOf(ends, news)));
    if (!sessions.length) this.body.append(make("p", { class: "rl-muted" }, SAY["no session"]));
    if (sessions.length > MOST_SESSIONS) this.body.append(make("p", { class: "rl-muted" }, said(SAY["more sessions"], { more: sessions.length - MOST_SESSIONS })));
  }
}

function sessionOf(ends, news) {
  const title = ends.length > 1 ? said(SAY.link, { one: ends[0].here, other: ends[0].there }) : said(SAY["with itself"], { name: ends[0].here });
  return make("section", { class: "rl-session" }, make("h4", {}, title),
    make("div", { class: "rl-ends" }, ...ends.flatMap(end => ["imports", "exports"].map(side => tableOf(end, side, news)))));
}

function tableOf(end, side, news) {
  const here = news.filter(change => change.here === end.here && change.there === end.there && change.side === side);
  const changed = new Map(here.map(change => [change.id, change]));
  const rows = [...end[side].values()];
  for (const change of here) if (change.what === null && change.before) rows.push({ ...change.before, gone: true });
  rows.sort((one, other) => (changed.has(other.id) - changed.has(one.id)) || other.id - one.id);
  const lines = rows.slice(0, MOST_ROWS).map(row => {
    const sign = row.gone ? "−" : changed.has(row.id) ? (changed.get(row.id).before ? "∗" : "+") : "";
    const words = SAY.changes[sign] ?? "";
    return make("tr", { class: row.gone ? "rl-gone" : sign ? "rl-new" : "" },
      make("td", { title: words, "aria-label": words }, sign), make("td", { class: "rl-id" }, `${row.id}`),
      make("td", {}, row.kind === "binding" && !row.what.includes("binding") ? said(SAY.binding, row) : row.what),
      make("td", { class: "rl-count" }, row.kind === "stub" && side === "imports" && row.references ? said(WORDS.labels.references, row) : ""));
  });
  const more = rows.length > MOST_ROWS ? make("p", { class: "rl-muted" }, said(SAY["more rows"], { more: rows.length - MOST_ROWS })) : null;
  return make("div", { class: "rl-table" }, make("h5", {}, said(SAY.table, { name: end.here, side })),
    rows.length ? make("table", {}, make("tbody", {}, ...lines)) : make("p", { class: "rl-muted" }, SAY.nothing), more);
}

/** The ends of the sessions, that of the notebook before the other one. */
function named(sessions) {
  return [...sessions].sort((one, other) => (other[1].here === "notebook") - (one[1].here === "notebook"));
}

function keyOf(change) { return `${change.here}→${change.there} ${change.side} ${change.id}`; }
