// The scrubber: a slider and buttons that step back and forth through a recording.
import { draw, make } from "./dom.js";
import { WORDS } from "./look.js";
import { said } from "./words.js";

// Drawn, for not every page has a font with these signs.
const SAY = WORDS.live;
const BUTTONS = [
  ["M2 2h2v8H2zM10.5 2v8L4.5 6z", ...SAY.first], ["M9 2v8L3 6z", ...SAY.back],
  ["M3 2v8L9 6z", ...SAY.on], ["M8 2h2v8H8zM1.5 2v8L7.5 6z", ...SAY.last],
];

export class Scrubber {
  /** @param moved called with a position, or null to follow what is recorded */
  constructor(store, moved) {
    this.store = store;
    this.moved = moved;
    this.position = null;
    const actions = [() => this.go(0), () => this.step(-1), () => this.step(1), () => this.go(null)];
    this.slider = make("input", {
      type: "range", min: 0, max: 0, value: 0, class: "rl-slider", "aria-label": SAY.slider,
      oninput: () => this.slide(), onkeydown: event => this.key(event),
    });
    this.text = make("output", { class: "rl-where" });
    const buttons = BUTTONS.map(([path, what, key], n) => make(
      "button", { type: "button", title: `${what} (${key})`, "aria-label": what, onclick: actions[n] },
      draw("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, draw("path", { d: path, style: "fill:currentColor;stroke:none" }))));
    this.element = make("div", { class: "rl-scrubber", role: "group", "aria-label": SAY.scrubber },
      ...buttons.slice(0, 2), this.slider, ...buttons.slice(2), this.text);
  }

  /** The position that is looked at. */
  get now() { return this.position ?? this.store.length; }

  go(position) {
    const { stops, length } = this.store;
    this.position = position === null || position >= (stops.at(-1) ?? length) ? null : position;
    this.show();
    this.moved(this.position);
  }

  step(by) { this.goToStep(this.at + by); }

  /** The number of the step that it stands at. */
  get at() { return this.position === null ? this.store.stops.length : this.store.stepOf(this.position); }

  goToStep(step) { this.go(step <= 0 ? 0 : this.store.stops[step - 1] ?? null); }

  slide() {
    this.goToStep(Number(this.slider.value));
  }

  /** Act on a key that steps. Says whether it was one. */
  key(event) {
    const action = {
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      Home: () => this.go(0), End: () => this.go(null),
    }[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return false;
    event.preventDefault();
    event.stopPropagation();
    action();
    return true;
  }

  /** Show where it stands: also when there are new steps. */
  show() {
    const { store } = this;
    const steps = store.stops.length;
    const step = this.at;
    this.slider.max = steps;
    this.slider.value = step;
    const after = Math.round((store.timeAt(this.now) - store.begin) * 1e9) / 1e9;
    const follows = this.position === null && store.live && !store.resting;
    this.text.value = said(SAY.at, { step, steps, after, live: follows && SAY.following });
    this.slider.setAttribute("aria-valuetext", this.text.value);
  }
}
