// The Worker that is called.
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

class Target extends RpcTarget {
  add(a, b) { return a + b; }
  echo(value) { return value; }
}

export default class extends WorkerEntrypoint {
  add(a, b) { return a + b; }
  target() { return new Target(); }
}
