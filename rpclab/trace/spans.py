"""A recording as spans of OpenTelemetry: one trace over all hops.

Floor: trace. Needs the extra rpclab[opentelemetry]; nothing else does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

try:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
except ModuleNotFoundError as error:
    raise ImportError("OpenTelemetry spans need the extra rpclab[opentelemetry]") from error

from rpclab.trace.model import RAISED, RETURNED, RUNNING, CallBar
from rpclab.trace.timeline import timeline

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span, SpanProcessor

_NANO = 1_000_000_000


def to_spans(
    recording: Iterable[Any], processor: SpanProcessor, *, began: float | None = None
) -> int:
    """Give the calls of a recording to a span processor, as one trace.

    The root stands for all of it. Each call is a span from its making to its result; its parent is
    the call whose promise it was made on, else the one whose method made it, else the root.

    Args:
        recording: a recording, or some of its events in order.
        processor: takes the spans, such as a `BatchSpanProcessor` of an exporter. It stays the
            caller's: to flush it and to shut it down.
        began: the time of the first event, in seconds since 1970; by default the present time,
            less what the recording lasts.

    Returns:
        How many spans it was given.
    """
    line = timeline(recording)
    start = time.time() - (line.end - line.begin) if began is None else began

    def nanoseconds(at: float) -> int:
        return round((start + at - line.begin) * _NANO)

    provider = TracerProvider(resource=Resource({"service.name": "rpclab"}), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("rpclab")
    root = tracer.start_span("rpclab", start_time=nanoseconds(line.begin))
    spans: dict[int | None, Any] = {None: root}
    for call in line.calls:
        # Both were made earlier, so their spans are there.
        parent = spans[call.by if call.pipelined_on is None else call.pipelined_on]
        spans[call.number] = tracer.start_span(
            f"{call.worker}/{call.method}",
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            start_time=nanoseconds(call.made),
            attributes=_attributes(call),
        )
    for call in line.calls:
        span = spans[call.number]
        _mark(span, call, nanoseconds)
        span.end(nanoseconds(line.end if call.settled is None else call.settled))
    root.end(nanoseconds(line.end))
    return len(spans)


def _attributes(call: CallBar) -> dict[str, Any]:
    attributes = {
        "rpc.system": "rpclab",
        "rpc.service": call.worker,
        "rpc.method": call.method,
        "rpclab.label": call.label,
        "rpclab.caller": call.caller,
        "rpclab.call": call.number,
        "rpclab.outcome": call.outcome,
        "rpclab.pipelined": call.pipelined_on is not None,
    }
    if call.site is not None:
        attributes["rpclab.site"] = call.site
    return attributes


def _mark(span: Span, call: CallBar, nanoseconds: Any) -> None:
    if call.begun is not None:
        span.add_event("the method began", timestamp=nanoseconds(call.begun))
    if call.ended is not None:
        span.add_event("the method ended", timestamp=nanoseconds(call.ended))
    if call.outcome == RAISED:
        span.set_status(Status(StatusCode.ERROR, call.result))
    elif call.outcome not in (RETURNED, RUNNING):
        span.set_status(Status(StatusCode.ERROR, call.outcome))
