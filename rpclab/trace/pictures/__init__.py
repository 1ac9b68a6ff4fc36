"""The four views as text and SVG: pure functions of what the analyses give.

Floor: trace. `look.py` is the visual language, which the widgets in a browser share.
"""
