// A server in JavaScript: node server.mjs. Prints its port; ends with its standard input.
import http from "node:http";
import { WebSocketServer } from "ws";
import { newWebSocketRpcSession, nodeHttpBatchRpcResponse, RpcTarget } from "capnweb";

class Counter extends RpcTarget {
  #value = 0;
  increment(amount = 1) { return (this.#value += amount); }
  [Symbol.dispose]() { console.log("counter disposed"); }
}

class Api extends RpcTarget {
  hello(name) { return `Hello, ${name}`; }
  counter() { return new Counter(); }
  fail() { throw new RangeError("on purpose"); }
  echo(value) { return value; }
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
  list() { return [1, 2, 3]; }
  double(value) { return value * 2; }
}

const server = http.createServer((request, response) =>
  nodeHttpBatchRpcResponse(request, response, new Api()));
const sockets = new WebSocketServer({ server });
sockets.on("connection", (socket) => newWebSocketRpcSession(socket, new Api()));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
