// Beside JupyterLite: says what the page waits for, copies a notebook as a link, opens such a link.
import { isShared, MOST_CELLS, notebook, pack, unpack } from "./share.js";

const LOOK = 200;  // milliseconds between two looks at the kernel
const PATIENCE = 10;  // looks at which nothing was waited for, before that is the end

const bar = document.createElement("div");
bar.id = "rpclab-bar";
bar.setAttribute("role", "status");
document.body.append(bar);

const asked = new URL(location.href).searchParams.has("path");
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
    return status && !["idle", "busy", "dead"].includes(status)
        ? "Loading Python and its packages (15 MB; from your cache the next time)" : "";
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
    const home = new URL("../lab/index.html", location.href);
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
    const text = `Somebody made this link, and put ${cells.length} cells into it (of ${MOST_CELLS} at most).`
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

function fill(dialog, title, text, cells, answers) {
    const form = Object.assign(document.createElement("form"), { method: "dialog" });
    const head = Object.assign(document.createElement("h2"), { textContent: title });
    const words = Object.assign(document.createElement("p"), { textContent: text });
    form.append(head, words);
    if (cells.length) {
        const source = cells.map(cell => cell.source).join("\n\n");
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
    const name = [...new Uint8Array(digest).subarray(0, 4)].map(b => b.toString(16).padStart(2, "0"));
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
if (isShared(location.hash)) {
    openShared();
}
