// A worker with the kernel of the tutorials: it runs the cells of one page, one after the other.
//
// In comes {id, code}. Out goes {stage} while it starts, {ready}, and of each cell what it shows,
// as JSON with the cell's id: text, data, an error, and at the end the picture of its calls.

const lab = new URL("../lab/", import.meta.url);
const say = message => self.postMessage(message);

async function start() {
    say({ stage: "Asking what there is" });
    const settings = await (await fetch(new URL("jupyter-lite.json", lab))).json();
    const { "jupyter-config-data": { litePluginSettings } } = settings;
    const kernel = litePluginSettings["@jupyterlite/pyodide-kernel-extension:kernel"];
    const pyodideUrl = new URL(kernel.pyodideUrl, lab);
    say({ stage: "Loading Python and its packages (15 MB; from your cache the next time)" });
    const { loadPyodide } = await import(pyodideUrl);
    const pyodide = await loadPyodide({
        indexURL: new URL("./", pyodideUrl).href,
        stdout: () => {},
        stderr: () => {},
        packages: kernel.loadPyodideOptions.packages,
    });
    say({ stage: "Starting IPython and rpclab" });
    const code = await (await fetch(new URL("kernel.py", import.meta.url))).text();
    pyodide.globals.set("say", say);
    await pyodide.runPythonAsync(code);
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
