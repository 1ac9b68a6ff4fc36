// The controls of a live sandbox: how long a link takes, whether it is up, how fast a reader reads.
import { make, markOf } from "./dom.js";
import { WORDS } from "./look.js";
import { said } from "./words.js";

const SAY = WORDS.live;

// A slider has the steps 0 to 100: nothing, then 1 ms to 2 s; and 1 kB/s to 100 MB/s, then no bound.
const rttOf = step => step ? 1e-3 * 2000 ** ((step - 1) / 99) : 0;
const stepOfRtt = rtt => rtt <= 0 ? 0 : Math.round(1 + 99 * Math.log(Math.max(rtt, 1e-3) / 1e-3) / Math.log(2000));
const rateOf = step => step >= 100 ? null : 1e3 * 1e5 ** (step / 99);
const stepOfRate = rate => rate === null ? 100 : Math.round(99 * Math.log(Math.max(rate, 1e3) / 1e3) / Math.log(1e5));
const SETTLE = 600; // milliseconds in which a slider is the hand's, whatever the kernel says

export class ControlsPart {
  /**
   * @param send sends a message to the kernel
   * @param readers gives the names of the Workers that read streams
   * @param wanted says whether what is shown has to do with them
   */
  constructor(store, send, readers, wanted) {
    Object.assign(this, { store, send, readers, wanted });
    this.rows = new Map();
    this.body = make("div", { class: "rl-controls" });
    this.element = make("details", { class: "rl-part", open: true }, make("summary", {}, SAY.controls), this.body);
    this.show();
  }

  show() {
    const { links, paces } = this.store.state;
    const readers = this.readers();
    this.element.hidden = !this.wanted() || !this.store.live || !(links.length || readers.length);
    for (const link of links) {
      this.row(`link ${link.one} ${link.other}`, () => this.linkRow(link)).update(link);
    }
    for (const worker of readers) {
      this.row(`pace ${worker}`, () => this.paceRow(worker)).update(paces[worker] ?? null);
    }
  }

  /** A hand is on a slider: what the kernel says counts again when that has come to rest. */
  touch() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.resting = null; this.show(); }, SETTLE);
  }

  close() { clearTimeout(this.resting); }

  /** Nobody hears them any more. */
  rest() {
    this.body.inert = true;
    this.body.querySelectorAll("input,button").forEach(control => { control.disabled = true; });
  }

  row(key, build) {
    let row = this.rows.get(key);
    if (!row) {
      // Links stand before readers, whatever came first; rows that are there stay, for a hand may be on one.
      const next = [...this.rows.keys()].sort().find(other => other > key);
      this.rows.set(key, row = build());
      this.body.insertBefore(row.element, this.rows.get(next)?.element ?? null);
    }
    return row;
  }

  linkRow({ one, other }) {
    const name = said(SAY.link, { one, other });
    const text = make("output", { class: "rl-value" });
    const show = (rtt, up) => { text.value = up ? said(SAY["round trip"], { rtt: rtt || null }) || SAY["no delay"] : SAY["is cut"]; };
    let last = { rtt: 0, up: true };
    const slider = make("input", {
      type: "range", min: 0, max: 100, "aria-label": said(SAY["round trip of"], { name }),
      oninput: () => {
        this.touch();
        const rtt = rttOf(Number(slider.value));
        last = { ...last, rtt };
        show(rtt, last.up);
        slider.setAttribute("aria-valuetext", text.value);
        this.send({ do: "link", one, other, rtt });
      },
    });
    const button = make("button", {
      type: "button", "aria-pressed": "false",
      onclick: () => this.send({ do: "link", one, other, up: !last.up }),
    });
    return {
      element: make("div", { class: "rl-control" }, make("span", { class: "rl-name" }, name), slider, button, text),
      update: link => {
        if (!this.resting) slider.value = stepOfRtt(link.rtt);
        last = { rtt: this.resting ? last.rtt : link.rtt, up: link.up };
        const does = link.up ? "cut" : "mend";
        const [word, what] = SAY[does];
        button.replaceChildren(markOf(does, "currentColor"), ` ${word}`);
        button.setAttribute("aria-label", said(what, { name }));
        button.setAttribute("aria-pressed", String(!link.up));
        button.classList.toggle("rl-alarm", !link.up);
        show(last.rtt, link.up);
        slider.setAttribute("aria-valuetext", text.value);
      },
    };
  }

  paceRow(worker) {
    const text = make("output", { class: "rl-value" });
    const show = rate => { text.value = said(SAY.pace, { rate }) || SAY["no pace"]; };
    const slider = make("input", {
      type: "range", min: 0, max: 100, "aria-label": said(SAY["how fast"], { name: worker }),
      oninput: () => {
        this.touch();
        const rate = rateOf(Number(slider.value));
        show(rate);
        slider.setAttribute("aria-valuetext", text.value);
        this.send({ do: "pace", worker, rate });
      },
    });
    return {
      element: make("div", { class: "rl-control" }, make("span", { class: "rl-name" }, said(SAY.reads, { name: worker })), slider, make("span"), text),
      update: rate => {
        if (this.resting) return;
        slider.value = stepOfRate(rate);
        show(rate);
        slider.setAttribute("aria-valuetext", text.value);
      },
    };
  }
}
