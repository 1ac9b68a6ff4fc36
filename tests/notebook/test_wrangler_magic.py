"""`%%wrangler` and `%rpclab types`."""

import pytest
from support.kernels import COUNTER

CLIENT = """\
%%worker client-code
from workers import WorkerEntrypoint, env

class Default(WorkerEntrypoint):
    async def greet(self):
        return f"{env.GREETING} {await self.env.COUNTER.new_counter().increment()}"

    def fail(self):
        raise ValueError("no")
"""
CONFIG = """\
%%wrangler
name = "client"
main = "client-code"

[vars]
GREETING = "Hello"

[[services]]
binding = "COUNTER"
service = "counter-service"
entrypoint = "CounterService"
"""
LIVE = """
[env.live]
vars = { GREETING = "Hi" }
services = [{ binding = "COUNTER", service = "counter-service", entrypoint = "CounterService" }]
"""


def test_the_code_of_a_cell_gets_the_bindings_of_the_configuration(kernel):
    kernel.run(COUNTER)
    kernel.run(CLIENT)
    assert kernel.run(CONFIG).value == (
        "client (version 1)\n"
        "  class Default: fail, greet\n"
        "  env.COUNTER: → counter-service#CounterService\n"
        "  env.GREETING: 'Hello'"
    )
    kernel.run("%bind CLIENT=client")
    assert kernel.value("await env.CLIENT.greet()") == "'Hello 1'"


@pytest.mark.any_kernel
def test_json_and_a_named_environment(kernel):
    kernel.run(COUNTER)
    kernel.run(CLIENT)
    ran = kernel.run(CONFIG.replace("%%wrangler", "%%wrangler --env live") + LIVE)
    assert ran.value.startswith("client-live (version 1)")
    json = '%%wrangler\n{"name": "c", "main": "client-code", /* and */ "vars": {"GREETING": "Ho"},}'
    assert "env.GREETING: 'Ho'" in kernel.run(json).value


@pytest.mark.any_kernel
def test_a_cell_that_ran_again_is_taken_over_by_running_the_configuration_again(kernel):
    kernel.run(COUNTER)
    kernel.run(CLIENT)
    kernel.run(CONFIG)
    kernel.run(CLIENT.replace("{env.GREETING}", "New"))
    kernel.run("%bind CLIENT=client")
    assert kernel.value("await env.CLIENT.greet()") == "'Hello 1'"
    assert "version 2, replaces version 1" in kernel.run(CONFIG).value
    assert kernel.value("await env.CLIENT.greet()") == "'New 1'"


@pytest.mark.any_kernel
def test_a_new_version_may_bind_to_what_the_old_one_did_not_have(kernel):
    kernel.run(
        "%%worker w\nfrom workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass"
    )
    config = "%%wrangler\nname = 'a'\nmain = 'w'\n[[services]]\nbinding = 'ME'\nservice = 'a'\n"
    assert kernel.run(config).value.startswith("a (version 1)")
    new_class = "\nclass New(WorkerEntrypoint): pass"
    kernel.run(
        "%%worker w\nfrom workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass"
        + new_class
    )
    assert "env.ME: → a#New" in kernel.run(config + "entrypoint = 'New'").value


def test_errors_name_the_cell_with_the_code(kernel):
    kernel.run(COUNTER)
    deployed = kernel.run(CLIENT)
    kernel.run(CONFIG)
    kernel.run("%bind CLIENT=client")
    failed = kernel.run("await env.CLIENT.fail()")
    assert f"raised in the Worker at\n  {deployed.cell}, line 9, in Default.fail" in failed.error


@pytest.mark.any_kernel
def test_the_code_may_be_a_file_with_others_beside_it(kernel, tmp_path):
    (tmp_path / "main.py").write_text("from beside import text\ndef hi(x, env, ctx): return text")
    (tmp_path / "beside.py").write_text("text = 'beside'")
    kernel.run(f'%%wrangler\nname = "a"\nmain = "{(tmp_path / "main.py").as_posix()}"')
    kernel.run("%bind A=a")
    assert kernel.value("await env.A.hi(0)") == "'beside'"


def test_what_has_no_effect_is_said_with_the_line_of_the_cell(kernel):
    kernel.run(COUNTER)
    text = 'name = "a"\nmain = "counter-service"\ncompatibility_date = "2024-01-01"\nroute = "x"'
    ran = kernel.run(f"%%wrangler\n{text}")
    assert ran.value.startswith("a (version 1)")
    assert ran.stdout.startswith("line 4: compatibility_date is read; the behaviour here is that")
    assert ran.stderr.startswith("line 5: route has no effect: ")


@pytest.mark.any_kernel
def test_bad_input_is_answered_in_a_line(kernel):
    kernel.run(COUNTER)
    named = 'name = "a"\nmain = "counter-service"\n'
    for cell, said in {
        f"%%wrangler\n{named}servces = []": "%%wrangler:4:1: unknown key servces; did you mean 'se",
        '%%wrangler\nname = "a"\nmain = "counter"': "did you mean 'counter-service'?",
        '%%wrangler\nname = "a"\nmain = "a.py"': "main = 'a.py' cannot be read: No such file",
        f"%%wrangler --env live\n{named}": "there is no environment 'live'; the file has no",
        f"%%wrangler --envv live\n{named}": "%%wrangler has no option --envv; did you mean",
        f"%%wrangler a.toml\n{named}": "the configuration goes into the lines below",
        f"%%wrangler\n{named}= 5": "%%wrangler:4:1: this is no TOML: ",
        f"%%wrangler\n{named}[[services]]\nbinding='A'\nservice='counter-service'": (
            'the Worker "counter-service" exports no entrypoint "Default"; there are: '
        ),
        "%%wrangler\nname = 'notebook'\nmain = 'counter-service'": "cannot be the name of a Worker",
    }.items():
        assert said in kernel.run(cell).usage_error


@pytest.mark.any_kernel
def test_the_workers_of_a_folder_are_deployed_by_a_line(kernel, tmp_path):
    folder = tmp_path / "the services"
    folder.mkdir()
    text = 'name = "a"\nmain = "a.py"\n[env.live]\nvars = { GREETING = "Hi" }\n'
    (folder / "wrangler.toml").write_text(text)
    (folder / "a.py").write_text("def hi(_, env, ctx): return env.GREETING\n")
    ran = kernel.run(f"%wrangler --env live '{folder.as_posix()}'\n%bind A=a-live")
    assert ran.displays[0]["text/plain"].startswith("a-live (version 1)")
    assert kernel.value("await env.A.hi(0)") == "'Hi'"


@pytest.mark.any_kernel
def test_no_display_shows_a_secret(kernel, tmp_path):
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "a.py"\nvars = { OPEN = "yes" }\n')
    (tmp_path / "a.py").write_text("def key(_, env, ctx): return env.KEY\n")
    (tmp_path / ".dev.vars").write_text("KEY=s3cret\n")
    shown = str(kernel.run(f"%wrangler '{tmp_path.as_posix()}'\n%bind A=a").displays)
    shown += kernel.run("sandbox.workers['a'].env").value + kernel.run("%rpclab types a").stdout
    assert shown.count("env.KEY: (secret)") == 2
    assert "s3cret" not in shown
    assert kernel.value("await env.A.key(0)") == "'s3cret'"


@pytest.mark.any_kernel
def test_files_that_cannot_be_deployed_are_answered_in_a_line(kernel):
    for line, said in {
        "%wrangler": "%wrangler needs a file or a folder",
        "%wrangler /nowhere/at/all": "there is no such file",
        "%wrangler --envv a b": "%wrangler has no option --envv; did you mean",
    }.items():
        output = kernel.run(line)
        assert said in output.stderr
        assert output.error is None


@pytest.mark.any_kernel
def test_the_manual_has_an_example(kernel):
    manual = kernel.inspect("%%wrangler")
    assert "%%wrangler [--env NAME]" in manual
    assert 'service = "counter-service"' in manual


@pytest.mark.any_kernel
def test_types_of_the_notebook_and_of_a_worker(kernel, tmp_path):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    shown = kernel.run("%rpclab types").stdout
    assert "    COUNTER: CounterServiceBinding\n" in shown
    assert "    def increment(self, amount: Any = 1) -> rpclab.RpcPromise: ...\n" in shown
    file = (tmp_path / "workers.pyi").as_posix()
    assert kernel.run(f"%rpclab types counter-service {file}").stdout == f"wrote {file}\n"
    assert "class WorkerEntrypoint(_WorkerEntrypoint):" in (tmp_path / "workers.pyi").read_text()


@pytest.mark.any_kernel
def test_types_of_what_is_not_there_are_refused(kernel):
    kernel.run(COUNTER)
    assert "did you mean 'counter-service'?" in kernel.run("%rpclab types counter").stderr
    assert "cannot be written: " in kernel.run("%rpclab types /nowhere/at/all.pyi").stderr
    kernel.run("%bind LATER=later")
    said = kernel.run("%rpclab types").stderr
    assert said.startswith('env.LATER: the Worker "later" is not among those given')
