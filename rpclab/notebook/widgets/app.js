// A view in a page: the figures on top, one panel or several as tabs, the scrubber, and the tables.
import { bytes, make, markOf } from "./dom.js";
import { ControlsPart } from "./controls.js";
import { LOOK } from "./look.js";
import { Scrubber } from "./scrubber.js";
import { Store } from "./store.js";
import { TablesPart } from "./tables.js";

let views = 0;

class App {
  constructor(model, host, panels) {
    this.model = model;
    this.store = new Store();
    this.id = `rl-${++views}-${Math.random().toString(36).slice(2, 8)}`;
    this.root = make("section", { class: `${LOOK.class} rl-live`, "aria-label": "what happened in the sandbox" });
    host.append(this.root);
    this.scrubber = new Scrubber(this.store, () => this.moved());
    this.figures = make("div", { class: "rl-figures" });
    this.said = make("div", { class: "rl-said", role: "status", "aria-live": "polite" });
    this.hint = "Point at something, or move the focus here and use the arrow keys.";
    this.tables = new TablesPart(this.store);
    this.advice = make("ul", { class: "rl-advice" });
    this.panels = panels.map(Panel => new Panel(this));
    this.controls = new ControlsPart(this.store, message => this.send(message), () => this.readers(), () => this.panel?.controlled);
    this.root.append(this.header(), this.body(), this.said, this.scrubber.element, this.advice, this.controls.element, this.tables.element);
    this.root.addEventListener("keydown", event => this.key(event));
    this.listen();
    this.choose(0);
    this.refresh();
    this.send({ ask: "all" });
  }

  header() {
    const title = this.panels.length > 1 ? "Recording" : this.panels[0].title;
    return make("header", { class: "rl-header" }, make("h3", {}, title), this.figures);
  }

  body() {
    if (this.panels.length === 1) {
      this.tabs = [];
      this.pages = [make("div", { class: "rl-page" }, this.panels[0].element)];
      return this.pages[0];
    }
    this.tabs = this.panels.map((panel, n) => make("button", {
      type: "button", role: "tab", id: `${this.id}-tab-${n}`, "aria-controls": `${this.id}-page-${n}`,
      onclick: () => this.choose(n), onkeydown: event => this.tabKey(event, n),
    }, panel.title));
    this.pages = this.panels.map((panel, n) => make("div", {
      class: "rl-page", role: "tabpanel", id: `${this.id}-page-${n}`, "aria-labelledby": `${this.id}-tab-${n}`,
    }, panel.element));
    return make("div", {}, make("div", { class: "rl-tabs", role: "tablist" }, ...this.tabs), ...this.pages);
  }

  choose(number) {
    this.chosen = number;
    this.tabs.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === number));
      tab.tabIndex = n === number ? 0 : -1;
    });
    this.pages.forEach((page, n) => { page.hidden = n !== number; });
    this.say(null);
    this.advice.hidden = !this.panel.advised;
    this.controls.show();
    this.panel.update();
  }

  tabKey(event, number) {
    const next = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const place = (next + this.tabs.length) % this.tabs.length;
    this.choose(place);
    this.tabs[place].focus();
  }

  listen() {
    this.receive = message => this.received(message);
    this.model.on("msg:custom", this.receive);
    this.lost = () => this.rest();
    this.model.on("comm_live_update", this.lost);
    const themed = () => [0, 200, 800].forEach(wait => setTimeout(() => this.panel.update(), wait));
    this.themes = new MutationObserver(themed);
    this.themes.observe(document.body, { attributes: true });
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.themed = themed);
    this.toPaper = () => this.panels.forEach(panel => panel.onPaper?.(true));
    this.fromPaper = () => this.panels.forEach(panel => panel.onPaper?.(false));
    window.addEventListener("beforeprint", this.toPaper);
    window.addEventListener("afterprint", this.fromPaper);
  }

  close() {
    if (this.still) this.still.style.display = "";
    this.send({ ask: "nothing" });
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.lost);
    this.themes.disconnect();
    this.dark.removeEventListener("change", this.themed);
    window.removeEventListener("beforeprint", this.toPaper);
    window.removeEventListener("afterprint", this.fromPaper);
    this.controls.close();
    this.panels.forEach(panel => panel.close?.());
  }

  get panel() { return this.panels[this.chosen]; }

  /** The position that is looked at. */
  get position() { return this.scrubber.now; }

  send(message) { if (!this.resting) this.model.send(message); }

  /** The kernel was restarted, or is gone: nothing new will come, and nobody hears the controls. */
  rest() {
    if (this.resting) return;
    this.resting = this.store.resting = true;
    this.controls.rest();
    this.scrubber.show();
    this.root.firstChild.after(make("p", { class: "rl-resting", role: "status" },
      "The kernel was restarted: this view stands still, and its controls rest. Run its cell again for a live one."));
  }

  received(message) {
    const { store } = this;
    if (message.kind === "all") {
      store.all(message);
      this.panels.forEach(panel => panel.reset?.());
      this.scrubber.position = null;
    } else if (message.kind === "news") store.news(message.rows);
    else if (message.kind === "state") store.state = message;
    else if (message.kind === "advice") store.advice = message.advice;
    else if (message.kind === "scale") this.panels.forEach(panel => panel.measure?.(message.by));
    else if (message.kind === "why") this.panels.forEach(panel => panel.explained?.(message));
    if (message.kind === "state") this.controls.show();
    else this.refreshSoon();
  }

  refreshSoon() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.refresh(); });
  }

  /** There are new rows. */
  refresh() {
    this.controls.show();
    this.scrubber.show();
    this.panels.forEach(panel => panel.grown?.());
    this.showAdvice();
    this.moved();
    this.hideStill();
  }

  /** Hide what stands in the file for this view: it is in the output that follows. */
  hideStill() {
    if (this.still?.isConnected) return;
    const marked = [...document.querySelectorAll(".rl-live,.rl-still")];
    const next = marked[marked.indexOf(this.root) + 1];
    if (!this.root.isConnected || !next?.classList.contains("rl-still")) return;
    this.still = next.closest(".jp-OutputArea-child") ?? next;
    this.still.style.display = "none";
  }

  /** Another position is looked at. */
  moved() {
    if (this.moving) return;
    this.moving = true;
    requestAnimationFrame(() => {
      this.moving = false;
      this.showFigures();
      this.tables.show(this.position);
      this.panel.update();
    });
  }

  showFigures() {
    const { trips, saved, calls, messages, bytes: size } = this.store.figuresAt(this.position);
    const shown = [
      [trips, trips === 1 ? "round trip" : "round trips"], [saved, "saved by pipelining"],
      [calls, calls === 1 ? "call" : "calls"], [messages, messages === 1 ? "message" : "messages"], [bytes(size), ""],
    ];
    this.figures.replaceChildren(...shown.map(([figure, noun], n) => make("span", {
      class: `rl-figure${n === 1 && saved ? " rl-good" : ""}`,
      title: n === 0 ? "at most: tasks of one method are not told apart" : null,
    },
      make("b", {}, figure.toLocaleString("en")), noun ? ` ${noun}` : "")));
    if (this.store.first) this.figures.append(make("span", { class: "rl-figure rl-muted" }, `after ${this.store.first.toLocaleString("en")} earlier events`));
  }

  showAdvice() {
    const key = JSON.stringify(this.store.advice);
    if (key === this.advised) return;
    this.advised = key;
    this.advice.replaceChildren(...this.store.advice.slice(0, 4).map(({ text }) => make("li", {}, make("b", {}, "Advice: "), text)));
  }

  /** The Workers that read streams. */
  readers() { return [...new Set(this.store.streams.map(stream => stream.receiver))]; }

  /** Show what is known of a thing: lines of texts, the first one in bold; null for none. */
  say(lines, { open = false } = {}) {
    this.said.classList.toggle("rl-open", open);
    if (!lines) {
      this.said.replaceChildren(make("span", { class: "rl-muted" }, this.hint));
      return;
    }
    const [first, ...rest] = lines.filter(Boolean);
    this.said.replaceChildren(make("b", {}, first), ...rest.flatMap(text => [" · ", make("span", {}, text)]));
  }

  key(event) {
    if (["INPUT", "BUTTON", "SUMMARY"].includes(event.target.tagName)) return;
    this.scrubber.key(event);
  }
}

/** A list of what the signs of a panel mean: [sample, text] each; a sample is "line …", "mark …". */
export function legendOf(entries) {
  const items = entries.map(([sample, text]) => {
    const [kind, ...words] = sample.split(" ");
    const name = words.join(" ");
    if (kind === "mark") return make("li", {}, markOf(LOOK, name), ` ${text}`);
    if (kind === "text") return make("li", {}, make("code", {}, name), ` ${text}`);
    if (kind === "bar") return make("li", {}, make("i", { class: "rl-sample-bar", style: `background:var(--rl-t${name});border-color:var(--rl-w${name})` }), ` ${text}`);
    const { width, dash, colour } = LOOK.lines[name];
    const style = dash ? (parseFloat(dash) < 2 ? "dotted" : "dashed") : "solid";
    return make("li", {}, make("i", { class: "rl-sample-line", style: `border-top:${Math.max(width, 1.5)}px ${style} var(--rl-${colour})` }), ` ${text}`);
  });
  return make("details", { class: "rl-part rl-legend" }, make("summary", {}, "What the signs mean"), make("ul", {}, ...items));
}

/** What anywidget calls to show a view that has these panels. */
export function renderer(panels) {
  return ({ model, el }) => {
    const app = new App(model, el, panels);
    return () => app.close();
  };
}
