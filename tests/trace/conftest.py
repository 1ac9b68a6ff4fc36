"""Two Workers whose calls are worth recording."""

import pytest
from support.traced import SOURCE


@pytest.fixture
def env(sandbox):
    """The bindings A and B; A has B as NEXT."""
    sandbox.deploy("b", source=SOURCE)
    sandbox.deploy("a", source=SOURCE, bind={"NEXT": "b"})
    return sandbox.bind(A="a", B="b")
