// Runs the Python of a page in place, as the cells of one notebook, from top to bottom.
//
// A page that is marked by `data-live` has all its Python made into cells. Python is loaded when a
// reader first turns to one, by its text or its button, and not before.
import { pack } from "./share.js";

const here = new URL(".", import.meta.url);

class Kernel {
    // One for a page; `told` is called with what it does until it is ready, and then with "".
    constructor(told) {
        this.told = told;
        this.cells = new Map();
        this.stage = "Loading Python";
        this.end = null;
        this.began = performance.now();
        this.worker = new Worker(underPolicy(new URL("kernel.js", here)), { type: "module" });
        this.worker.onmessage = ({ data }) => this.hear(data);
        this.worker.onerror = event => this.hear({ failed: event.message });
        this.tick = setInterval(() => this.tell(), 1000);
    }

    hear(message) {
        if (typeof message === "string") {
            const shown = JSON.parse(message);
            this.cells.get(shown.id)?.show(shown);
        } else if (message.stage) {
            const name = `rpclab: ${message.stage.split(":")[0]}`;
            if (!performance.getEntriesByName(name).length) {
                performance.mark(name);
            }
            this.stage = message.stage;
            this.tell();
        } else if (message.done) {
            this.cells.get(message.id)?.done();
        } else {
            performance.mark("rpclab: ready");
            clearInterval(this.tick);
            this.end = message.failed ? `Python could not be started: ${message.failed}` : "";
            this.tell();
        }
    }

    tell() {
        const seconds = Math.round((performance.now() - this.began) / 1000);
        this.told(this.end ?? `${this.stage} … ${seconds} s`);
    }

    run(cell, id, code) {
        this.cells.set(id, cell);
        this.worker.postMessage({ id, code });
    }
}

// The address of a script that imports a module: a worker that starts there is held to the policy of
// this page, and one that starts at the module itself would be held to none.
function underPolicy(module) {
    const script = `import ${JSON.stringify(module.href)};`;
    return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

class Cell {
    constructor(block, page) {
        this.page = page;
        this.ran = null;  // its text when it ran
        this.turn = 0;  // the number of that run
        this.code = block.querySelector("pre");
        this.code.setAttribute("contenteditable", "plaintext-only");
        this.code.setAttribute("spellcheck", "false");
        this.code.setAttribute("aria-label", "Python, which you can change");
        this.original = this.source;
        this.box = element("div", "rl-cell");
        block.replaceWith(this.box);
        this.button = button("Run", "Run this cell and those above it (Shift+Enter)", () => page.runTo(this));
        this.state = element("span", "rl-state");
        this.state.setAttribute("aria-live", "polite");
        const bar = element("div", "rl-bar");
        bar.append(this.button, this.state);
        this.output = element("div", "rl-output");
        this.output.hidden = true;
        this.text = element("div", "rl-text");
        this.side = element("div", "rl-side");
        this.output.append(this.text, this.side);
        this.box.append(block, bar, this.output);
        this.code.addEventListener("keydown", event => {
            if (event.key === "Enter" && event.shiftKey) {
                event.preventDefault();
                page.runTo(this);
            }
        });
        this.code.addEventListener("input", () => this.changed());
        if (!navigator.connection?.saveData) {
            this.code.addEventListener("focus", () => page.begin(), { once: true });
            this.button.addEventListener("pointerenter", () => page.begin(), { once: true });
        }
    }

    get source() {
        // The text as it is seen: what was typed may stand in lines of the browser's own making.
        return this.code.innerText.replaceAll("\u00a0", " ").replace(/\n$/, "");
    }

    changed() {
        this.box.classList.toggle("rl-changed", this.source !== this.original);
        this.page.markStale();
    }

    begin(turn) {
        this.ran = this.source;
        this.turn = turn;
        this.box.classList.add("rl-busy");
        this.state.textContent = "";
        this.text.replaceChildren();
        this.side.replaceChildren();
        this.output.hidden = true;
    }

    show(shown) {
        this.output.hidden = false;
        if (shown.kind === "calls") {
            this.showCalls(shown);
        } else if (shown.kind === "data") {
            this.text.append(rendered(shown.data));
        } else {
            const kind = shown.kind === "error" ? "rl-error" : `rl-${shown.name}`;
            const last = this.text.lastElementChild;
            const pre = last?.className === kind ? last : element("pre", kind);
            pre.append(shown.text);
            this.text.append(pre);
        }
    }

    showCalls({ picture, tables, trips }) {
        if (picture) {
            const frame = element("div", "rl-picture");
            frame.innerHTML = picture;
            this.side.append(frame);
        }
        const table = element("table", "rl-tables");
        table.append(row("th", ["holds now", "imports", "exports"]));
        table.append(...tables.map(each => row("td", each)));
        this.side.append(table);
        this.state.textContent = trips === 1 ? "1 round trip" : `${trips} round trips`;
    }

    done() {
        this.box.classList.remove("rl-busy");
        this.box.classList.add("rl-ran");
    }
}

class Page {
    constructor(blocks) {
        this.kernel = null;
        this.cells = [...blocks].map(block => new Cell(block, this));
        this.number = 0;
        this.hasRun = false;  // whether somebody waits for a cell
        this.status = element("div", "rl-status");
        this.status.setAttribute("role", "status");
        this.status.hidden = true;
        document.body.append(this.status);
        document.addEventListener("rl-run-again", ({ target }) => this.runAgain(target));
    }

    tell(text) {
        this.status.textContent = text;
        this.status.hidden = !text;
    }

    // Load Python: for cells that run, which is told of, or ahead of the first press.
    begin() {
        this.kernel ??= new Kernel(text => this.tell(this.hasRun ? text : ""));
    }

    runTo(cell) {
        this.hasRun = true;
        this.begin();
        this.kernel.tell();
        const until = this.cells.indexOf(cell) + 1;
        const from = Math.min(this.firstStale(), until - 1);
        for (const each of this.cells.slice(from, until)) {
            this.number += 1;
            each.begin(this.number);
            this.kernel.run(each, `cell-${this.number}`, each.ran);
        }
        this.markStale();
    }

    // The number of the first cell that did not run as it is now, after those above it.
    firstStale() {
        let last = 0;
        const stale = this.cells.findIndex(({ ran, source, turn }) => {
            const after = turn > last;
            last = turn;
            return ran !== source || !after;
        });
        return stale < 0 ? this.cells.length : stale;
    }

    // What was shown of other code than there is now looks like it.
    markStale() {
        const first = this.firstStale();
        this.cells.forEach(({ box, ran }, number) =>
            box.classList.toggle("rl-stale", ran !== null && number >= first));
    }

    // Something else than the reader's typing has changed a cell: what has run runs again.
    runAgain(inside) {
        const changed = this.cells.find(({ code }) => code.contains(inside));
        const last = this.cells.findLast(({ ran }) => ran !== null);
        if (changed?.ran && last && this.kernel.end === "") {
            this.runTo(last);
        }
    }

    async link() {
        const first = { kind: "code", source: "%load_ext rpclab" };
        const cells = this.cells.map(({ source }) => ({ kind: "code", source }));
        return new URL(`../lab/lab/index.html${await pack([first, ...cells])}`, here).href;
    }
}

// The richest form of a value that a page without widgets can show.
function rendered(data) {
    const html = data["image/svg+xml"] ?? data["text/html"];
    const shown = element(html ? "div" : "pre", "rl-value");
    if (html) {
        shown.innerHTML = html;
    } else {
        shown.textContent = data["text/plain"] ?? "";
    }
    return shown;
}

function element(name, kind) {
    const made = document.createElement(name);
    made.className = kind;
    return made;
}

function button(text, title, press) {
    const made = element("button", "rl-button");
    made.type = "button";
    made.textContent = text;
    made.title = title;
    made.addEventListener("click", press);
    return made;
}

function row(kind, texts) {
    const made = document.createElement("tr");
    made.append(...texts.map(text => Object.assign(document.createElement(kind), { textContent: text })));
    return made;
}

async function copyLink(page, pressed) {
    try {
        await navigator.clipboard.writeText(await page.link());
        pressed.textContent = "Copied";
    } catch (error) {
        page.tell(String(error.message ?? error));
    }
    setTimeout(() => { pressed.textContent = "Copy link"; page.tell(""); }, 4000);
}

function start() {
    const mark = document.querySelector("[data-live]");
    const isCell = block => !block.textContent.includes("asyncio.run(") && !block.closest("[data-still]");
    const blocks = [...document.querySelectorAll("div.highlight-python")].filter(isCell);
    if (!mark || !blocks.length) {
        return;
    }
    const page = new Page(blocks);
    const all = button("Run all", "Run all cells of this page", () => page.runTo(page.cells.at(-1)));
    const copy = button("Copy link", "A link that opens these cells, as they are now, in the sandbox",
        () => copyLink(page, copy));
    const open = button("Open in JupyterLab", "The same cells as a notebook of their own",
        async () => { window.open(await page.link(), "_blank", "noopener"); });
    const bar = element("div", "rl-page");
    bar.append("The Python on this page runs in your browser: change it. ", all, copy, open);
    mark.replaceWith(bar);
    window.rpclabPage = page;
}

start();
