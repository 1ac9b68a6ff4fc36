// What came of each cut: a table whose rows open the timelines of their runs.
import { make, markOf } from "./dom.js";
import { LOOK, WORDS } from "./look.js";

const SAY = WORDS.faults;

class FaultsPart {
  constructor(model, host) {
    this.model = model;
    this.pictures = new Map();
    this.open = new Map();
    this.root = make("section", { class: `${LOOK.class} rl-live rl-faults`, "aria-label": SAY.label });
    host.append(this.root);
    this.receive = message => this.received(message);
    this.rest = () => this.rested();
    model.on("msg:custom", this.receive);
    model.on("comm_live_update", this.rest);
    model.send({ ask: "all" });
  }

  close() {
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.rest);
  }

  /** The kernel was restarted, or is gone: no further row can be opened. */
  rested() {
    if (this.resting) return;
    this.resting = true;
    this.root.prepend(make("p", { class: "rl-resting", role: "status" }, SAY.resting));
  }

  received(message) {
    if (message.kind === "all") this.show(message);
    else if (message.kind === "timeline") this.drawn(message);
  }

  show(all) {
    this.all = all;
    const found = all.findings.map(each => make("li", {},
      markOf("raised"), make("b", {}, ` ${each.kind}`), `: ${each.what} `,
      each.rows.length
        ? make("button", { type: "button", onclick: () => this.jump(each.rows[0]) }, each.where)
        : make("span", { class: "rl-muted" }, each.where)));
    this.onlyFaults = make("input", { type: "checkbox", onchange: () => this.filter() });
    this.rows = all.rows.map((row, number) => this.row(row, number));
    const heads = all.heads.map(head => make("th", { scope: "col" }, head));
    this.root.replaceChildren(
      make("header", { class: "rl-header" }, make("h3", {}, all.summary)),
      make("div", { class: "rl-muted" }, all.without),
      make("ul", { class: "rl-found" }, ...found),
      make("div", { class: "rl-tools" }, make("label", { hidden: !all.findings.length }, this.onlyFaults, ` ${SAY.only}`),
        make("span", { class: "rl-muted rl-keys" }, SAY.keys)),
      make("div", { class: "rl-cuts" }, make("table", {},
        make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...this.rows))),
    );
  }

  row(row, number) {
    const [message, ...cells] = row.cells;
    const bad = row.said.length > 0;
    const button = make("button", {
      type: "button", "aria-expanded": "false", "aria-label": `${SAY.row} ${message}, ${cells[0]}`,
      onkeydown: event => this.key(event, number),
    }, `${SAY.closed} ${message}`);
    const line = make("tr", { class: bad ? "rl-bad-row" : "", onclick: () => this.toggle(number) },
      make("td", {}, button, bad ? markOf("raised") : null),
      ...cells.map(cell => make("td", {}, cell)));
    return line;
  }

  key(event, number) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    for (let next = number + step; next >= 0 && next < this.rows.length; next += step) {
      if (this.rows[next].hidden) continue;
      this.rows[next].querySelector("button").focus();
      return;
    }
  }

  jump(number) {
    if (!this.open.has(number)) this.toggle(number);
    this.rows[number].scrollIntoView({ block: "nearest" });
    this.rows[number].querySelector("button").focus({ preventScroll: true });
  }

  toggle(number) {
    const line = this.rows[number];
    const button = line.querySelector("button");
    const shown = this.open.get(number);
    button.setAttribute("aria-expanded", String(!shown));
    button.textContent = `${shown ? SAY.closed : SAY.opened} ${this.all.rows[number].cells[0]}`;
    if (shown) {
      shown.remove();
      this.open.delete(number);
      return;
    }
    const { said, ended, cells } = this.all.rows[number];
    const picture = make("div", { class: "rl-stage" }, this.resting ? "" : SAY.wait);
    const more = make("tr", { class: "rl-opened" }, make("td", { colspan: cells.length },
      ...said.map(text => make("div", {}, markOf("raised"), ` ${text}`)),
      make("div", { class: "rl-muted" }, ended), picture));
    line.after(more);
    this.open.set(number, more);
    if (this.pictures.has(number)) picture.innerHTML = this.pictures.get(number);
    else this.model.send({ ask: "timeline", row: number });
  }

  drawn({ row, svg }) {
    this.pictures.set(row, svg);
    const shown = this.open.get(row);
    // The kernel has drawn and escaped it, as it does for the stills.
    if (shown) shown.querySelector(".rl-stage").innerHTML = svg;
  }

  filter() {
    const only = this.onlyFaults.checked;
    this.rows.forEach((line, number) => {
      line.hidden = only && !this.all.rows[number].said.length;
      const shown = this.open.get(number);
      if (shown) shown.hidden = line.hidden;
    });
  }
}

/** What anywidget calls to show it. */
export function render({ model, el }) {
  const part = new FaultsPart(model, el);
  return () => part.close();
}
