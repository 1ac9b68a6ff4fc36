"""Widget messages while a cell awaits."""


def test_a_widget_message_gets_its_idle_while_a_cell_awaits(kernel):
    kernel.run("import asyncio, ipywidgets\nslider = ipywidgets.IntSlider()")
    comm_id = kernel.run("print(slider.comm.comm_id)").stdout.strip()
    kernel.run("moved = asyncio.Event()\nslider.observe(lambda change: moved.set(), 'value')")
    cell = kernel.start("print('waits')\nawait asyncio.wait_for(moved.wait(), 1)")
    kernel.wait(cell, lambda output: "waits" in output.stdout)
    update = {"method": "update", "state": {"value": 5}, "buffer_paths": []}
    message = kernel.comm(comm_id, update)
    kernel.finish(cell)
    kernel.wait(message, lambda output: output.idle)
    assert kernel.value("slider.value") == "5"
