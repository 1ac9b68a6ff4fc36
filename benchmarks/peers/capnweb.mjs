// Cap'n Web between the two ports of one MessageChannel: node capnweb.mjs WORKLOAD SECONDS
import { deepEqual } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { newMessagePortRpcSession, RpcTarget } from "capnweb";
import { answer, GROUP, now, rate, REFERENCES } from "./measure.mjs";

class Node extends RpcTarget {
  constructor(depth) { super(); this.level = depth; }
  next() { return new Node(this.level + 1); }
  depth() { return this.level; }
}

class Target extends RpcTarget {
  add(a, b) { return a + b; }
  echo(value) { return value; }
  async count(stream) {
    let count = 0;
    for await (const chunk of stream) count += chunk.length;
    return count;
  }
  node() { return new Node(1); }
}

class Api extends RpcTarget {
  target() { return new Target(); }
}

const channel = new MessageChannel();
newMessagePortRpcSession(channel.port1, new Api());
const target = await newMessagePortRpcSession(channel.port2).target();

const times = (count, make) => Array.from({ length: count }, make);
const burst = () => Promise.all(times(GROUP, () => target.add(1, 2)));

async function sequential() {
  for (let i = 0; i < GROUP; i++) await target.add(1, 2);
}

async function chain({ release }) {
  const nodes = [target.node()];
  while (nodes.length < 9) nodes.push(nodes.at(-1).next());
  if (await nodes.at(-1).depth() !== 9) throw new Error("the chain is not ten calls long");
  if (release) for (const node of nodes) node[Symbol.dispose]();
}

const UPLOAD = 500, piece = new Uint8Array(64 * 1024);

async function upload() {
  let left = UPLOAD;
  const stream = new ReadableStream({
    pull(controller) { if (left-- > 0) controller.enqueue(piece); else controller.close(); },
  });
  const count = await target.count(stream);
  if (count !== UPLOAD * piece.length) throw new Error(`${count} bytes arrived`);
}

const ROWS = 10_000, MEBIBYTE = 2 ** 20;
const rows = times(ROWS, (_, n) => (
  { id: n, name: `user-${n}`, score: n * 0.25, active: n % 3 === 0, tags: ["a", "b"] }));

// There and back, each awaited before the next.
async function echoes(value) {
  deepEqual(await target.echo(value), value);
  return { capnweb: await rate(1, () => target.echo(value)) };
}

async function references(count) {
  const held = [];
  while (held.length < count) held.push(...await Promise.all(times(GROUP, () => target.node())));
  for (const node of held) node[Symbol.dispose]();
  await target.add(1, 2);       // answered after the releases before it
}

await answer({
  burst: async () => ({ capnweb: await rate(GROUP, burst) }),
  sequential: async () => ({ capnweb: await rate(GROUP, sequential) }),
  // A promise keeps its object at the other side until someone disposes it. Python's are released when the last handle
  // goes; JavaScript's are left there by code that only awaits the end, which is quicker while the memory lasts.
  chain: async () => ({
    "capnweb, released": await rate(1, () => chain({ release: true })),
    "capnweb, left there": await rate(1, () => chain({ release: false })),
  }),
  dict1k: () => echoes(JSON.parse(readFileSync(new URL("../payload.json", import.meta.url)))),
  rows: () => echoes(rows),
  bytes: () => echoes(Uint8Array.from({ length: MEBIBYTE }, (_, n) => n % 256)),
  upload: async () => ({ capnweb: await rate(UPLOAD, upload) }),
  async references() {
    await references(GROUP);
    const start = now();
    await references(REFERENCES);
    return { capnweb: REFERENCES / (now() - start) };
  },
});
process.exit();                 // the open ports would keep it alive
