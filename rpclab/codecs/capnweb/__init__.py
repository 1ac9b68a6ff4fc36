"""The codec of Cap'n Web, version 0.12: text frames, for peers in JavaScript and Python.

Floor: codecs. Dialect: `CAPN_WEB`.

    codec         one end's codec: what a `Session` asks for
    text          trees of JSON to text and back, with orjson where it is installed
    writing       values to expressions
    reading       expressions to values: the door for what a peer sends
    messages      the messages of the core to those of the wire, and back
    programs      `map`: programs to `remap` expressions, and back
    exceptions, buffers, numbers, http      the kinds of value that have a form of their own
    refusals      what cannot be sent to JavaScript, and what to send instead
"""

from rpclab.codecs.capnweb.codec import CapnWebCodec

__all__ = ["CapnWebCodec"]
