"""A hostile peer: random frames against a session, and what must hold whatever they are.

    wire      frames and values, written by hand, also those that no codec writes
    values    random values, well-formed and not
    hand      a peer that speaks the protocol, and then breaks it
    mutate    what is done to its frames
    worlds    the sessions under attack: the core alone, and a sandbox
    verdict   what must hold after a session; a finding where it does not
    play      one random session, or the replay of one
    batch     many, each batch in a process of its own
    recipes   large frames, as small functions
    corpus/   every past finding

Run it with `python -m tests.fuzz`.
"""
