"""`%rpclab export`: the Workers of this notebook as a project."""

import json

import pytest

import rpclab

pytestmark = pytest.mark.any_kernel

IMPORT = "from workers import DurableObject, WorkerEntrypoint\n"
COUNTER = f"""\
%%worker counter --var STEP=2 --object ROOM=Room
{IMPORT}
class Room(DurableObject):
    pass

class Default(WorkerEntrypoint):
    def next(self, value):
        return value + int(self.env.STEP)
"""
CLIENT = f"""\
%%worker client --bind COUNTER=counter
{IMPORT}
class Default(WorkerEntrypoint):
    async def ask(self):
        return await self.env.COUNTER.next(1)
"""


async def test_the_workers_of_the_notebook_are_written_and_run(kernel, tmp_path):
    for cell in (COUNTER, CLIENT):
        assert kernel.run(cell).error is None
    shown = kernel.value(f"%rpclab export {tmp_path}/out")
    assert "2 Workers (client, counter)" in shown
    config = json.loads((tmp_path / "out" / "counter" / "wrangler.jsonc").read_text())
    assert config["vars"] == {"STEP": "2"}
    assert config["migrations"] == [{"tag": "v1", "new_sqlite_classes": ["Room"]}]
    async with rpclab.Sandbox.from_config(tmp_path / "out") as sandbox:
        assert await sandbox.bind(CLIENT="client").CLIENT.ask() == 3


def test_files_of_another_content_are_named_and_replaced_by_force(kernel, tmp_path):
    kernel.run(COUNTER)
    kernel.run(f"%rpclab export {tmp_path}/out")
    (tmp_path / "out" / "counter" / "main.py").write_text("# mine\n")
    refused = kernel.run(f"%rpclab export {tmp_path}/out")
    assert "1 file there would be replaced: counter/main.py; --force" in refused.stderr
    assert (tmp_path / "out" / "counter" / "main.py").read_text() == "# mine\n"
    assert "replaced: counter/main.py" in kernel.value(f"%rpclab export {tmp_path}/out --force")


def test_what_is_not_understood_is_answered_in_a_line(kernel):
    assert "takes one folder" in kernel.run("%rpclab export").stderr
    assert "takes one folder" in kernel.run("%rpclab export a b").stderr
    assert (
        "has no option --forc; did you mean '--force'"
        in kernel.run("%rpclab export a --forc").stderr
    )
    assert "nothing to export" in kernel.run("%rpclab export out").stderr
