// node unawaited.mjs WEBSOCKET-URL SECONDS: makes calls, and is called, and awaits none of it.
import { newWebSocketRpcSession } from "capnweb";
import WebSocket from "ws";

const [url, seconds] = process.argv.slice(2);
globalThis.WebSocket ??= WebSocket; // Node.js 20 has none of its own
const api = newWebSocketRpcSession(new WebSocket(url));
const until = Date.now() + Number(seconds) * 1000;
const GROUP = 500;

let heard = 0;
while (Date.now() < until) {
  for (let number = 0; number < GROUP; number++) {
    api.tick(number); // neither awaited nor disposed
  }
  await api.subscribe((number) => { heard = number; return { number }; }, GROUP);
  await api.add(1, 2); // so that no more is under way than the other end can take
}
if (heard !== GROUP - 1) process.exit(1);
api[Symbol.dispose]();
process.exit(0);
