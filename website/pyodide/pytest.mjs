// Runs pytest in Pyodide: node pytest.mjs FOLDER REPOSITORY PYTEST-ARGUMENT…
//
// FOLDER is what tools/in_browser.py has put together. The repository is seen at /rpclab, and ends
// the search for modules: what is tested is the library of this very tree.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, repository, ...rest] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")));
const pyodide = await loadPyodide({
    indexURL: `${resolve(folder)}/`,
    packages: Object.keys((await import(pathToFileURL(resolve(folder, "pyodide-lock.json")), { with: { type: "json" } })).default.packages),
    messageCallback: () => {},
});
pyodide.FS.mkdir("/rpclab");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: resolve(repository) }, "/rpclab");
pyodide.globals.set("_arguments", pyodide.toPy(rest));
process.exitCode = Number(pyodide.runPython(`
import asyncio, os, sys
import pytest

os.chdir("/rpclab")
asyncio._set_running_loop(None)  # the page's, which is said to run always: each test brings its own
sys.dont_write_bytecode = True  # the compiled files of another Python lie there already
pytest.main(["-p", "no:cacheprovider", "-o", "faulthandler_timeout=0", *_arguments])
`));
