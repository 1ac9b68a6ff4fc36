// The Worker that calls: /target/burst?count=1000 makes a thousand calls at once on a stub of a target.
const loops = {
  async sequential(stub, count) {
    for (let i = 0; i < count; i++) await stub.add(1, 2);
  },
  async burst(stub, count) {
    await Promise.all(Array.from({ length: count }, () => stub.add(1, 2)));
  },
  async bytes(stub, count) {
    const value = Uint8Array.from({ length: 2 ** 20 }, (_, n) => n % 256);
    for (let i = 0; i < count; i++) {
      const { length } = await stub.echo(value);
      if (length !== value.length) throw new Error(`${length} bytes came back`);
    }
  },
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, callee, loop] = url.pathname.split("/");
    const stub = callee === "target" ? await env.API.target() : env.API;
    await loops[loop](stub, Number(url.searchParams.get("count")));
    return new Response("done");
  },
};
