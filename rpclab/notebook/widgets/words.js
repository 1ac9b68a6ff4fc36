// What the view says: fills in the templates of WORDS, as `templates.py` does for the stills.
import { LOOK, WORDS } from "./look.js";

const PART = /\[([^[\]]*)\]|\{(\w+)(?::(\w+)(?: ([^}]*))?)?\}/g;
const FOLDERS = new RegExp(WORDS.folders);
const BEFORE_A_NAME = new RegExp(WORDS["before a name"]);
const SIZES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const TIMES = [[1e-6, "µs"], [1e-3, "ms"], [1, "s"]];

/** A template with what is known of a thing; "" where something that it needs is missing. */
export function said(template, known = {}) {
  let missing = false;
  const text = template.replace(PART, (_, optional, name, how, argument) => {
    if (optional !== undefined) return said(optional, known);
    const part = written(known, name, how, argument);
    missing ||= part === "";
    return part;
  });
  return missing ? "" : text;
}

/** What there is to say of a thing of some kind, in lines. */
export function told(kind, known) {
  return WORDS.things[kind].map(template => said(template, known)).filter(Boolean);
}

function written(known, name, how, argument) {
  const value = known[name];
  if (how === "of") return choice(WORDS.choices[argument], value, known);
  if (value === null || value === undefined || value === false || value === "" || value.length === 0) return "";
  if (how === undefined) return `${value}`;
  return argument === undefined ? FORMATS[how](value) : count(value, argument);
}

/** The template for a value; a text that there is none for is shown as it is. */
function choice(choices, value, known) {
  const key = `${value ?? ""}`;
  if (Object.hasOwn(choices, key)) return said(choices[key], known);
  return typeof value === "boolean" ? "" : key;
}

// How values are written.

export function number(value) {
  const tenths = Math.floor(value * 10 + 0.5);
  const [whole, tenth] = [Math.floor(tenths / 10), tenths - Math.floor(tenths / 10) * 10];
  return whole.toLocaleString("en") + (tenth ? `.${tenth}` : "");
}

export function count(value, noun) { return `${number(value)} ${noun}${value === 1 ? "" : "s"}`; }

export function size(value) {
  const [unit, name] = SIZES.find(([least]) => value >= least) ?? SIZES.at(-1);
  return `${number(value / unit)} ${name}`;
}

export function duration(seconds) {
  if (!seconds) return "0 s";
  const [unit, name] = TIMES.find(([each]) => Math.abs(seconds) < 999.95 * each) ?? TIMES.at(-1);
  const value = seconds / unit;
  const digits = Math.abs(value) < 10 ? 3 : Math.abs(value) < 100 ? 2 : 1;
  const rounded = Math.floor(value * 10 ** digits + 0.5) / 10 ** digits;
  return `${rounded.toLocaleString("en", { maximumFractionDigits: digits })} ${name}`;
}

/** From one tick of an axis to the next: 1, 2 or 5 times a power of ten. */
export function tickStep(span, pixels) {
  const least = span / Math.max(pixels / LOOK.sizes.tick, 1) * (1 - 1e-9);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5].map(n => n * power).find(step => step >= least) ?? 10 * power;
}

/** What stands at a tick, in the unit and with the digits that all of an axis have. */
export function tickText(time, step, most) {
  const [unit, name] = TIMES.find(([each]) => most < 1000 * each) ?? TIMES.at(-1);
  const digits = Math.max(-Math.floor(Math.log10(step / unit) + 1e-9), 0);
  return `${(time / unit || 0).toLocaleString("en", { maximumFractionDigits: digits })} ${name}`;
}

export function place(site) { return site.replace(FOLDERS, ""); }
export function shortPlace(site) { return site.replace(BEFORE_A_NAME, ""); }

/** Some words in a row, and how many more there are. */
export function listed(words, most = 4) {
  const rest = words.length > most ? [`${number(words.length - most)} more`] : [];
  return [...words.slice(0, most), ...rest].join(", ");
}

const FORMATS = { number, bytes: size, duration, place, list: values => values.join(", ") };

/** A text that fits into so many pixels of the font of code, its end left out if need be. */
export function elided(text, room, height = LOOK.sizes.label) {
  const one = height * LOOK.sizes.character;
  if (text.length * one <= room + 0.01) return text;
  const kept = Math.max(Math.floor(room / one) - 1, 0);
  return kept ? `${text.slice(0, kept).trimEnd()}…` : "";
}

/** Where columns of texts stand, the longest of which have so many characters: as `columns.py`. */
export function columnsOf(widest, label, width) {
  const { character, gap, label: height, texts } = LOOK.sizes;
  const [labels, places, short, names] = widest.map(number => number * height * character);
  const room = width * texts - label;
  const sites = labels + places > room - 2 * gap ? short : places;
  const site = Math.min(sites, room * 2 / 3) + gap;
  const wide = Math.min(labels, room - site) + gap;
  const right = label + Math.max(wide + site, Math.min(names, room) + gap, width * 0.2);
  return [label, right - site, right];
}

/** A place in so many pixels: without its folder if need be, and never without its line. */
export function placeIn(site, room) {
  const one = LOOK.sizes.label * LOOK.sizes.character;
  const whole = place(site);
  if (whole.length * one <= room + 0.01) return whole;
  const short = shortPlace(whole);
  const line = short.slice(Math.max(short.lastIndexOf(","), 0));
  return elided(short.slice(0, short.length - line.length), room - line.length * one) + line;
}

/** The label of a call: what was asked for, and what came of it. */
export function callLabel(call) { return said(WORDS.labels.call[call.outcome], { ...call, result: call.result || "''" }); }

/** The same without what came of it. */
export function callAlone(call) { return said(WORDS.labels["call alone"], call); }

/** The figures on top of a view, the most important ones first. */
export function figureParts(known) {
  const all = { ...known, trips: said(WORDS.trips, known) };
  return WORDS.figures.map(template => said(template, all)).filter(Boolean);
}

/** What stands beside a line of the graph, and all that there is to say of it. */
export function lineWords({ kind, holder, worker, things }) {
  const words = WORDS.graph[kind];
  const names = things.map(([name, n]) => said(words.each, { name, number: n, several: n > 1 && n }));
  return {
    label: said(words.label, { all: listed(names, words.most) }),
    title: `${said(words.title, { holder, worker })}\n${names.join(", ")}`,
  };
}
