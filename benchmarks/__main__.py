"""The command line: `python -m benchmarks` from the root of the repository."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

from benchmarks import node, python_peers, report, rounds
from benchmarks.plan import WORKLOADS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; 1 after an error, or with --check after a missed goal, else 0."""
    options = parse(arguments)
    needed = {child for name in options.only for child in WORKLOADS[name].children}
    versions = {"Python": platform.python_version()}
    skip: frozenset[str] = frozenset()
    if needed & rounds.NODE_PEERS:
        if reason := node.missing():
            print(f"capnweb and workerd are skipped: {reason}", file=sys.stderr)
            skip = rounds.NODE_PEERS
        else:
            versions |= node.versions()
    if needed & rounds.PYTHON_PEERS:
        if reason := python_peers.missing():
            print(f"the peers in Python are skipped: {reason}", file=sys.stderr)
            skip |= rounds.PYTHON_PEERS
        else:
            versions |= python_peers.versions()

    run = rounds.run(options.only, rounds=options.rounds, seconds=options.seconds, skip=skip)
    lines = report.lines(run)
    path = report.write(run, lines, seconds=options.seconds, versions=versions)

    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"rounds: {options.rounds}, of {options.seconds:g} s for each side\n")
    print(report.table(lines))
    print(f"\nwritten to {path.relative_to(rounds.ROOT)}", file=sys.stderr)

    missed = any(line.met is False for line in lines)
    return int(bool(run.errors) or (options.check and missed))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare rpclab with what one would pick instead, and with its goals.",
        epilog="workloads:\n"
        + "\n".join(f"  {name:<18}{workload.title}" for name, workload in WORKLOADS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="how long a side is measured (default: 0.5)"
    )
    parser.add_argument(
        "--only", type=workloads, default=list(WORKLOADS), help="workloads, joined by commas"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


def workloads(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in WORKLOADS:
            message = f"no workload named {name!r}; there are: {', '.join(WORKLOADS)}"
            raise argparse.ArgumentTypeError(message)
    return names


if __name__ == "__main__":
    sys.exit(main())
