import { newWebSocketRpcSession, newHttpBatchRpcSession, RpcTarget } from "capnweb";
const [url, batch] = process.argv.slice(2);
class Cb extends RpcTarget { plus(x){ return x+1; } }
{
  const api = newWebSocketRpcSession(url);
  console.log(await api.hello("js"));
  console.log(await api.counter().inc(5));
  console.log(await api.back(x => x + 1));
  try { await api.fail(); } catch (e) { console.log(e.name, e.message, e.stack.includes("t2.py")); }
  const s = await api.stream(); let n = 0; for await (const c of s) n += c.length; console.log("stream", n);
  let left = 40; const rs = new ReadableStream({pull(c){ if(left-- > 0) c.enqueue(new Uint8Array(50000)); else c.close(); }});
  console.log("sum", await api.sum(rs));
  console.log(JSON.stringify(await api.echo({a:[1,[2]], b:null, d:new Date(0)})));
  const c = await api.counter(); console.log(await c.inc()); c[Symbol.dispose]();
  let broken; api.onRpcBroken(e => broken = e.message);
  try { await api.nope(); } catch (e) { console.log(e.name, e.message); }
  api[Symbol.dispose]();
}
{
  const api = newHttpBatchRpcSession(batch);
  const [a, b, c] = await Promise.all([api.hello("b"), api.counter().inc(2), api.stream().catch(e=>e.message)]);
  console.log(a, b);
}
process.exit(0);
