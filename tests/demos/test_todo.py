"""The to-do application: its pages, its roles, what it keeps."""

import re
import sys
from html.parser import HTMLParser

import pytest

import rpclab
from rpclab.workers import FormData

HERE = "http://todo.test"


class Page(HTMLParser):
    """What a page says: the words in it, and the elements by their tag."""

    def __init__(self, html):
        super().__init__()
        self.words, self.elements = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)

    def labels(self):
        return [attrs["aria-label"] for _, attrs in self.elements if "aria-label" in attrs]


class Visitor:
    """A browser without scripts that keeps one cookie."""

    def __init__(self, sandbox, worker="web"):
        self._sandbox = sandbox
        self._worker = worker
        self.cookie = ""

    async def get(self, path):
        return await self._ask(path)

    async def post(self, path, **fields):
        response = await self._ask(path, method="POST", body=FormData(fields))
        if response.status == 303:
            self.cookie = response.headers.get("set-cookie", self.cookie).partition(";")[0]
            response = await self._ask(response.headers["location"])
        return response

    async def page(self, path="/"):
        return Page(await (await self.get(path)).text())

    async def sign_in(self, password="open sesame"):
        return await self.post("/admin/sign-in", password=password)

    async def _ask(self, path, **options):
        headers = {"cookie": self.cookie, "origin": HERE}
        return await self._sandbox.fetch(
            self._worker, HERE + path, headers=headers, redirect="manual", **options
        )


@pytest.fixture
def visitor(todo):
    return Visitor(todo)


async def test_a_task_is_added_ticked_opened_again_and_deleted(visitor):
    await visitor.post("/tasks", title="  buy   milk ")
    assert "0 of 1 done" in (await visitor.page()).text
    await visitor.post("/tasks/1/tick")
    page = await visitor.page()
    assert "1 of 1 done" in page.text
    assert page.labels()[1:] == ["Done: buy milk", "Delete: buy milk"]
    await visitor.post("/tasks/1/open")
    assert "0 of 1 done" in (await visitor.page()).text
    await visitor.post("/tasks/1/delete")
    assert "Nothing to do." in (await visitor.page()).text


async def test_after_a_form_the_browser_is_sent_to_the_page(visitor):
    response = await visitor._ask("/tasks", method="POST", body=FormData({"title": "milk"}))
    assert (response.status, response.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("/tasks", {"title": " "}, 400, "a task needs a title"),
        ("/tasks", {}, 400, "a task needs a title"),
        ("/tasks", {"title": "x" * 201}, 400, "200 characters at most, and this has 201"),
        ("/tasks", {"title": rpclab.Blob("a file")}, 400, "a task needs a title"),
        ("/tasks/7/tick", {}, 404, "not there any more"),
        ("/tasks/x/tick", {}, 404, "no such task"),
        ("/tasks/99999999999999999999/delete", {}, 404, "no such task"),
        ("/tasks/1/empty", {}, 404, "no such page"),
        ("/task", {}, 404, "no such page"),
    ],
)
async def test_what_does_not_work_is_said_and_changes_nothing(visitor, path, fields, status, said):
    await visitor.post("/tasks", title="milk")
    response = await visitor.post(path, **fields)
    assert response.status == status
    assert said in Page(await response.text()).text
    assert "0 of 1 done" in (await visitor.page()).text


async def test_a_body_that_is_no_form_is_the_askers_mistake(todo):
    response = await todo.fetch("web", "/tasks", method="POST", body="milk")
    assert response.status == 400


EVIL = """<script>alert("1")</script> & '"><img src=x onerror=alert(2)>"""


async def test_what_users_write_is_text_on_every_page(visitor):
    before = await visitor.page()
    await visitor.post("/tasks", title=EVIL)
    page = await visitor.page()
    assert EVIL in page.labels()[1]
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert {tag for tag, _ in page.elements} - {tag for tag, _ in before.elements} == {
        "ul", "li", "span"
    }  # fmt: skip
    await visitor.post("/tasks/1/delete")
    await visitor.sign_in()
    admin = await visitor.page("/admin")
    assert admin.text.count("<script>") == 3
    assert not {"img", "b"} & {tag for tag, _ in admin.elements}
    problem = await visitor.post(f"/tasks/{EVIL.replace('/', '')}/x/<img>")
    assert "img" not in {tag for tag, _ in Page(await problem.text()).elements}


async def test_a_page_runs_no_script_but_its_own_and_asks_nobody_else(visitor):
    response = await visitor.get("/")
    html = await response.text()
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert not re.search(r"https?://|\son\w+=|<style[^>]*src|javascript:", html)
    assert (await visitor.get("/app.js")).headers["content-type"].startswith("text/javascript")


async def test_a_form_of_another_site_changes_nothing(todo, visitor):
    for origin in ("http://evil.test", "null", "https://todo.test", "http://todo.test.evil.test"):
        response = await todo.fetch(
            "web", f"{HERE}/tasks", method="POST", headers={"origin": origin},
            body=FormData({"title": "x"}),
        )  # fmt: skip
        assert response.status == 403
    assert "Nothing to do." in (await visitor.page()).text


# The roles.


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("tasks#Reader", {"tasks"}),
        ("tasks#Editor", {"tasks", "add", "tick", "delete"}),
        ("tasks#Admin", {"tasks", "figures", "bin", "restore", "empty_bin"}),
        ("audit#Recorder", {"record"}),
        ("audit#Historian", {"latest"}),
    ],
)
async def test_C6_a_role_does_what_it_may_and_nothing_else(todo, role, may):
    env = todo.bind(TASKS="tasks#Editor", ROLE=role)
    await env.TASKS.add("one")
    everything = {"tasks", "add", "tick", "delete", "figures", "bin", "restore", "empty_bin",
                  "record", "latest", "_change", "_tasks", "_record"}  # fmt: skip
    refused = set()
    for name in everything:
        try:
            await env.ROLE[name]()
        except (rpclab.RpcError, TypeError) as error:  # a missing argument comes from the method
            if "does not implement" in str(error):
                refused.add(name)
        except LookupError:
            pass
    assert everything - refused == may


async def test_the_public_page_holds_no_way_to_what_the_admin_may(todo, folder):
    bindings = todo.bindings("web")
    assert {(each.worker, each.entrypoint) for each in bindings.values()} == {
        ("tasks", "Reader"), ("tasks", "Editor"), ("tasks", "Admin"), ("audit", "Historian"),
    }  # fmt: skip
    code = (folder / "web" / "list_page.py").read_text("utf-8")
    assert "env" not in code  # it is handed one binding, and knows no other


async def test_X9_who_did_something_says_the_binding_and_not_the_caller(todo, visitor):
    await visitor.post("/tasks", title="milk")
    env = todo.bind(
        STRANGER="tasks#Editor",
        KNOWN=rpclab.binding("tasks#Editor", props={"who": "Ada"}),
        HISTORY="audit#Historian",
    )
    await env.STRANGER.add("bread")
    await env.KNOWN.delete(1)
    entries = [
        (entry["who"], entry["what"], entry["title"]) for entry in await env.HISTORY.latest()
    ]
    assert entries == [
        ("Ada", "deleted", "milk"),
        ("somebody", "added", "bread"),
        ("the list page", "added", "milk"),
    ]


async def test_the_feed_is_what_a_reader_sees(visitor):
    await visitor.post("/tasks", title="milk")
    feed = await visitor.get("/tasks.json")
    assert await feed.json() == [{"id": 1, "title": "milk", "done": False}]


# The admin page.


async def test_the_admin_page_is_for_who_knows_the_password(visitor):
    await visitor.post("/tasks", title="milk")
    await visitor.post("/tasks/1/delete")
    for path, status in (("/admin", 401), ("/admin/history", 403)):
        response = await visitor.get(path)
        assert (response.status, "milk" in await response.text()) == (status, False)
    assert (await visitor.post("/admin/empty-bin")).status == 403
    wrong = await visitor.sign_in("open says me")
    assert (wrong.status, "That is not the password." in await wrong.text()) == (403, True)
    assert visitor.cookie == ""
    await visitor.sign_in()
    assert "0 open, 0 done, 1 in the bin" in (await visitor.page("/admin")).text


async def test_what_is_in_the_bin_is_restored_or_deleted_for_good(visitor):
    for title in ("milk", "bread"):
        await visitor.post("/tasks", title=title)
    await visitor.post("/tasks/1/delete")
    await visitor.post("/tasks/2/delete")
    await visitor.sign_in()
    await visitor.post("/admin/restore/1")
    emptied = await visitor.post("/admin/empty-bin")
    text = Page(await emptied.text()).text
    assert "1 open, 0 done, 0 in the bin" in text
    assert "bread deleted for good by the admin page" in text
    assert (await visitor.post("/admin/restore/2")).status == 404


async def test_a_cookie_that_was_made_up_or_is_over_opens_nothing(visitor):
    await visitor.sign_in()
    good = visitor.cookie
    until, signature = good.removeprefix("session=").split(".")
    for cookie in (
        f"session={int(until) + 1}.{signature}", f"session={until}.", "session=9999999999",
        "session=", "session=é.é", "a;b=\x7f", good.replace("session", "other"),
    ):  # fmt: skip
        visitor.cookie = cookie
        assert (await visitor.get("/admin")).status == 401
    visitor.cookie = f"theme=dark; {good}"
    assert (await visitor.get("/admin")).status == 200
    await visitor.post("/admin/sign-out")
    assert (await visitor.get("/admin")).status == 401


async def test_a_session_is_over_after_some_hours(todo, folder):
    source = """\
import sessions
from workers import Request
def kept(hours, env, ctx):
    cookie = sessions.cookie(sessions.token("key", now=0), "https://todo.test/")
    request = Request("https://todo.test/", headers={"cookie": cookie.partition(";")[0]})
    return cookie, [sessions.is_signed_in(request, "key", now=3600 * n) for n in hours]
"""
    todo.deploy("clock", source=source, folder=folder / "web")
    cookie, kept = await todo.bind(CLOCK="clock").CLOCK.kept([0, 7, 8, 9, -9])
    assert kept == [True, True, False, False, True]
    assert cookie.endswith("; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict; Secure")


# What is kept, and environments.


async def test_tasks_and_history_are_there_in_the_next_sandbox_of_the_folder(folder, tmp_path):
    for number in (1, 2):
        async with rpclab.Sandbox.from_config(folder, storage=tmp_path) as sandbox:
            visitor = Visitor(sandbox)
            await visitor.post("/tasks", title=f"task {number}")
            assert f"0 of {number} done" in (await visitor.page()).text
            history = await sandbox.bind(HISTORY="audit#Historian").HISTORY.latest()
            assert len(history) == number


async def test_staging_has_workers_and_databases_of_its_own(folder, tmp_path):
    async with rpclab.Sandbox.from_config(folder, storage=tmp_path) as sandbox:
        await Visitor(sandbox).post("/tasks", title="milk")
    staging = rpclab.Sandbox.from_config(folder, environment="staging", storage=tmp_path)
    async with staging as sandbox:
        assert sorted(sandbox.workers) == ["audit-staging", "tasks-staging", "web-staging"]
        page = await Visitor(sandbox, "web-staging").page()
        assert "To do (staging)" in page.text
        assert "Nothing to do." in page.text


async def test_nothing_is_left_in_the_process_or_the_tables(todo, visitor):
    await visitor.post("/tasks", title="milk")
    await visitor.page()
    assert not {"pages", "sessions", "list_page", "admin_page"} & sys.modules.keys()
    assert not todo.leaks()


async def test_the_admin_page_asks_for_its_three_parts_at_once(todo, visitor):
    await visitor.sign_in()
    with todo.trace() as trace:
        await visitor.page("/admin")
    assert trace.round_trips == 2  # to the page, and from it to all that it shows
