"""A Dask cluster on this machine that tests share, for sandboxes whose Workers run on its nodes."""

from __future__ import annotations

from types import SimpleNamespace

import rpclab
from rpclab.placement.cluster import ClusterEngine
from rpclab.placement.dask_cluster import DaskLauncher
from rpclab.placement.declared import DaskCluster
from support.over_processes import InProcesses
from support.processes import apart, descendants, lives


class OneCluster(ClusterEngine):
    """The cluster of all tests of a session: what ends with a sandbox is its hosts alone."""

    def __init__(self):
        self.launcher = DaskLauncher(DaskCluster())
        super().__init__(self.launcher, silence_seconds=30)
        apart.append(self._programs)

    def serve(self, sandbox):
        """Start the hosts of a sandbox."""
        self.watch(sandbox.programs._host_ended)
        self.answer_with(sandbox.programs.answer)
        sandbox.programs._engines[DaskCluster()] = self

    @property
    def scheduler(self):
        """What a user has of a cluster that is there already."""
        here = self.launcher._here
        return SimpleNamespace(scheduler_address=here._address, security=here.security)

    def _programs(self):
        here = self.launcher._here
        programs = [here._scheduler, *here._workers.values()]
        return [program.pid for program in programs if program is not None]

    def pids(self, name):
        """The processes of a node: the Dask worker comes first."""
        worker = self.launcher._here._workers[int(name.removeprefix("node-"))].pid
        return [worker, *descendants(worker)]

    def close(self):
        for number in list(self._lines):
            self.stop(number)
        while self._lines:
            self.wait(10)
        self._stop_listening()

    def end(self):
        super().close()


class OnCluster(InProcesses):
    """A world whose Workers run on the nodes of a cluster."""

    placement = "dask"

    @property
    def log(self):
        """What was logged. It comes by way of the node, so we ask whether there is more."""
        for host in list(self.sandbox.programs.hosts.values()):
            _catch_up(host)
        return self._log

    @log.setter
    def log(self, log):
        self._log = log


def _catch_up(host):
    """Wait for a sign of life of a host, before which comes all that it has said."""
    heard, record = [], host.record

    def hear(said):
        heard.append(said["kind"])
        record(said)

    host.record = hear
    host.line.send({"kind": "ask"})
    while "alive" not in heard and host.why is None:
        host.line.wait(10)
    host.record = record


def node_of(sandbox, worker):
    """The name of the node that a Worker runs on."""
    return sandbox.workers[worker].nodes[0]


def on(engine, **options):
    """Say that a Worker runs on a cluster that is there already, with an agent of its own."""
    return rpclab.dask(engine.scheduler, **options)


__all__ = ["OnCluster", "OneCluster", "lives", "node_of", "on"]
