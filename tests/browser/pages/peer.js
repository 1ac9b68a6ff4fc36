// A page that calls Python, and that Python calls. Each function gives what it saw, and the size of the tables
// at the end; the session stays open until end() is called.
import { newHttpBatchRpcSession, RpcSession, RpcTarget, WebSocketTransport } from "capnweb";

class Panel extends RpcTarget {
  #lines = [];
  write(line) { this.#lines.push(line); return this.#lines.length; }
  lines() { return this.#lines; }
  [Symbol.dispose]() { panelsDisposed++; }
}

class Page extends RpcTarget {
  title() { return document.title; }
  fail() { throw new RangeError("on purpose"); }
  panel() { return new Panel(); }
}

let panelsDisposed = 0;

function opened() {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/api`);
  const session = new RpcSession(new WebSocketTransport(socket));
  const api = session.getRemoteMain();
  window.end = () => api[Symbol.dispose]();
  return [session, api];
}

async function failure(promise) {
  try {
    return ["no failure", await promise];
  } catch (error) {
    return [error.name, error.message, /\.py|line \d/.test(error.stack)];
  }
}

window.overWebSocket = async () => {
  const [session, api] = opened();
  const seen = { hello: await api.hello("page") };
  // A promise that is used and not awaited is given back when it is disposed, and no sooner.
  const promised = api.counter();
  seen.pipelined = await promised.increment(5);
  promised[Symbol.dispose]();
  seen.calledBack = await api.call_back((value) => value + 1, 4);
  await api.keep((value) => value * 2);
  seen.kept = await api.call_kept(21);
  await api.forget();
  seen.error = await failure(api.fail());
  seen.missing = await failure(api.nothing());
  const list = api.echo([1, 2, 3]);
  seen.mapped = await list.map((item) => [item]);
  list[Symbol.dispose]();
  seen.read = 0;
  for await (const chunk of await api.numbers(40, 20000)) seen.read += chunk.length;
  seen.written = await api.total(new Blob([new Uint8Array(1200000)]).stream());
  const counter = await api.counter();
  seen.counted = [await counter.increment(1), await counter.increment(1)];
  counter[Symbol.dispose]();
  seen.disposed = await failure(counter.increment(1));
  await api.hello("after the disposal");
  seen.tables = session.getStats();
  return seen;
};

window.overBatch = async () => {
  const batch = () => newHttpBatchRpcSession(`${location.origin}/api`);
  let api = batch();
  const [hello, pipelined] = await Promise.all([api.hello("batch"), api.counter().increment(3)]);
  api = batch();
  const error = await failure(api.fail());
  api = batch();
  const mapped = await api.echo([1, 2, 3]).map((item) => [item]);
  api = batch();
  const read = await api.numbers(4, 2000).then(async (stream) => (await new Response(stream).bytes()).length);
  return { hello, pipelined, error, mapped, read };
};

window.called = async () => {
  const [session, api] = opened();
  const seen = await api.visit(new Page());
  await api.hello("afterwards");
  return { seen, tables: session.getStats(), panelsDisposed };
};

window.hang = async () => {
  const [, api] = opened();
  api.hang();
  await api.hello("while it hangs");
};

document.title = "ready";
