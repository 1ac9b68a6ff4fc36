// The lines of the graph, which can be moved to any position, forward and back; and where they lead.

export class Lines {
  constructor() {
    this.changes = [];
    this.applied = 0;
    this.all = new Map();
  }

  add(changes) { this.changes.push(...changes); }

  moveTo(position) {
    const { changes } = this;
    while (this.applied < changes.length && changes[this.applied].moment <= position) this.apply(changes[this.applied++], 1);
    while (this.applied > 0 && changes[this.applied - 1].moment > position) this.apply(changes[--this.applied], -1);
  }

  apply({ kind, holder, worker, name, step, change }, times) {
    const key = keyOf(kind, holder, worker);
    let line = this.all.get(key);
    if (!line) this.all.set(key, line = { kind, holder, worker, of: new Map() });
    const thing = line.of.get(name) ?? { step, number: 0 };
    thing.number += change * times;
    line.of.set(name, thing);
  }

  /** The lines that are there, by key: what each stands for by name, and how many of each. */
  get shown() {
    const found = new Map();
    for (const [key, { kind, holder, worker, of }] of this.all) {
      const there = [...of].filter(([, thing]) => thing.number > 0);
      if (!there.length) continue;
      const things = there.map(([name, thing]) => [name, thing.number]).sort(([one], [other]) => one < other ? -1 : 1);
      found.set(key, { kind, holder, worker, things, step: there[0][1].step });
    }
    return found;
  }
}

export function keyOf(kind, holder, worker) { return [kind, holder, worker].join("\n"); }

/** Which Workers one can reach, the nearest first, each with the way: as `rpclab.trace.graph.reach`. */
export function reach(lines, worker) {
  const all = [...lines.values()];
  const leading = ["binding", "stub"].flatMap(kind => all.filter(line => line.kind === kind));
  const found = new Map([[worker, []]]);
  for (const [here, way] of found) {
    for (const line of leading) {
      if (line.holder === here && !found.has(line.worker)) found.set(line.worker, [...way, line.step]);
    }
  }
  found.delete(worker);
  return found;
}
