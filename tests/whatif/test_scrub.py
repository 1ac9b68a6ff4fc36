"""A cut at every message: over twenty programs what was forgotten is found, and nothing else."""

from contextlib import closing

import pytest

import rpclab
from rpclab.trace.timeline import timeline

from .further_programs import ALL, FURTHER
from .programs import CASES, deploy, program_of

SEEDED = [(each, seed) for each in CASES for seed in each.seeds]


def scrubbed(case, seed=None, rtt="100ms"):
    sandbox = rpclab.Sandbox()
    try:
        return rpclab.scrub(deploy(sandbox, case, seed, rtt), sandbox)
    finally:
        sandbox.close()


def test_there_are_twenty_programs_and_each_kind_of_fault_is_seeded():
    assert len({each.name for each in CASES}) == len(CASES) == 20
    kinds = [seed.kind for _, seed in SEEDED]
    assert {kind: kinds.count(kind) > 2 for kind in kinds} == {
        "missing timeout": True, "lost disposer": True, "doubled write": True,
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_a_program_that_stands_every_cut_has_no_fault(case):
    faults = scrubbed(case)
    assert faults.findings == {}, faults
    assert len(faults) == 2 * faults.baseline.messages > 0
    assert faults.baseline.outcome == "returned"


@pytest.mark.parametrize(
    ("case", "seed"), SEEDED, ids=[f"{each.name}-{seed.kind}" for each, seed in SEEDED]
)
def test_what_was_forgotten_is_found_and_nothing_else(case, seed):
    faults = scrubbed(case, seed)
    assert {finding.kind for finding in faults.findings} == {seed.kind}, faults


@pytest.mark.parametrize(
    ("case", "seed"), SEEDED, ids=[f"{each.name}-{seed.kind}" for each, seed in SEEDED]
)
def test_workers_without_a_link_between_them_are_cut_off_as_well(case, seed):
    faults = scrubbed(case, seed, rtt="")
    assert {finding.kind for finding in faults.findings} == {seed.kind}, faults
    assert scrubbed(case, rtt="").findings == {}


def test_of_the_further_programs_there_are_enough_of_each_kind():
    kinds = [each.kind for each in FURTHER]
    assert {kind: kinds.count(kind) > 1 for kind in kinds} == {
        "": True, "missing timeout": True, "lost disposer": True, "doubled write": True,
        "open stream": True,
    }  # fmt: skip
    assert (kinds.count(""), len(kinds)) == (10, 24)


@pytest.mark.parametrize("each", FURTHER, ids=lambda each: each.name)
def test_what_a_program_did_not_think_of_is_found_and_nothing_else(sandbox, each):
    for name in each.workers:
        sandbox.deploy(name, **ALL[name])
        sandbox.link("notebook", name, rtt="100ms")
    sandbox.bind(**{name.upper(): name for name in each.workers})
    faults = rpclab.scrub(program_of(each.body), sandbox)
    assert {finding.kind for finding in faults.findings} == ({each.kind} - {""}), faults


def test_a_write_with_a_key_of_its_own_for_each_attempt_is_found_however_the_call_travels(sandbox):
    deploy(sandbox, CASES[0])

    async def program(env):
        for attempt in (1, 2):
            try:
                return await env.BANK.deposit(5, f"attempt {attempt}")  # small: in a run
            except rpclab.DisconnectedError:
                continue
        return None

    faults = rpclab.scrub(program, sandbox)
    assert {each.kind for each in faults.findings} == {"missing timeout", "doubled write"}, faults


def test_what_is_called_when_a_deadline_has_just_passed_is_not_sent_and_hangs_nowhere(sandbox):
    deploy(sandbox, CASES[0])

    async def program(env):
        async with rpclab.deadline(5):
            try:
                await env.BANK.balance()
            finally:
                await env.BANK.balance()  # on the virtual clock: in the very moment of the deadline

    faults = rpclab.scrub(program, sandbox)
    assert faults.findings == {}, faults
    assert faults[1].outcome == "raised TimeoutError"


def test_a_stream_that_is_left_open_is_named_with_its_ends(sandbox):
    [film] = [each for each in FURTHER if each.name == "a film that an error leaves open"]
    for name in film.workers:
        sandbox.deploy(name, **ALL[name])
    sandbox.bind(**{name.upper(): name for name in film.workers})
    [finding] = rpclab.scrub(program_of(film.body), sandbox).findings
    assert finding.what == (
        "the stream from news to notebook is neither read to its end nor cancelled"
    )


@pytest.fixture
def unbound():
    """The stub in a block, with nothing that bounds its waits."""
    return scrubbed(CASES[2], CASES[2].seeds[0])


def test_each_message_of_the_recording_is_cut_in_both_ways(unbound):
    arrows = timeline(unbound.baseline.recording).arrows
    assert unbound.baseline.messages >= len(arrows)
    assert [(each.message, each.way) for each in unbound] == [
        (message, way)
        for message in range(1, unbound.baseline.messages + 1)
        for way in ("torn", "silent")
    ]
    texts = [fault.text for fault in unbound[::2]]
    assert texts[:2] == ["notebook → shop: 1 cart()", "shop → notebook: result of 1, a Cart"]
    assert not [text for text in texts if text.endswith("a message")]


def test_up_to_the_cut_a_run_is_the_one_without(unbound):
    whole = [*unbound.baseline.recording]
    for fault in unbound:
        events = [*fault.run.recording]
        same = next((n for n, pair in enumerate(zip(whole, events, strict=False))
                     if pair[0] != pair[1]), len(events))  # fmt: skip
        assert same >= min(fault.message, len(events))


def test_a_row_says_what_settled_how_and_opens_its_timeline(unbound):
    torn, silent = unbound[2], unbound[3]
    assert (torn.outcome, torn.calls) == (
        "raised DisconnectedError: the link between shop and notebook broke", "1 returned",
    )  # fmt: skip
    assert (silent.outcome, silent.same) == ("never ends", False)
    assert "nothing bounds the wait for shop.cart()" in str(silent.findings[0])
    assert torn.timeline().text().startswith("Timeline: ")
    notes = [note.text for note in timeline(torn.run.recording).notes]
    assert "shop and notebook: broken" in notes


def test_it_is_the_same_on_every_run(unbound):
    assert str(scrubbed(CASES[2], CASES[2].seeds[0])) == str(unbound)


def test_the_text_names_each_fault_once_with_where_it_shows(unbound):
    head = str(unbound).split("\n")[:6]
    assert head[0] == "Faults: 8 messages, each cut in 2 ways: 3 faults of the program"
    assert head[2].startswith("  missing timeout: nothing bounds the wait for shop.cart()")
    assert head[2].endswith("(message 1, silent and 1 more)")


def test_what_is_never_disposed_though_it_wants_to_be_is_found_without_a_cut(sandbox):
    source = """\
from workers import RpcTarget, WorkerEntrypoint

class Lamp(RpcTarget):
    def color(self):
        return "red"

    def dispose(self):
        pass

class Default(WorkerEntrypoint):
    def light(self):
        return Lamp()
"""
    sandbox.deploy("lamps", source=source)
    sandbox.bind(LAMPS="lamps")

    async def program(env):
        async with rpclab.deadline(5):
            lamp = await env.LAMPS.light()
            return await lamp.color()

    faults = rpclab.scrub(program, sandbox)
    [(finding, shown)] = faults.findings.items()
    assert (finding.kind, shown) == ("lost disposer", ())
    assert "a stub of Lamp in lamps" in finding.what
    assert "(without a cut)" in str(faults)


def test_programs_that_do_not_end_or_send_too_much_are_refused(sandbox):
    source = "def hi(_, env, ctx): return 1\nasync def wait(_, env, ctx):\n    import asyncio\n"
    sandbox.deploy("a", source=f"{source}    await asyncio.Event().wait()\n")
    sandbox.bind(A="a")

    async def waits(env):
        await env.A.wait(0)

    async def talks(env):
        for _ in range(3):
            await env.A.hi(0)

    with pytest.raises(ValueError, match=r"does not end by itself: it waits for a\.wait\(\)"):
        rpclab.scrub(waits, sandbox)
    with pytest.raises(ValueError, match="sends 6 messages, more than 5"):
        rpclab.scrub(talks, sandbox, most=5)


def test_a_page_of_it_has_a_row_for_each_cut_and_no_script(unbound):
    page = unbound.html()
    assert page.count("<details>") == 3
    assert "<script" not in page
    assert page.count("silent</td>") == len(unbound) / 2


def test_what_modules_beside_the_main_file_hold_is_looked_at_too(tmp_path):
    (tmp_path / "books.py").write_text("pages = []\n")
    (tmp_path / "main.py").write_text(
        "import books\nfrom workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
        "    def write(self, line):\n        books.pages.append(line)\n"
    )
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "main.py"\n')

    async def program(env):
        for _ in range(2):
            try:
                async with rpclab.deadline(5):
                    return await env.A.write("once")
            except (rpclab.DisconnectedError, TimeoutError):
                continue
        return None

    with closing(rpclab.Sandbox.from_config(tmp_path)) as sandbox:
        sandbox.bind(A="a")
        assert {each.kind for each in rpclab.scrub(program, sandbox).findings} == {"doubled write"}


def test_workers_in_cities_are_cut_off_as_well(sandbox):
    program = deploy(sandbox, CASES[0], CASES[0].seeds[0], rtt="")
    sandbox.locate("notebook", "paris")
    sandbox.locate("bank", "tokyo")
    faults = rpclab.scrub(program, sandbox)
    assert {finding.kind for finding in faults.findings} == {"missing timeout"}
    assert faults.baseline.seconds > 0.1
