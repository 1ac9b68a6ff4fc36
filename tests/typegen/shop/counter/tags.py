"""A module beside the main file of the Worker."""

from workers import RpcTarget


class Tag(RpcTarget):
    def text(self) -> str:
        return "tag"
