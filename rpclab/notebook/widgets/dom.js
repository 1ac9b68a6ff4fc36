// Small helpers: elements, marks, and a search.
import { LOOK } from "./look.js";

/** Make an element: attributes as they are, `on…` as listeners, children as nodes or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** How many of the items, in rising order of `key`, come before `limit`. */
export function before(items, limit, key) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle]) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The number of the colour of a Worker at some place among the others: as `look.colour_of`. */
export function colourOf(place) {
  return place <= 0 ? 0 : 1 + (place - 1) % (LOOK.workers.light.length - 1);
}

/** The line that a message is drawn as: as `look.line_of`. */
export function lineOf(kind, pipelined) { return pipelined ? "pipelined" : LOOK.messages[kind] ?? "stream"; }

/** Write a mark of the look, such as "leak", as a small drawing for text lines. */
export function markOf(name, paint = `var(--rl-${LOOK.marks[name].colour})`) {
  const { path, filled } = LOOK.marks[name];
  return draw("svg", { viewBox: "0 0 12 12", width: 12, height: 12, class: "rl-mark", "aria-hidden": "true" },
    draw("path", { d: path, style: `fill:${filled ? paint : "none"};stroke:${paint};stroke-width:1.5` }));
}
