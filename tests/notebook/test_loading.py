"""`%load_ext rpclab`, and what is left after `%unload_ext`."""

from support.kernels import COUNTER

STATE = """
import asyncio, logging, signal, sys
def state(shell=get_ipython()):
    loop = asyncio.get_running_loop()
    signal_handlers = signal.getsignal(signal.SIGINT), shell.kernel.saved_sigint_handler
    return {
        "magics": sorted(m for kind in shell.magics_manager.magics.values() for m in kind),
        "transformers": list(shell.input_transformers_post),
        "matchers": list(shell.Completer.custom_matchers),
        "events": {name: list(found) for name, found in shell.events.callbacks.items()},
        "tasks": {task.get_coro().__qualname__ for task in asyncio.all_tasks()},
        "exceptions": (loop.get_exception_handler(), shell.custom_exceptions, shell.CustomTB),
        "signals": signal_handlers,
        "kernel": sorted(vars(shell.kernel)),
        "formatter": dict(shell.display_formatter.mimebundle_formatter.type_printers),
        "traceback": sorted(vars(shell.InteractiveTB)),
        "configurables": [type(item).__name__ for item in shell.configurables],
        "handlers": list(logging.getLogger("rpclab").handlers),
        "names": sorted(name for name in shell.user_ns if name[0] != "_"),
    }
"""


def test_loading_prints_nothing_and_puts_env_and_sandbox_in_place(kernel):
    kernel.run("%unload_ext rpclab")
    loaded = kernel.run("%load_ext rpclab")
    assert (loaded.stdout, loaded.stderr, loaded.value) == ("", "", None)
    assert kernel.value("env") == "env of notebook (empty)"
    assert kernel.value("sandbox.env is env") == "True"


def test_names_of_the_user_are_left_alone(kernel):
    kernel.run("%unload_ext rpclab")
    kernel.run("env = 'mine'")
    kernel.run("%load_ext rpclab")
    assert kernel.value("env") == "'mine'"
    kernel.run("%unload_ext rpclab")
    assert kernel.value("env") == "'mine'"


def test_unloading_leaves_nothing_behind(kernel):
    kernel.run("%unload_ext rpclab")
    kernel.run(f"{STATE}\nbefore = None\nbefore = state()")
    kernel.run("%load_ext rpclab")
    kernel.run(COUNTER)
    changed = kernel.value("sorted(key for key, value in state().items() if value != before[key])")
    for key in ("magics", "transformers", "matchers", "events", "tasks", "exceptions", "signals"):
        assert key in changed
    kernel.run("%unload_ext rpclab")
    assert kernel.value("[key for key, value in state().items() if value != before[key]]") == "[]"


def test_unloading_closes_the_sandbox(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService\nbinding = env.COUNTER")
    kernel.run("%unload_ext rpclab")
    assert (
        "DisconnectedError: the sandbox was closed"
        in kernel.run("await binding.new_counter()").error
    )


def test_reloading_begins_with_an_empty_sandbox(kernel):
    kernel.run(COUNTER)
    kernel.run("first = sandbox")
    assert kernel.run("%reload_ext rpclab").error is None
    assert kernel.value("sandbox is first, len(sandbox.workers)") == "(False, 0)"
    assert kernel.run(COUNTER).error is None


def test_loading_twice_changes_nothing(kernel):
    kernel.run("first = sandbox")
    kernel.run("import rpclab; rpclab.load_ipython_extension(get_ipython())")
    assert kernel.value("sandbox is first") == "True"


def test_loading_needs_no_widgets(fresh_kernel):
    names = "'rpclab.rpc', 'IPython.core.magic', 'ipywidgets', 'nest_asyncio2'"
    loaded = fresh_kernel.value(f"import sys; [name in sys.modules for name in ({names})]")
    assert loaded == "[True, True, False, False]"


def test_a_bad_setting_is_answered_and_survives_a_reload(kernel):
    said = "RpcLab.debug is True or False, not 3; it stays True"
    assert said in kernel.run("%config RpcLab.debug = 3").stderr
    assert kernel.run("%reload_ext rpclab").error is None
    kernel.run("%config RpcLab.debug = False")
    assert kernel.value("sandbox.engine.debug") == "False"
    kernel.run("%config RpcLab.debug = 'on'")
    assert kernel.value("sandbox.engine.debug") == "True"


def test_settings_are_listed_with_their_help(kernel):
    listed = kernel.run("%config RpcLab").stdout
    assert "RpcLab.show_html" in listed
    assert "show cards; text alone if off" in listed
