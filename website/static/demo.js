// The picture on the landing page: the same program twice, over a link whose latency one drags.
//
// What happened, and when, in parts of a round trip, was recorded by rpclab itself when the site
// was built (demo.json): on its virtual clock time is exactly the round trip times these numbers.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 720, LEFT = 92, RIGHT = 16, LANE = 64, TOP = 30;

const demo = document.querySelector("#rl-demo");
const slider = demo.querySelector("input");
const data = JSON.parse(demo.querySelector("script").textContent);
const longest = Math.max(...data.programs.map(program => program.trips)) * Number(slider.max);

const pictures = data.programs.map(program => {
    const panel = demo.querySelector(`[data-program="${program.name}"]`);
    return { program, time: panel.querySelector(".rl-time"), svg: drawn(panel, program) };
});

function drawn(panel, program) {
    const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${TOP + LANE + 26}`, role: "img" });
    const title = node("title");
    title.textContent = `${program.title}: ${program.trips} round trips`;
    svg.append(title);
    panel.querySelector(".rl-drawing").append(svg);
    return svg;
}

function draw() {
    const rtt = Number(slider.value);
    demo.querySelector("output").textContent = `${rtt} ms`;
    const scale = (WIDTH - LEFT - RIGHT) / longest;
    for (const { program, time, svg } of pictures) {
        const total = program.trips * rtt;
        time.textContent = `${total} ms`;
        svg.replaceChildren(svg.firstChild, ...lanes(), ...program.messages.flatMap(
            message => arrow(message, at => LEFT + at * rtt * scale)), ...end(LEFT + total * scale));
    }
    const [first, second] = data.programs.map(program => program.trips * rtt);
    demo.querySelector(".rl-saved").textContent = `${first - second} ms saved`;
}

function lanes() {
    return data.workers.flatMap((name, number) => {
        const y = TOP + number * LANE;
        const text = node("text", { x: LEFT - 10, y: y + 4, class: "rl-lane" });
        text.textContent = name;
        return [text, node("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, class: "rl-lane" })];
    });
}

function arrow({ from, left, arrived, says, next }, x) {
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
    const room = (next === null ? WIDTH : x(next)) - x(left);
    return says.length * 6.4 < room ? [line, dots, text] : [line, dots];
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

slider.addEventListener("input", draw);
draw();
