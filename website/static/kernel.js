// A worker with the kernel of the tutorials: it runs the cells of one page, one after the other.
//
// In comes {id, code}. Out goes {stage} while it starts, {ready}, and of each cell what it shows,
// as JSON with the cell's id: text, data, an error, and at the end the picture of its calls.

const lab = new URL("../lab/", import.meta.url);
const say = message => self.postMessage(message);

// Says how many of the files are there, each time one has come.
function countFiles({ files, megabytes }) {
    const missing = new Set(files.map(name => new URL(name, lab).href));
    const told = () => say({
        stage: `Loading Python and its packages: ${files.length - missing.size} of ${files.length} files`
            + ` (${megabytes} MB; from your cache the next time)`,
    });
    told();
    const observer = new PerformanceObserver(list => {
        const come = list.getEntries().filter(({ name }) => missing.delete(name));
        if (come.length) {
            told();
        }
    });
    observer.observe({ type: "resource", buffered: true });
    return () => observer.disconnect();
}

async function start() {
    say({ stage: "Asking what there is" });
    const ahead = fetch(new URL("python.json", lab)).then(answer => answer.json());
    const code = fetch(new URL("kernel.py", import.meta.url)).then(answer => answer.text());
    const start = import(new URL("static/pyodide/start.mjs", lab));
    const counted = countFiles(await ahead);
    const { loadPyodide } = await start;
    const pyodide = await loadPyodide({ stdout: () => {}, stderr: () => {} });
    counted();
    say({ stage: "Starting IPython and rpclab" });
    pyodide.globals.set("say", say);
    await pyodide.runPythonAsync(await code);
    say({ ready: true });
    return pyodide.globals.get("run_cell");
}

// Cells run in the order in which they came, also those that came before Python was there.
let last = start();
last.catch(error => say({ failed: String(error) }));
self.onmessage = ({ data: { id, code } }) => {
    last = last.then(async run => {
        await run(id, code);
        say({ id, done: true });
        return run;
    });
};
