"""Streams: what the application reads and writes, and what moves the chunks.

Floor: rpc. The session's half is `core/streams.py`, its flow control `core/flow.py`.
"""

from rpclab.rpc.streams.readable import ReadableStream
from rpclab.rpc.streams.writable import WritableStream

__all__ = ["ReadableStream", "WritableStream"]
