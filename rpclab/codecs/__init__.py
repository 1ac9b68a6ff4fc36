"""Operations to bytes and back.

Floor: codecs. Knows the core, and no transport, loop or clock.
"""
