// Beside JupyterLite: says what the page waits for, copies a notebook as a link, opens such a link.
import { isShared, notebook, pack, unpack } from "./share.js";

const lab = new URL(".", import.meta.url);
const LOOK = 200;  // milliseconds between two looks at the kernel
const PATIENCE = 10;  // looks at which nothing was waited for, before that is the end

const bar = document.createElement("div");
bar.id = "rpclab-bar";
bar.setAttribute("role", "status");
document.body.append(bar);

const asked = new URL(location.href).searchParams.get("path");
const began = performance.now();
const pause = milliseconds => new Promise(resume => setTimeout(resume, milliseconds));

function tell(text) {
    bar.textContent = text && `${text} … ${Math.round((performance.now() - began) / 1000)} s`;
    bar.hidden = !text;
}

// What stands between the reader and her first call, or "" when nothing does.
function waitsFor() {
    const app = window.jupyterapp;
    if (!app?.shell) {
        return "Loading JupyterLab";
    }
    const context = app.shell.currentWidget?.sessionContext;
    if (!context) {
        return asked ? "Opening the notebook" : "";
    }
    if (!context.isReady) {
        return "Opening the notebook";
    }
    const status = context.session?.kernel?.status;
    return status && !["idle", "busy", "dead"].includes(status) ? loading() : "";
}

// Starts the kernel of the notebook in the address while JupyterLab still makes its menus. The
// notebook takes the session that there is for its path.
async function startAhead(path) {
    while (!window.jupyterapp?.serviceManager?.kernelspecs.specs?.kernelspecs.python) {
        await pause(LOOK / 10);
    }
    const { serviceManager: { sessions }, shell } = window.jupyterapp;
    if (!shell.currentWidget?.sessionContext) {
        const name = path.slice(path.lastIndexOf("/") + 1);
        await sessions.startNew({ path, name, type: "notebook", kernel: { name: "python" } });
    }
}

// Fetches what Python begins with, for the kernel to find in the cache: it asks for it only when
// JupyterLab is there. Counts what has come.
const ahead = { come: 0, all: 0, megabytes: 0 };

async function fetchAhead() {
    if (await globalThis.caches?.has("rpclab-python")) {
        return;  // a later visit: all of it is on the disk
    }
    const { files, megabytes } = await (await fetch(new URL("python.json", lab))).json();
    Object.assign(ahead, { all: files.length, megabytes });
    await Promise.all(files.map(async name => {
        const answer = await fetch(new URL(name, lab), { priority: "low" });
        await answer.blob();
        ahead.come += 1;
    }));
}

function loading() {
    const { come, all, megabytes } = ahead;
    return come < all
        ? `Loading Python and its packages: ${come} of ${all} files (${megabytes} MB; from your cache the next time)`
        : "Starting Python with IPython and rpclab";
}

async function watch() {
    for (let quiet = 0; quiet < PATIENCE;) {
        const text = waitsFor();
        tell(text);
        quiet = text ? 0 : quiet + 1;
        await pause(LOOK);
    }
}

// A link of the notebook in front, as it is now.
async function copyLink() {
    const { content } = window.jupyterapp.shell.currentWidget;
    const cells = content.model.toJSON().cells
        .filter(({ cell_type }) => cell_type === "code" || cell_type === "markdown")
        .map(({ cell_type, source, metadata }) => ({
            kind: cell_type,
            source: [source].flat().join(""),
            fails: Boolean(metadata.tags?.includes("raises-exception")),
        }));
    const home = new URL("lab/index.html", lab);
    home.hash = await pack(cells);
    await navigator.clipboard.writeText(home.href);
    return home.href.length;
}

function addButton() {
    const press = document.createElement("button");
    press.id = "rpclab-share";
    press.type = "button";
    press.textContent = "Copy link";
    press.title = "A link that holds this notebook's cells. It is made here, and sent nowhere.";
    press.addEventListener("click", async () => {
        try {
            press.textContent = `Copied: ${await copyLink()} characters`;
        } catch (error) {
            press.textContent = window.jupyterapp.shell.currentWidget?.content.model
                ? error.message : "Open a notebook first";
        }
        setTimeout(() => { press.textContent = "Copy link"; }, 5000);
    });
    document.body.append(press);
}

// Nothing of a link runs by itself: first it is shown and asked about, then opened, not run.
async function openShared() {
    const hash = location.hash;
    history.replaceState(null, "", location.pathname + location.search);
    document.querySelector("#rpclab-shared")?.close("Cancel");
    const dialog = document.createElement("dialog");
    dialog.id = "rpclab-shared";
    document.body.append(dialog);
    let cells;
    try {
        cells = await unpack(hash);
    } catch (error) {
        fill(dialog, "This link cannot be opened", `${error.message}.`, [], ["Close"]);
        dialog.addEventListener("close", () => dialog.remove());
        dialog.showModal();
        return;
    }
    const lines = cells.reduce((sum, { source }) => sum + source.split("\n").length, 0);
    const text = `Somebody made this link, and put ${number(cells.length, "cell")} with ${number(lines, "line")} into it.`
        + " When you run them, their code runs in this browser, on this page: it can read what you keep"
        + " in this sandbox. Open it if you trust who gave you the link. Nothing runs until you say so.";
    fill(dialog, "Open a shared notebook?", text, cells, ["Cancel", "Open"]);
    dialog.addEventListener("close", async () => {
        if (dialog.returnValue === "Open") {
            await open(cells, hash);
        }
        dialog.remove();
    });
    dialog.showModal();
}

function number(many, what) {
    return `${many.toLocaleString("en")} ${what}${many === 1 ? "" : "s"}`;
}

// A text with what has no shape, or turns the order of what is read, written out.
function visible(text) {
    return text.replace(/[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
        letter => `⟨U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

function fill(dialog, title, text, cells, answers) {
    const form = Object.assign(document.createElement("form"), { method: "dialog" });
    const head = Object.assign(document.createElement("h2"), { textContent: title });
    const words = Object.assign(document.createElement("p"), { textContent: text });
    form.append(head, words);
    if (cells.length) {
        const source = cells.map(cell => visible(cell.source)).join("\n\n");
        form.append(Object.assign(document.createElement("pre"), { textContent: source, tabIndex: 0 }));
    }
    const buttons = document.createElement("menu");
    buttons.append(...answers.map(answer =>
        Object.assign(document.createElement("button"), { textContent: answer, value: answer })));
    form.append(buttons);
    dialog.append(form);
}

async function open(cells, hash) {
    while (!window.jupyterapp?.restored) {
        await pause(LOOK);
    }
    const { commands, restored, serviceManager } = window.jupyterapp;
    await restored;
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(hash));
    const name = [...new Uint8Array(digest).subarray(0, 8)].map(b => b.toString(16).padStart(2, "0"));
    const path = `shared-${name.join("")}.ipynb`;
    // A second opening shows what the reader has made of it since, and overwrites nothing.
    const there = await serviceManager.contents.get(path, { content: false }).catch(() => null);
    if (!there) {
        const content = notebook(cells);
        await serviceManager.contents.save(path, { type: "notebook", format: "json", content });
    }
    await commands.execute("docmanager:open", { path, factory: "Notebook" });
}

addButton();
watch();
if (asked?.endsWith(".ipynb")) {
    // The kernel itself says what is wrong.
    fetchAhead().catch(() => { ahead.come = ahead.all; });
    startAhead(asked).catch(() => {});
}

// Also a link that is put into the address of a page which is open: the browser loads nothing then.
function lookForShared() {
    if (isShared(location.hash)) {
        openShared();
    }
}
addEventListener("hashchange", lookForShared);
lookForShared();
