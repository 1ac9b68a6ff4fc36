"""The live views: anywidgets over a recording, and the ES modules that draw them.

Floor: notebook. A view is drawn in the page, from rows that a channel sends there (`trace/feed.py`);
so stepping back and forth asks the kernel nothing. `widgets.live(…)` makes a view.
"""
