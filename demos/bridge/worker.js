// A program that nobody can dial is called through a Durable Object: the program dials in, and the object keeps its
// stub for all who come after.
//
//   /dial-in/NAME      a WebSocket: whoever is at the other end is NAME from now on
//   /call/NAME         a WebSocket or a batch: a session with whoever is NAME, as if dialled directly
//   /temperature/NAME  a page: this Worker itself calls whoever is NAME
import { DurableObject } from "cloudflare:workers";
import { newWebSocketRpcSession, newWorkersRpcResponse } from "capnweb";

export class Bridge extends DurableObject {
  #program;

  // A session lives in the object's memory, and the open WebSocket keeps the object there.
  fetch() {
    const [theirs, ours] = Object.values(new WebSocketPair());
    ours.accept();
    this.#program?.[Symbol.dispose](); // who comes later takes the place of who was there
    const program = (this.#program = newWebSocketRpcSession(ours));
    program.onRpcBroken(() => {
      if (this.#program === program) this.#program = undefined;
    });
    return new Response(null, { status: 101, webSocket: theirs });
  }

  // Each caller gets a stub of its own, to dispose when it likes.
  get program() {
    if (this.#program === undefined) throw new Error("nobody has dialled in under this name");
    return this.#program.dup();
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, action, name] = url.pathname.split("/");
    const token = { "dial-in": env.DIAL_TOKEN, call: env.CALL_TOKEN, temperature: env.CALL_TOKEN }[action];
    if (!token || !name) return new Response("There is no such page.\n", { status: 404 });
    if (!knows(request, url, token)) return new Response("This needs its token.\n", { status: 401 });
    const bridge = env.BRIDGE.getByName(name);
    if (action === "dial-in") {
      const isSocket = request.headers.get("Upgrade")?.toLowerCase() === "websocket";
      return isSocket ? bridge.fetch(request) : new Response("Dial in by a WebSocket.\n", { status: 426 });
    }
    if (action === "call") return newWorkersRpcResponse(request, bridge.program);
    return temperature(bridge);
  },
};

async function temperature(bridge) {
  try {
    return Response.json(await bridge.program.temperature());
  } catch (error) {
    return new Response(`${error.message}\n`, { status: 503 });
  }
}

// In a header, or in the address, for a page can set no header on a WebSocket.
function knows(request, url, token) {
  const given = request.headers.get("Authorization")?.replace(/^Bearer /, "") ?? url.searchParams.get("token") ?? "";
  const [a, b] = [given, token].map((text) => new TextEncoder().encode(text));
  return a.length === b.length && crypto.subtle.timingSafeEqual(a, b);
}
