"""The four views of what happened: timeline, lifetimes, streams and graph, as text, SVG and HTML.

Floor: sandbox. A view is a function of a recording: of a sandbox's own, up to the moment at which
it is looked at, or of one that was loaded from a file. Looking sends nothing.

    sandbox.timeline()                       in a notebook: the picture
    sandbox.timeline().save("calls.svg")     anywhere
    rpclab.views.lifetimes("lesson.jsonl")   of a file
"""

from rpclab.views.subject import KINDS
from rpclab.views.view import View, Viewed, graph, lifetimes, streams, timeline, traced, view

__all__ = ["KINDS", "View", "Viewed", "graph", "lifetimes", "streams", "timeline", "traced", "view"]
