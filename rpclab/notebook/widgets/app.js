// A view in a page: the figures on top, one panel or several as tabs, the scrubber, and the tables.
import { make, markOf } from "./dom.js";
import { ControlsPart } from "./controls.js";
import { LOOK, WORDS } from "./look.js";
import { Scrubber } from "./scrubber.js";
import { Store } from "./store.js";
import { TablesPart } from "./tables.js";
import { figureParts, said } from "./words.js";

const SAY = WORDS.live;
let views = 0;

class App {
  constructor(model, host, panels) {
    this.model = model;
    this.store = new Store();
    this.id = `rl-${++views}-${Math.random().toString(36).slice(2, 8)}`;
    this.root = make("section", { class: `${LOOK.class} rl-live`, "aria-label": SAY.view });
    host.append(this.root);
    this.scrubber = new Scrubber(this.store, () => this.moved());
    this.figures = make("div", { class: "rl-figures" });
    this.said = make("div", { class: "rl-said", role: "status", "aria-live": "polite" });
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
    const title = this.panels.length > 1 ? SAY.recording : SAY.titles[this.panels[0].name];
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
    }, SAY.titles[panel.name]));
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
    this.root.firstChild.after(make("p", { class: "rl-resting", role: "status" }, SAY.resting));
  }

  received(message) {
    const { store } = this;
    if (message.kind === "all") {
      store.all(message);
      this.panels.forEach(panel => panel.reset?.());
      this.scrubber.position = null;
    } else if (message.kind === "news") store.news(message.rows);
    else if (message.kind === "state") store.state = message;
    else if (message.kind === "layout") store.layouts = message.layouts;
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

  /** Hide what stands in the file for this view. In Jupyter the style of that does so by itself. */
  hideStill() {
    if (this.still?.isConnected) return;
    const marked = [...document.querySelectorAll(".rl-live,.rl-still")];
    const next = marked[marked.indexOf(this.root) + 1];
    if (!this.root.isConnected || !next?.classList.contains("rl-still") || next.closest(".jp-OutputArea-child")) return;
    this.still = next;
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
    const known = this.store.figuresAt(this.position);
    const parts = figureParts(known).map((text, n) => make("span", { class: `rl-figure${n === 0 && known.without > known.round_trips ? " rl-good" : ""}` }, text));
    const earlier = this.store.first ? [make("span", { class: "rl-figure rl-muted" }, said(SAY.earlier, { earlier: this.store.first }))] : [];
    this.figures.replaceChildren(...parts, ...earlier);
  }

  showAdvice() {
    const key = JSON.stringify(this.store.advice);
    if (key === this.advised) return;
    this.advised = key;
    this.advice.replaceChildren(...this.store.advice.slice(0, 4).map(({ text }) => make("li", {}, make("b", {}, SAY.advice), text)));
  }

  /** The Workers that read streams. */
  readers() { return [...new Set(this.store.streams.map(stream => stream.receiver))]; }

  /** Show what is known of a thing: lines of texts, the first one in bold; null for none. */
  say(lines, { open = false } = {}) {
    this.said.classList.toggle("rl-open", open);
    if (!lines) {
      this.said.replaceChildren(make("span", { class: "rl-muted" }, SAY.hint));
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

/** A list of what the signs of a panel mean. */
export function legendOf(kind) {
  const entries = WORDS.legends[kind].filter(([, , , where]) => where !== "still");
  const items = entries.map(([sample, name, text]) => make("li", {}, sampleOf(sample, name), ` ${text}`));
  return make("details", { class: "rl-part rl-legend" }, make("summary", {}, SAY.signs), make("ul", {}, ...items));
}

function sampleOf(sample, name) {
  if (sample === "mark") return markOf(name);
  if (sample === "text") return make("code", {}, name);
  if (sample === "line") {
    const { width, dash, colour } = LOOK.lines[name];
    const style = dash ? (parseFloat(dash) < 2 ? "dotted" : "dashed") : "solid";
    return make("i", { class: "rl-sample-line", style: `border-top:${Math.max(width, 1.5)}px ${style} var(--rl-${colour})` });
  }
  const number = name.slice(1);
  const paint = name === "absent" ? "border:1.2px dashed var(--rl-muted)" : `background:var(--rl-t${number});border-color:var(--rl-w${number})`;
  return make("i", { class: `rl-sample-bar rl-sample-${sample}`, style: paint });
}

/** What anywidget calls to show a view that has these panels. */
export function renderer(panels) {
  return ({ model, el }) => {
    const app = new App(model, el, panels);
    return () => app.close();
  };
}
