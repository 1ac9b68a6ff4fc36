// Starts Python with the packages of the tutorials, from an image of its memory.
//
// It stands in for Pyodide's own `loadPyodide`: for the pages of the documentation, and for the
// kernel of JupyterLite. At a first visit Python comes up once and imports what every notebook
// does; its memory then is the image. The browser's Cache keeps it, and a later visit begins there.
import createPyodideModule from "./pyodide.asm.mjs";
import { loadPyodide as load } from "./pyodide.mjs";

const here = new URL(".", import.meta.url);
const CACHE = "rpclab-python";
const PACKAGES = "/lib/python3.14/site-packages";

// None of these may load a compiled library: an image cannot hold one. (msgpack has one.)
const IMPORTS = `
import gc, importlib, sys
import anywidget, ipywidgets, jedi, piplite.piplite, sqlite3
import rpclab, rpclab.notebook, rpclab.views
import pyodide_kernel
importlib.invalidate_caches()  # what is known of packages holds an archive open
gc.collect()
sys.path.remove("")  # Pyodide puts it there at every start
`;

// Takes the options of Pyodide's function, and gives what that gives. `packages` are there anyway.
export async function loadPyodide({ packages, ...options }) {
    const about = await (await fetch(new URL("start.json", here))).json();
    const setup = { ...options, indexURL: here.href };
    const files = unpacked(new URL(about.archive, here));
    // The layout of the memory depends on what the browser can do.
    const key = new URL(`image?of=${about.key}&in=${encodeURIComponent(navigator.userAgent)}`, here);
    let python;
    try {
        const image = await kept(key) ?? await made(setup, files, key);
        python = await fromImage(image, setup);
    } catch (error) {
        console.warn(`Python starts without an image: ${error}`);
        await forget();
        python = await load(setup);
    }
    layOut(python, await files);
    for (const name of about.packages) {
        python.loadedPackages[name] = "default channel";
    }
    return python;
}

// The files of all packages: their names and sizes as JSON, an end of line, then one behind another.
async function unpacked(url) {
    const answer = await fetch(url);
    if (!answer.ok) {
        throw new Error(`${url} cannot be fetched: ${answer.status} ${answer.statusText}`);
    }
    const bytes = answer.body.pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(bytes).arrayBuffer());
}

function layOut({ FS }, bytes) {
    const end = bytes.indexOf("\n".charCodeAt());
    const folders = new Set();
    let at = end + 1;
    for (const [name, size] of JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)))) {
        const path = `${PACKAGES}/${name}`;
        const folder = path.slice(0, path.lastIndexOf("/"));
        if (!folders.has(folder)) {
            folders.add(folder);
            FS.mkdirTree(folder);
        }
        FS.writeFile(path, bytes.subarray(at, at + size), { canOwn: true });  // not copied
        at += size;
    }
}

async function made(setup, files, key) {
    const python = await load({ ...setup, _makeSnapshot: true });
    layOut(python, await files);
    python.runPython(IMPORTS);
    const { FS, LDSO } = python._module;
    if (Object.keys(LDSO.loadedLibsByName).length > 1 || FS.streams.filter(Boolean).length > 3) {
        throw new Error("an import has loaded a library, or left a file open");
    }
    const image = python.makeMemorySnapshot({ serializer: object => nameOf(object, python) });
    keep(key, image).catch(() => {});  // no room, or none in a private window: then none is kept
    return image;
}

async function fromImage(image, setup) {
    let module;
    const python = await load({
        ...setup,
        _loadSnapshot: image,
        _snapshotDeserializer: ([place, name]) => places(module.API.public_api)[place][name],
        createPyodideModule: async settings => {
            module = await createPyodideModule(settings);
            module._emscripten_resize_heap(image.length);  // Pyodide's build heeds no INITIAL_MEMORY
            return module;
        },
    });
    python.runPython("import random; random.seed()");  // else the same for everybody
    return python;
}

// What Python has imported from Pyodide's JavaScript is kept by its place there.
function places(python) {
    return { python, api: python._api };
}

function nameOf(object, python) {
    for (const [place, holder] of Object.entries(places(python))) {
        for (const name of Object.getOwnPropertyNames(holder)) {
            if (holder[name] === object) {
                return [place, name];
            }
        }
    }
    throw new Error(`an image cannot hold ${String(object).slice(0, 80)}`);
}

async function kept(key) {
    if (!globalThis.caches) {
        throw new Error("this page may keep nothing");
    }
    const found = await (await caches.open(CACHE)).match(key);
    return found && new Uint8Array(await found.arrayBuffer());
}

async function keep(key, image) {
    await forget();
    await (await caches.open(CACHE)).put(key, new Response(image));
}

async function forget() {
    await globalThis.caches?.delete(CACHE).catch(() => {});
}
