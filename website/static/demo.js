// The picture on the landing page: the same program twice, over a link whose latency one drags.
//
// What happened, and when, in parts of a round trip, was recorded by rpclab itself when the site
// was built (demo.json): on its virtual clock time is exactly the round trip times these numbers.

const SVG = "http://www.w3.org/2000/svg";
const RIGHT = 16, LANE = 64, TOP = 30;
const LETTER = 6.4;  // pixels that a letter of a label takes, about
const UNITS = { min: 60_000, s: 1000, ms: 1, us: 1 / 1000, "µs": 1 / 1000 };
const RTT = "--rtt\\s+(([0-9]*\\.?[0-9]+)(min|s|ms|us|µs))(?=\\s|$)";
const LINK = new RegExp(`^%rpclab link .*${RTT}`, "m");

const demo = document.querySelector("#rl-demo");
const slider = demo.querySelector("input");
const shown = demo.querySelector("output");
const data = JSON.parse(demo.querySelector("script").textContent);
const trips = Math.max(...data.programs.map(program => program.trips));
const code = [...document.querySelectorAll("div.highlight-python pre")]
    .find(pre => LINK.test(pre.textContent));
let rtt = Number(slider.value);

const pictures = data.programs.map(program => {
    const panel = demo.querySelector(`[data-program="${program.name}"]`);
    return { program, time: panel.querySelector(".rl-time"), svg: drawn(panel, program) };
});

function drawn(panel, program) {
    const svg = node("svg", { role: "img" });
    const title = node("title");
    title.textContent = `${program.title}: ${program.trips} round trips`;
    svg.append(title);
    panel.querySelector(".rl-drawing").append(svg);
    return svg;
}

// The code below says how far away the Worker is: the slider writes there, and reads it there.
function read() {
    const found = LINK.exec(code.innerText);
    slider.disabled = !found;
    if (found) {
        rtt = Number((Number(found[2]) * UNITS[found[3]]).toPrecision(12));
        slider.value = rtt;
    }
    draw();
}

function write() {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const found = new RegExp(RTT).exec(text.data);
        if (found) {
            const [all, number] = found;
            text.replaceData(found.index + all.length - number.length, number.length, `${slider.value}ms`);
            break;
        }
    }
    code.dispatchEvent(new Event("input", { bubbles: true }));
}

function draw() {
    shown.textContent = slider.disabled ? "as the code says" : `${rtt} ms`;
    const width = Math.min(Math.max(demo.querySelector(".rl-drawing").clientWidth, 240), 720);
    const left = width < 480 ? 66 : 92;
    const scale = (width - left - RIGHT) / (trips * Math.max(rtt, Number(slider.max)));
    for (const { program, time, svg } of pictures) {
        const total = program.trips * rtt;
        time.textContent = `${Number(total.toPrecision(12))} ms`;
        svg.setAttribute("viewBox", `0 0 ${width} ${TOP + LANE + 26}`);
        svg.replaceChildren(svg.firstChild, ...lanes(left, width), ...program.messages.flatMap(
            message => arrow(message, at => left + at * rtt * scale, width)), ...end(left + total * scale));
    }
    const [first, second] = data.programs.map(program => program.trips * rtt);
    demo.querySelector(".rl-saved").textContent = `${Number((first - second).toPrecision(12))} ms saved`;
}

function lanes(left, width) {
    return data.workers.flatMap((name, number) => {
        const y = TOP + number * LANE;
        const text = node("text", { x: left - 10, y: y + 4, class: "rl-lane" });
        text.textContent = name;
        return [text, node("line", { x1: left, x2: width - RIGHT, y1: y, y2: y, class: "rl-lane" })];
    });
}

function arrow({ from, left, arrived, says, next }, x, width) {
    const y = lane => TOP + lane * LANE;
    const one = data.workers.indexOf(from), other = 1 - one;
    const line = node("line", {
        x1: x(left), y1: y(one), x2: x(arrived), y2: y(other), class: one ? "rl-back" : "rl-call",
    });
    const dots = node("circle", { cx: x(arrived), cy: y(other), r: 3.5, class: one ? "rl-back" : "rl-call" });
    const text = node("text", one
        ? { x: x(left), y: y(1) + 18, class: "rl-back" }
        : { x: x(left) + 2, y: y(0) - 10, class: "rl-call" });
    text.textContent = says;
    // A text that has no room before the next one of its lane is left out.
    const room = (next === null ? width : x(next)) - x(left);
    return says.length * LETTER < room ? [line, dots, text] : [line, dots];
}

function end(x) {
    return [node("line", { x1: x, x2: x, y1: TOP - 3, y2: TOP + LANE + 3, class: "rl-end" })];
}

function node(name, attributes = {}) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
        made.setAttribute(key, value);
    }
    return made;
}

slider.addEventListener("input", write);
slider.addEventListener("change", () => code.dispatchEvent(new Event("rl-run-again", { bubbles: true })));
code.addEventListener("input", read);
addEventListener("resize", draw);
read();
