"""The names that the extension gives the notebook: `env` and `sandbox`.

Floor: notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Names:
    """Puts names into the namespace of a shell, and again when they are lost.

    `%reset` takes them. A bare `env` would then be IPython's magic of that name, which shows the
    environment of the process, with whatever is secret in it.

    Args:
        shell: whose namespace it is.
        values: what the names mean.
    """

    def __init__(self, shell: InteractiveShell, values: dict[str, Any]) -> None:
        self._shell = shell
        self._values = values

    def put_in(self) -> None:
        """Put in what is not there. What somebody else has put there stays."""
        user_ns = self._shell.user_ns
        missing = {name: value for name, value in self._values.items() if name not in user_ns}
        if missing:
            self._shell.push(missing, interactive=False)

    def taken(self) -> list[str]:
        """Say of each name that stands for something else what to do."""
        user_ns = self._shell.user_ns
        return [
            f"{name} is a variable of yours ({type(user_ns[name]).__name__}), and not the one of"
            f" rpclab: `del {name}`, and run this again"
            + ("; until then it is sandbox.env" if name == "env" else "")
            for name, value in self._values.items()
            if name in user_ns and user_ns[name] is not value
        ]

    def take_out(self) -> None:
        """Take out what was put in, and is still there."""
        self._shell.drop_by_id(self._values)
