// Small helpers: elements, and how numbers are written.

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

const four = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function bytes(number) {
  if (number < 1000) return `${four.format(number)} B`;
  return number < 1e6 ? `${four.format(number / 1e3)} kB` : `${four.format(number / 1e6)} MB`;
}

export function seconds(span) {
  if (span === 0) return "0 s";
  if (Math.abs(span) < 0.9995e-3) return `${four.format(span * 1e6)} µs`;
  return Math.abs(span) < 0.9995 ? `${four.format(span * 1e3)} ms` : `${four.format(span)} s`;
}

/** A place in the user's code without the folders that all files there share. */
export function place(site) { return site === null ? null : site.replace(/^.*[/\\](?=[^/\\]+, line)/, ""); }

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

/** Write a mark of the look, such as "leak", as a small drawing for text lines. */
export function markOf(look, name) {
  const { path, filled, colour } = look.marks[name];
  const paint = `var(--rl-${colour})`;
  return draw("svg", { viewBox: "0 0 12 12", width: 12, height: 12, class: "rl-mark", "aria-hidden": "true" },
    draw("path", { d: path, style: `fill:${filled ? paint : "none"};stroke:${paint};stroke-width:1.5` }));
}
