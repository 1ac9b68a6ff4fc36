// A Worker that serves Cap'n Web under /api, and dials whom /dial?url=… names; that answers with what it saw.
import { DurableObject, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { newHttpBatchRpcSession, newWebSocketRpcSession, newWorkersRpcResponse } from "capnweb";

let disposed = 0;

class Counter extends RpcTarget {
  #value = 0;
  increment(amount = 1) { return (this.#value += amount); }
  [Symbol.dispose]() { disposed++; }
}

export class Native extends WorkerEntrypoint {
  hello(name) { return `Hello from a binding, ${name}`; }
  counter() { return new Counter(); }
}

export class Room extends DurableObject {
  #visits = 0;
  visit() { return ++this.#visits; }
}

class Api extends RpcTarget {
  #env;
  constructor(env) { super(); this.#env = env; }
  hello(name) { return `Hello, ${name}`; }
  counter() { return new Counter(); }
  disposed() { return disposed; }
  fail() { throw Object.assign(new RangeError("on purpose"), { code: 5 }); }
  async callBack(callback, value) { return await callback(value); }
  numbers(count, size) {
    return new ReadableStream({
      pull(controller) { if (count-- > 0) controller.enqueue(new Uint8Array(size)); else controller.close(); },
    });
  }
  async total(stream) {
    let total = 0;
    for await (const chunk of stream) total += chunk.length;
    return total;
  }
  // Stubs of the runtime, which are forwarded.
  native() { return this.#env.NATIVE; }
  room(name) { return this.#env.ROOM.getByName(name); }
}

async function batch(api) {
  const greeting = api.hello("batch"), count = api.counter().increment(3);
  return { seen: await Promise.all([greeting, count]) };
}

async function socket(api) {
  const seen = [await api.hello("workerd"), await api.counter().increment(5)];
  seen.push(await api.call_back((value) => value + 1, 4));
  try {
    await api.fail();
  } catch (error) {
    seen.push([error.name, error.message, /\.py/.test(error.stack)]);
  }
  let total = 0;
  for await (const chunk of await api.numbers(20, 20000)) total += chunk.length;
  seen.push(total);
  const counter = await api.counter();
  await counter.increment();
  counter[Symbol.dispose]();
  seen.push(await api.hello("after the disposal"));
  api[Symbol.dispose]();
  return { seen };
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/api") return newWorkersRpcResponse(request, new Api(env));
    const peer = url.searchParams.get("url");
    const seen = peer.startsWith("http")
      ? await batch(newHttpBatchRpcSession(peer)) : await socket(newWebSocketRpcSession(peer));
    return Response.json(seen);
  },
};
