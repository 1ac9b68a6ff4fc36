"""The pages: what the world sees of the to-do list."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import sessions
from admin_page import AdminPage
from list_page import ListPage
from pages import Pages, see_other
from workers import Request, Response, WorkerEntrypoint

SCRIPT = Path(__file__).with_name("app.js").read_text("utf-8")


class Default(WorkerEntrypoint):
    """Answers HTTP: finds the page that a request is for, and gives it the binding it may have."""

    async def fetch(self, request: Request) -> Response:
        """Answer a request."""
        pages = Pages(self.env.TITLE)
        if _comes_from_another_site(request):
            return pages.problem(403, "This came from another site, so nothing was done.")
        try:
            return await self._answer(request, pages)
        except ValueError as error:  # of this Worker or of the one that it asked
            return pages.problem(400, f"That did not work: {error}.")
        except LookupError as error:
            return pages.problem(404, f"That did not work: {error.args[0]}.")

    async def _answer(self, request: Request, pages: Pages) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        match (method, *urlsplit(request.url).path.removeprefix("/").split("/")):
            case "GET", "app.js":
                return Response(SCRIPT, headers={"content-type": "text/javascript;charset=UTF-8"})
            case "GET", "tasks.json":
                return Response.from_json(await self.env.READER.tasks())
            case _, "admin", *rest:
                return await self._answer_admin(request, pages, [method, *rest])
            case "GET", "":
                return await ListPage(self.env.EDITOR, pages).show()
            case "POST", "tasks":
                return await ListPage(self.env.EDITOR, pages).add(await _field(request, "title"))
            case "POST", "tasks", task, action:
                return await ListPage(self.env.EDITOR, pages).change(_number(task), action)
        return pages.problem(404, "There is no such page.")

    async def _answer_admin(self, request: Request, pages: Pages, route: list[str]) -> Response:
        if route == ["POST", "sign-in"]:
            return await self._sign_in(request, pages)
        if not sessions.is_signed_in(request, self.env.SESSION_KEY):
            return pages.show("sign_in.html", status=401 if route == ["GET"] else 403)
        page = AdminPage(self.env.ADMIN, self.env.HISTORY, pages)
        match route:
            case ["GET"]:
                return await page.show()
            case ["POST", "sign-out"]:
                return see_other("/", sessions.cookie("", request.url, seconds=0))
            case ["POST", "empty-bin"]:
                return await page.empty_bin()
            case ["POST", "restore", task]:
                return await page.restore(_number(task))
        return pages.problem(404, "There is no such page.")

    async def _sign_in(self, request: Request, pages: Pages) -> Response:
        if not sessions.same_text(await _field(request, "password"), self.env.ADMIN_PASSWORD):
            return pages.show("sign_in.html", status=403, wrong=True)
        token = sessions.token(self.env.SESSION_KEY)
        return see_other("/admin", sessions.cookie(token, request.url))


async def _field(request: Request, name: str) -> str:
    """The text of a field of the form in a request; "" where there is none."""
    try:
        value = (await request.form_data()).get(name, "")
    except TypeError as error:
        raise ValueError(str(error)) from None
    return value if isinstance(value, str) else ""


def _number(text: str) -> int:
    """The number of a task, from a path."""
    if not re.fullmatch("[0-9]{1,15}", text):
        raise LookupError("there is no such task")
    return int(text)


def _comes_from_another_site(request: Request) -> bool:
    """Whether a page of another site sent this form; browsers say so, and others have no cookie."""
    origin = request.headers.get("origin")
    here = urlsplit(request.url)
    return origin is not None and origin != f"{here.scheme}://{here.netloc}"
