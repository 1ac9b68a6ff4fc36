"""Attack the core and the engine with random frames: see `python -m tests.fuzz --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from fuzz import batch, corpus, play, wire  # noqa: E402 - found by the line above
from fuzz.verdict import Finding  # noqa: E402 - as above

DESCRIPTION = """\
Attack sessions with the frames of a hostile peer, and look whether everything that must hold does:
nothing escapes, nothing waits for over a second, every call in flight settles, every target is
disposed exactly once, close() comes to its end, the reason says what happened, memory stays flat.

The frames are those of valid conversations (calls, pipelined calls, promised arguments, stubs both
ways, streams, recorded functions, cancels, releases, rejections), and are then spoilt: ids, counts,
types of fields, extension values, bytes, their order. Sessions run in child processes, so that a
crash or a hang is a finding, and not the end.
"""
EXAMPLES = """\
examples:
  python -m tests.fuzz                              half a minute of both levels, both dialects
  python -m tests.fuzz --frames 1000000             a million frames at each level
  python -m tests.fuzz --level core --seed 7 --seconds 600
  python -m tests.fuzz --corpus                     every past finding once more
  python -m tests.fuzz --replay /tmp/rpclab-fuzz/0.json

The same seed gives the same sessions. A finding is printed with the file that replays it. To keep
it, move the file to tests/fuzz/corpus, with a name and what happened (see tests/fuzz/corpus.py).
The exit code is 1 where something was found that tests/fuzz/known.toml does not name.
"""


def main(arguments=None):
    """Run what the command line says; gives the exit code."""
    options = _parser().parse_args(arguments)
    if options.child:
        batch.child(json.loads(options.child))
        return 0
    if options.replay:
        return _replay(options.replay)
    if options.corpus:
        return _corpus(options)
    levels = [options.level] if options.level else ["core", "engine"]
    dialects = [options.dialect] if options.dialect else ["msgpack", "capnweb"]
    if options.frames is None and options.seconds is None:
        options.seconds = 15.0
    failed = 0
    for level in levels:
        failed |= _attack(level, dialects, options)
    return failed


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", default="0", help="any text; the same gives the same (default: 0)"
    )
    parser.add_argument("--frames", type=int, help="end after so many frames at each level")
    parser.add_argument(
        "--seconds", type=float, help="end after so long at each level (default: 15)"
    )
    parser.add_argument(
        "--level",
        choices=["core", "engine"],
        help="core: sessions without an event loop, which is quick; engine: a sandbox with Workers",
    )
    parser.add_argument(
        "--dialect",
        choices=["msgpack", "capnweb"],
        help="msgpack, or the text frames of Cap'n Web",
    )
    parser.add_argument("--replay", metavar="FILE", help="do a finding again, and show all of it")
    parser.add_argument("--corpus", action="store_true", help="do every past finding again")
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        default=str(Path(tempfile.gettempdir()) / "rpclab-fuzz"),
        help="where the findings go (default: %(default)s)",
    )
    parser.add_argument(
        "--patience", type=float, default=batch.PATIENCE, metavar="UNITS",
        help="how much work one session may take before it is said to hang: a unit is a loop of a"
        " million rounds, some 0.02 s (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--whole", action="store_true", help="do not shorten what is found")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def _attack(level, dialects, options):
    summary = batch.Summary()
    began = batch.clock()

    def enough(summary):
        summary.seconds = batch.clock() - began
        if options.frames is not None and summary.frames >= options.frames:
            return True
        return options.seconds is not None and summary.seconds >= options.seconds

    first = 0
    while not enough(summary):
        job = {
            "level": level, "dialects": dialects, "seed": options.seed, "first": first,
            "count": batch.SESSIONS, "patience": options.patience, "shrink": not options.whole,
        }  # fmt: skip
        first += batch.run(job, summary, enough=enough, progress=_Progress(level, summary))
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return _report(f"{level}, {' and '.join(dialects)}, seed {options.seed}", summary, options.save)


class _Progress:
    """Says now and then how far it is."""

    def __init__(self, level, summary) -> None:
        self._level = level
        self._summary = summary
        self._next = batch.clock() + 5

    def __call__(self, _said):
        now, summary = batch.clock(), self._summary
        if now >= self._next:
            self._next = now + (2 if sys.stderr.isatty() else 30)
            rate = summary.frames / max(summary.seconds, 1)
            line = (
                f"{self._level}: {summary.frames:,} frames in {summary.sessions:,} sessions,"
                f" {rate:,.0f} a second, {len(summary.counts)} kinds of findings"
            )
            sys.stderr.write(f"\r\x1b[K{line}" if sys.stderr.isatty() else f"{line}\n")
            sys.stderr.flush()


def _report(title, summary, folder):
    known = corpus.known().pattern
    counts = summary.counts
    rate = summary.frames / summary.seconds if summary.seconds else 0

    def times(*words):
        return sum(n for s, n in counts.items() if any(word in s for word in words))

    lines = [
        f"== {title}",
        f"frames                         {summary.frames:,} in {summary.sessions:,} sessions",
        f"frames a second                {rate:,.0f}",
        f"escaped exceptions             {times(' raised: ', 'unraisable', 'in callback')}",
        f"crashes, exits and hangs       {times('ends the process', 'hangs')}",
        f"waits over a second            {times('over a second')}",
        f"longest step                   {summary.longest:.2f} s",
        f"memory, most of one session    {summary.growth / 2**20:,.1f} MiB",
        f"memory, drift of a process     {summary.drift / 2**20:,.1f} MiB",
        f"tables not empty after close   {times('a closed session keeps')}",
        f"calls that never settled       {times('never settles')}",
        f"targets not disposed once      {times('is disposed')}",
        f"warnings, and lost exceptions  {times('warned', 'reported', 'logged')}",
        f"others                         {times('reason', 'await raises', 'another session')}",
    ]
    new = [signature for signature, _ in counts.most_common() if not known(signature)]
    old = [signature for signature, _ in counts.most_common() if known(signature)]
    for word, found in (("found", new), ("known", old)):
        for signature in found:
            lines.append(f"{word}: {counts[signature]:6,} x {signature}")
            example = summary.examples.get(signature)
            if example is not None and word == "found":
                lines.append(f"       --replay {_saved(example, Path(folder))}")
    print("\n".join(lines))
    return 1 if new else 0


def _saved(finding, folder):
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.json")))
    path = folder / f"{number}.json"
    path.write_text(json.dumps(asdict(finding), indent=1))
    return path


def _replay(path):
    kept = json.loads(Path(path).read_text())
    if "happened" in kept:
        entry = next(entry for entry in corpus.load() if entry.name == kept["name"])
        finding = entry.finding()
    else:
        finding = Finding(**kept)
    for step in finding.steps:
        print(_shown(step))
    if finding.steps:
        _, found = play.again(finding)
    else:  # it ended its process: only the seed is left of it
        _, found = play.at_random(finding.level, finding.dialect, finding.seed)
    for one in found:
        print(f"\n{one.signature}\n{one.detail}")
    return 1 if found else 0


def _shown(step):
    if step[0] not in ("receive", "arm"):
        return step
    frames = []
    for frame in step[3]:
        try:
            text = str(wire.unpack(play.read(frame)))
        except Exception as error:
            text = f"{type(error).__name__}: {frame}"
        frames.append(text if len(text) < 400 else f"{text[:400]}…")
    return [*step[:3], frames]


def _corpus(options):
    known = corpus.known().entries
    failed = 0
    for entry, found in batch.replay(corpus.load(), options.patience):
        expected = entry.title in known
        if found or expected:
            state = ("known" if expected else "FAILS") if found else "MENDED"
            print(f"{state:7} {entry.title}: {'; '.join(found)}")
            failed |= state != "known"
    return failed


if __name__ == "__main__":
    sys.exit(main())
