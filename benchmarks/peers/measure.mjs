// What the Node.js peers share: the timing loop, and the one line of JSON a child answers with.

export const [workload, seconds] = [process.argv[2], Number(process.argv[3])];
export const GROUP = 1000;
export const REFERENCES = 100_000;
const LEAST = 3;

export const now = () => performance.now() / 1000;

// Operations a second: the median slice, after half as long a warm-up. One step makes `operations`.
export async function rate(operations, step) {
  await slices(step, seconds / 2);
  const lengths = (await slices(step, seconds)).sort((a, b) => a - b);
  return operations / lengths[lengths.length >> 1];
}

async function slices(step, duration) {
  const lengths = [], end = now() + duration;
  while (lengths.length < LEAST || now() < end) {
    const start = now();
    await step();
    lengths.push(now() - start);
  }
  return lengths;
}

// Runs the workload that the command line names and prints what it found.
export async function answer(workloads) {
  console.log(JSON.stringify(await workloads[workload]()));
}
