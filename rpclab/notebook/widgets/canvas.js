// A canvas that is as sharp as the screen, has the colours of the page, and draws when asked to,
// once in a frame.
import { colourOf, make } from "./dom.js";
import { LOOK } from "./look.js";

/** Colours by name, as the style sheet has them at this moment. */
class Palette {
  constructor(root) {
    this.root = root;
    this.key = "";
    this.paper = false;
  }

  /** Read the colours again if the page has others. Says whether it has. */
  refresh() {
    const style = getComputedStyle(this.root);
    const key = `${style.getPropertyValue("--rl-background")} ${style.getPropertyValue("--rl-text")} ${this.paper}`;
    if (key === this.key) return false;
    this.key = key;
    this.named = {};
    for (const [name, light] of Object.entries(LOOK.colours.light)) {
      this.named[name] = this.paper ? light : style.getPropertyValue(`--rl-${name}`).trim() || light;
    }
    this.workers = LOOK.workers.light.map(([edge, tint], n) => this.paper ? { edge, tint } : {
      edge: style.getPropertyValue(`--rl-w${n}`).trim() || edge,
      tint: style.getPropertyValue(`--rl-t${n}`).trim() || tint,
    });
    return true;
  }

  /** The colours of the Worker at some place: the notebook alone has the first. */
  worker(place) { return this.workers[colourOf(place)]; }
}

export class Surface {
  /**
   * @param root the element of the view, which has the style sheet's variables
   * @param height in pixels
   * @param paint called with (context, width, height, palette) when it is to be drawn
   */
  constructor(root, height, paint) {
    this.root = root;
    this.height = height;
    this.paint = paint;
    this.palette = new Palette(root);
    this.element = make("canvas", { class: "rl-canvas", tabindex: "0" });
    this.context = this.element.getContext("2d");
    this.asked = false;
    this.width = 0;
    // The view, and not the canvas, whose own width is set here.
    this.observer = new ResizeObserver(() => this.ask());
    this.observer.observe(root);
  }

  setHeight(height) {
    if (height !== this.height) {
      this.height = height;
      this.ask();
    }
  }

  /** Draw in the next frame. */
  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.now(); });
  }

  now() {
    const width = this.element.parentElement?.clientWidth ?? 0;
    if (!width || !this.element.isConnected) return;
    const dense = window.devicePixelRatio || 1;
    if (this.element.width !== Math.round(width * dense) || this.element.height !== Math.round(this.height * dense)) {
      this.element.width = Math.round(width * dense);
      this.element.height = Math.round(this.height * dense);
      this.element.style.width = `${width}px`;
      this.element.style.height = `${this.height}px`;
    }
    this.width = width;
    this.palette.refresh();
    this.context.setTransform(dense, 0, 0, dense, 0, 0);
    this.context.clearRect(0, 0, width, this.height);
    this.paint(this.context, width, this.height, this.palette);
  }

  /** Draw on white paper, or no longer. */
  onPaper(paper) {
    this.palette.paper = paper;
    this.now();
  }

  close() { this.observer.disconnect(); }
}

const FONT = LOOK.fonts.code;

/** Set the font of a context. */
export function font(context, size = 11, { bold = false, code = true } = {}) {
  context.font = `${bold ? "600 " : ""}${size}px ${code ? FONT : LOOK.fonts.text}`;
}

/** Set a context to draw a kind of line. */
export function line(context, palette, name) {
  const { width, dash, colour } = LOOK.lines[name];
  context.lineWidth = width;
  context.strokeStyle = palette.named[colour];
  context.setLineDash(dash ? dash.split(" ").map(Number) : []);
}

/** Draw the head of an arrow that ends at (x, y) and comes from an angle. */
export function arrowHead(context, x, y, angle, colour) {
  const size = LOOK.sizes.head;
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - size * Math.cos(angle - 0.45), y - size * Math.sin(angle - 0.45));
  context.lineTo(x - size * Math.cos(angle + 0.45), y - size * Math.sin(angle + 0.45));
  context.fill();
}

const paths = new Map();

/** Draw a mark with its middle at (x, y). */
export function mark(context, palette, name, x, y, size = LOOK.sizes.mark) {
  const { path, filled, colour } = LOOK.marks[name];
  let shape = paths.get(name);
  if (!shape) paths.set(name, shape = new Path2D(path));
  context.save();
  context.translate(x - size / 2, y - size / 2);
  context.scale(size / 12, size / 12);
  context.setLineDash([]);
  context.lineWidth = 1.6;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = context.fillStyle = palette.named[colour];
  if (filled) context.fill(shape);
  else context.stroke(shape);
  context.restore();
}

/** Draw text with an edge in the colour of its ground, so that lines behind it do not cross it out. */
export function haloed(context, text, x, y, ground) {
  context.lineWidth = 4;
  context.setLineDash([]);
  context.lineJoin = "round";
  context.strokeStyle = ground;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
