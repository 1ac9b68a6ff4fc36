// RPC between two Workers in one workerd process: node workerd.mjs WORKLOAD SECONDS
//
// A Worker's clock stands still while it computes, so the loops run inside the calling Worker, one HTTP request starts
// each, and the time is taken here. A slice is long enough that the request hardly counts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { answer, GROUP, rate } from "./measure.mjs";

const SEQUENTIAL = 3000, ECHOES = 100;
const config = fileURLToPath(new URL("workerd.capnp", import.meta.url));
const binary = createRequire(import.meta.url)("workerd").default;

// workerd picks the port itself and names it on descriptor 3.
const workerd = spawn(binary, ["serve", config, "--control-fd=3"],
  { stdio: ["ignore", "inherit", "inherit", "pipe"] });
try {
  const port = await Promise.race([
    once(workerd.stdio[3], "data").then(([line]) => JSON.parse(line).port),
    once(workerd, "exit").then(([code]) => { throw new Error(`workerd ended with ${code}`); }),
  ]);
  const ask = async (path, count) => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}?count=${count}`);
    const text = await response.text();
    if (text !== "done") throw new Error(`${path}: ${text}`);
  };
  await answer({
    burst: async () => ({ workerd: await rate(GROUP, () => ask("target/burst", GROUP)) }),
    bytes: async () => ({ workerd: await rate(ECHOES, () => ask("target/bytes", ECHOES)) }),
    binding: async () => ({
      "workerd, sequential": await rate(SEQUENTIAL, () => ask("binding/sequential", SEQUENTIAL)),
      "workerd, burst": await rate(GROUP, () => ask("binding/burst", GROUP)),
    }),
  });
} finally {
  workerd.kill();
}
process.exit();                 // fetch keeps its connection open
