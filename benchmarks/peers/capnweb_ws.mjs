// Cap'n Web over a WebSocket of this machine, both ends in one process: node capnweb_ws.mjs WORKLOAD SECONDS
import { equal } from "node:assert/strict";
import { once } from "node:events";
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { WebSocket as WebSocketClient, WebSocketServer } from "ws";
import { answer, GROUP, rate } from "./measure.mjs";

class Target extends RpcTarget {
  add(a, b) { return a + b; }
  echo(value) { return value; }
}

globalThis.WebSocket ??= WebSocketClient;        // Node.js has one of its own from version 22 on

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("connection", (socket) => newWebSocketRpcSession(socket, new Target()));
await once(server, "listening");
const target = newWebSocketRpcSession(new WebSocketClient(`ws://127.0.0.1:${server.address().port}/`));

const block = Uint8Array.from({ length: 2 ** 20 }, (_, n) => n % 256);
const side = "capnweb, WebSocket";

await answer({
  socket_burst: async () => ({
    [side]: await rate(GROUP, () => Promise.all(Array.from({ length: GROUP }, () => target.add(1, 2)))),
  }),
  socket_sequential: async () => ({
    [side]: await rate(GROUP, async () => { for (let i = 0; i < GROUP; i++) await target.add(1, 2); }),
  }),
  async socket_bytes() {
    equal(Buffer.compare(await target.echo(block), block), 0);
    return { [side]: await rate(1, () => target.echo(block)) };
  },
});
process.exit();                 // the open connection would keep it alive
