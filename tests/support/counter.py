"""The Worker of the first example: a service that makes counters."""

COUNTER = """
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    def __init__(self):
        self._value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value

class CounterService(WorkerEntrypoint):
    async def new_counter(self):
        return Counter()
"""
