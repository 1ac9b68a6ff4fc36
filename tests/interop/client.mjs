// A client in JavaScript: node client.mjs WEBSOCKET-URL BATCH-URL. Prints one line for each thing it saw.
import { newHttpBatchRpcSession, newWebSocketRpcSession, RpcTarget } from "capnweb";

const [socket, batch] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" "));

class Doubler extends RpcTarget {
  double(value) { return value * 2; }
}

const api = newWebSocketRpcSession(socket);
say("hello", await api.hello("Ada"));
say("pipelined", await api.counter().increment(5));
say("called back", await api.call_back((value) => value + 1, 4));
await api.keep((value) => value * 2);
say("kept", await api.call_kept(21));
try {
  await api.fail();
} catch (error) {
  say("error", error.name, error.message, /\.py/.test(error.stack));
}
let total = 0;
for await (const chunk of await api.numbers(40, 20000)) total += chunk.length;
say("read", total);
let left = 30;
const chunks = new ReadableStream({
  pull(controller) { if (left-- > 0) controller.enqueue(new Uint8Array(40000)); else controller.close(); },
});
say("written", await api.total(chunks));
const value = { list: [1, [2, [null]]], date: new Date(0), big: 2n ** 70n, bytes: new Uint8Array([1, 2]) };
const back = await api.echo(value);
say("echo", JSON.stringify(back.list), back.date.getTime(), back.big, back.bytes.length);
const counter = await api.counter();
await counter.increment(1);
counter[Symbol.dispose]();
await api.hello("after the disposal");
api[Symbol.dispose]();

const many = newHttpBatchRpcSession(batch);
const [first, second] = await Promise.all([many.hello("batch"), many.counter().increment(3)]);
say("batch", first, second);
process.exit(0);
