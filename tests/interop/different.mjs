// Tries out what is different: node different.mjs NAME URL runs one of the functions below, as a client of the peer at
// URL; prints what it gives, as JSON. node different.mjs serve is a server; prints its port, and ends with its input.
import http from "node:http";
import { WebSocketServer } from "ws";
import { newWebSocketRpcSession, RpcSession, RpcTarget, WebSocketTransport } from "capnweb";

const [name, url] = process.argv.slice(2);
const opened = () => new RpcSession(new WebSocketTransport(new WebSocket(url)));
const failure = (promise) => promise.then(() => "no failure", (error) => [error.name, error.message]);

const programs = {
  async givesUp(api) {
    const promise = api.slow();
    const settled = failure(promise);
    await api.hello("slow has begun");
    promise[Symbol.dispose]();
    const seen = await settled;
    await api.go();
    return seen[1];
  },

  async membersOfStubs(api) {
    const copy = api.dup();
    const seen = await copy.hello("a copy of the stub");
    const promise = api.hello("nobody");
    promise.catch(() => {});
    promise.finally(() => {});
    await promise.map((value) => value);
    await promise;
    api.onRpcBroken(() => {});
    return [seen, typeof api.toString(), typeof api.then];
  },

  async notThere(api) {
    return [typeof (await api.nothing), await failure(api.nothing())];
  },

  async itemOfList(api) {
    const promise = api.echo({ list: [1, 2] });
    const seen = [typeof (await promise.list[1]), (await promise.list)[1]];
    promise[Symbol.dispose]();
    return seen;
  },

  async numbers(api) {
    const given = await api.numbers_of_python();
    const kinds = given.map((value) => `${typeof value} ${value}`);
    return [kinds, await api.kinds([1, 5n, 1.5, 2 ** 53, 2n ** 70n])];
  },

  async nothing(api) {
    const result = await api.echo(null);
    return [typeof result, await api.echo([null, undefined]), await api.kinds([null, undefined])];
  },

  async unsendable(api) {
    const values = [new Map(), new Set(), /x/, new (class Point {})()];
    const seen = [];
    for (const value of values) seen.push((await failure((async () => api.echo(value))()))[0]);
    return [seen, await api.hello("still here")];
  },

  async time(api) {
    const date = await api.time();
    return [date instanceof Date, date.toISOString()];
  },

  async errors(api) {
    const error = await api.fail_with_key().catch((error) => error);
    return [error.constructor.name, error.name, error.message, error.shelf];
  },

  async tables(api, session) {
    const sizes = [session.getStats().imports];
    const promise = api.book(); // as one that is only called on
    await promise.read();
    sizes.push(session.getStats().imports);
    promise[Symbol.dispose]();
    sizes.push(session.getStats().imports);
    return sizes;
  },

  async comesHome(api) {
    let calls = 0;
    const own = () => ++calls;
    const back = await api.echo_function(own);
    return [back === own, await back(), await back()];
  },

  async serverStops(api) {
    const settled = failure(api.stop());
    const told = new Promise((done) => api.onRpcBroken((error) => done(error.message)));
    return [(await settled)[1], await told];
  },
};

class Api extends RpcTarget {
  #log = [];
  #go = Promise.withResolvers();
  log(word) { this.#log.push(word); return word; }
  logged() { return this.#log; }
  async later(value) { await this.#go.promise; return value; }
  go() { this.#go.resolve(); }
  async slow() { this.#log.push("begun"); await this.#go.promise; this.#log.push("ended"); }
  giveBack(stub) { return stub; }
  giveBackCopy(stub) { return stub.dup(); }
  missing() { return undefined; }
}

if (name === "serve") {
  const server = http.createServer();
  new WebSocketServer({ server }).on("connection", (socket) => newWebSocketRpcSession(socket, new Api()));
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
  process.stdin.on("end", () => process.exit(0)).resume();
} else {
  const session = opened();
  console.log(JSON.stringify(await programs[name](session.getRemoteMain(), session)));
  process.exit(0);
}
