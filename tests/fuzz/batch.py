"""Many sessions, in processes of their own: one that crashes, hangs or exits is a finding too."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fuzz import corpus, pace, play
from fuzz.verdict import Finding

MEMORY = 4 * 1024**3  # bytes of addresses that a child may have
PATIENCE = 1000  # units of work for one session, before it is said to hang: some 20 seconds
SESSIONS = 2000  # of one child; then a fresh one goes on
_WATCH = signal.SIGPROF


@dataclass
class Summary:
    """What many sessions have shown.

    Attributes:
        sessions, frames: how many there were.
        seconds: how long they took.
        longest: the longest single step, in seconds.
        growth: by how many bytes one session has raised the peak at most.
        drift: by how many bytes a process has grown at most since its fiftieth session.
        counts: how often each signature was found.
        examples: one finding of each.
    """

    sessions: int = 0
    frames: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    growth: int = 0
    drift: int = 0
    counts: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)

    def add(self, finding):
        self.counts[finding.signature] += 1
        self.examples.setdefault(finding.signature, finding)


# The child.


def child(job):
    """Play what a job says, and write what happens to stdout, a line of JSON for each.

    Args:
        job: a dict: either `level`, `dialects`, `seed`, `first`, `count`, or `entries`, names in
            the corpus; and `patience` in units of work.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    sys.stdout = sys.stderr  # what is printed meanwhile is none of our lines

    def tell(**what):
        out.write(json.dumps(what) + "\n")

    if job.get("entries"):
        todo = [(e.title, lambda e=e: play.again(e.finding())) for e in _entries(job)]
    else:
        todo = list(_sessions(job))
    todo = todo[job.get("skip", 0) :]
    gc.collect()
    gc.freeze()
    known = set()
    for number, (name, run) in enumerate(todo):
        tell(begin=name)
        _watch(job["patience"])
        before = play.peak()
        world, found = run()
        fresh = [finding for finding in found if finding.signature not in known]
        known.update(finding.signature for finding in fresh)
        if job.get("shrink"):
            _watch(10 * job["patience"])
            fresh = [play.shrunk(finding, lambda f: play.again(f)[1]) for finding in fresh]
        _watch(0)
        tell(
            done=name, frames=world.frames, longest=world.longest, growth=play.peak() - before,
            rss=_resident() if number % 100 == 50 else 0,
            found=[finding.signature for finding in found],
            examples=[asdict(finding) for finding in fresh],
        )  # fmt: skip
        del world, found, fresh
    tell(end=True)


def _watch(units):
    """End this process, with a traceback, once it has done so much work; 0 ends the watch.

    The time is that of the processor, for others may use the machine as well.
    """
    faulthandler.register(_WATCH, chain=True)
    signal.setitimer(signal.ITIMER_PROF, units * pace.unit() if units else 0)


def _entries(job):
    return [entry for entry in corpus.load() if entry.title in job["entries"]]


def _sessions(job):
    for number in range(job["first"], job["first"] + job["count"]):
        dialect = job["dialects"][number % len(job["dialects"])]
        seed = f"{job['seed']}/{number}"
        yield (
            f"{dialect} {seed}",
            lambda dialect=dialect, seed=seed: play.at_random(job["level"], dialect, seed),
        )


def _resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# The parent.


def run(job, summary, *, enough=None, progress=None):
    """Have children do a job, as many as it takes.

    Args:
        job: as of `child`.
        summary: takes what they find.
        enough: called now and then; true ends it.
        progress: called with what a child says of each session, as a dict.

    Returns:
        How many of the sessions were begun.
    """
    skip = 0
    while True:
        begun, ended, words = _child({**job, "skip": skip}, summary, enough, progress)
        skip += begun
        if ended is None:  # enough
            return skip
        if ended == 0 and words is None:
            return skip


def _child(job, summary, enough, progress):
    """Run one child. Gives how many sessions it began, its exit code, and its last words."""
    script = Path(__file__).with_name("__main__.py")
    command = [sys.executable, "-X", "faulthandler", str(script), "--child", json.dumps(job)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    begun, name, finished, first = 0, "", False, 0
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        try:
            for line in _lines(process, max(60, job["patience"])):
                said = json.loads(line)
                if "begin" in said:
                    begun, name = begun + 1, said["begin"]
                elif "end" in said:
                    finished = True
                else:
                    first = _note(said, summary, first)
                    name = ""
                    if progress is not None:
                        progress(said)
                    if enough is not None and enough(summary):
                        process.kill()
                        return begun, None, None
        finally:
            process.stdout.close()
            if process.poll() is None and not finished:
                process.kill()
            code = process.wait()
        if finished:
            return begun, 0, None
        errors.seek(0)
        words = errors.read()[-6000:]
    if begun == 0:
        raise RuntimeError(f"the child did not start:\n{words}")
    dialect, _, seed = name.partition(" ")
    finding = Finding(_epitaph(code, words), words, job.get("level", "core"), dialect, seed)
    summary.add(finding)
    if progress is not None:
        progress({"done": name, "found": [finding.signature]})
    return begun, code, words


def _lines(process, patience):
    """The lines of a child, as long as they come."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        # The child's own watch is shorter; this one is for a child that cannot even do that.
        while selector.select(patience):
            line = process.stdout.readline()
            if not line:
                return
            yield line
    process.kill()


def _note(said, summary, first):
    summary.sessions += 1
    summary.frames += said["frames"]
    summary.longest = max(summary.longest, said["longest"])
    summary.growth = max(summary.growth, said["growth"])
    if said["rss"]:
        if first:
            summary.drift = max(summary.drift, said["rss"] - first)
        first = first or said["rss"]
    examples = {example["signature"]: Finding(**example) for example in said["examples"]}
    for signature in said["found"]:
        summary.counts[signature] += 1
        if signature in examples:
            summary.examples.setdefault(signature, examples[signature])
    return first


def _epitaph(code, words):
    """A signature for the end of a child: how, and in which function of ours."""
    how = f"ends the process (signal {-code})" if code < 0 else f"ends the process (exit {code})"
    if code in (-_WATCH, -signal.SIGKILL):
        how = "hangs"
    # The innermost frame comes first there.
    frames = re.findall(r'File "[^"]*/rpclab/([\w/]+\.py)", line \d+ in (\S+)', words)
    if not frames:
        frames = re.findall(r'File "[^"]*/rpclab/([\w/]+\.py)", line \d+, in (\S+)', words)[::-1]
    return f"{how} in {' '.join(frames[0])}" if frames else how


def replay(entries, patience):
    """Do entries of the corpus again. Gives each with what is found, as a list of signatures.

    Args:
        entries: of `corpus.load()`.
        patience: how long one may take, in units of work.
    """
    found = {}

    def note(said):
        found[said["done"]] = said["found"]

    names = [entry.title for entry in entries]
    run({"entries": names, "patience": patience}, Summary(), progress=note)
    return [(entry, found[name]) for entry, name in zip(entries, names, strict=True)]


def clock():
    """A clock for bounds."""
    return time.monotonic()
