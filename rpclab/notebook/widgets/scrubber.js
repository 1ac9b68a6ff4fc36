// The scrubber: a slider and buttons that step back and forth through a recording.
import { make, seconds } from "./dom.js";

const BUTTONS = [
  ["⏮", "first step", "Home"], ["◀", "one step back", "←"], ["▶", "one step on", "→"], ["⏭", "last step, and follow", "End"],
];

export class Scrubber {
  /** @param moved called with a position, or null to follow what is recorded */
  constructor(store, moved) {
    this.store = store;
    this.moved = moved;
    this.position = null;
    const actions = [() => this.go(0), () => this.step(-1), () => this.step(1), () => this.go(null)];
    this.slider = make("input", {
      type: "range", min: 0, max: 0, value: 0, class: "rl-slider", "aria-label": "step of the recording",
      oninput: () => this.slide(), onkeydown: event => this.key(event),
    });
    this.text = make("output", { class: "rl-where" });
    const buttons = BUTTONS.map(([sign, what, key], n) => make(
      "button", { type: "button", title: `${what} (${key})`, "aria-label": what, onclick: actions[n] }, sign));
    this.element = make("div", { class: "rl-scrubber", role: "group", "aria-label": "scrubber" },
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

  step(by) { this.go(by < 0 ? this.store.stopBefore(this.now) : this.store.stopAfter(this.now)); }

  slide() {
    const step = Number(this.slider.value);
    this.go(step ? this.store.stops[step - 1] : 0);
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
    const step = this.position === null ? steps : store.stepOf(this.position);
    this.slider.max = steps;
    this.slider.value = step;
    const at = seconds(Math.round((store.timeAt(this.now) - store.begin) * 1e9) / 1e9);
    const following = this.position === null && store.live ? " · live" : "";
    this.text.value = `step ${step} of ${steps} · ${at}${following}`;
    this.slider.setAttribute("aria-valuetext", this.text.value);
  }
}
