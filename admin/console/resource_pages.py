"""Pages that every type of resource has: its table, one of its own, forms to make and change one.

A type says what is particular to it in a subclass, and in the templates that are named after it.
Tested by the tests of each type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from aiohttp import web

from admin.api.handlers import parse_id
from admin.api.paths import ID
from admin.api.representations import Json
from admin.api.resources import Resource
from admin.api.responses import refusal_of
from admin.api.schemas import Kind, Schema
from admin.api.values import Purpose, settable_values
from admin.console.base import Page, fields_of, local_path, open_page, see_other
from admin.console.limits import QuotaLeft, limits_body, limits_form
from admin.console.open_forms import typed_before
from admin.console.table import read_table
from admin.service.errors import Refused
from admin.service.permissions import Right, Subject
from proxy.domain.errors import StoreUnavailable, WardgateError, participle
from proxy.domain.model import Action, State

STATES: Final = (("", "All states"), ("active", "Active"), ("inactive", "Inactive"))


class ResourcePages:
    """Handlers, each of which answers with a page. They raise as resources do."""

    path: ClassVar[str]
    """Under which the pages are."""
    template: ClassVar[str]
    """What the names of its templates begin with."""
    noun: ClassVar[str]
    """What people call one."""
    subjects: ClassVar[Sequence[Subject]]
    """Subjects of rights that it is; who may create one of them may open the form."""
    states: ClassVar[Sequence[tuple[str, str]]] = STATES
    """The states by which its table can be filtered: (value in the URL, text)."""

    def __init__(self, resource: Resource[Any]) -> None:
        self.resource = resource

    @property
    def schema(self) -> Schema:
        """The schema of its resources."""
        return self.resource.schema

    # --- what a type may do otherwise ---

    async def beside(self, opened: Page, shown: Json) -> Mapping[str, Any]:
        """What the page of a resource shows besides."""
        return {}

    async def choices(
        self, opened: Page, old: Json | None, form: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """What the fields of a form offer. Raises `Refused` where the form is of no use to its
        reader."""
        return {}

    async def body(
        self, opened: Page, form: Mapping[str, str], old: Json | None
    ) -> dict[str, object]:
        """A form as a body of the API: what is left empty is null. `old` is what it changes. Raises
        `Refused`."""
        body: dict[str, object] = {
            name: value.strip() or None
            for name, value in form.items()
            if name in self.schema.fields
        }
        limits = limits_body(form, new=old is None)
        return body if limits is None else body | {"limits": limits}

    def form_of(self, shown: Json) -> dict[str, str]:
        """A resource as the form that changes it has it."""
        return {
            name: str(shown[name] or "")
            for name, field in self.schema.fields.items()
            if field.update and field.kind is not Kind.LIMITS
        } | limits_form(shown["limits"])

    def made(self, opened: Page, made: Json) -> web.Response:
        """What follows when a resource was made."""
        return see_other(f"{self.path}/{made['id']}")

    # --- handlers ---

    async def index(self, request: web.Request) -> web.Response:
        """The table."""
        opened = await open_page(request)
        state = request.query.get("state", "")
        filters = [("state", state)] if state else []
        table = await read_table(opened, self.resource, self.template, filters, self.states)
        alone = request.headers.get("HX-Target") == f"table-{self.template}"
        return opened.render(
            f"{self.template}_table.html" if alone else f"{self.template}s.html", table=table
        )

    async def get(self, request: web.Request) -> web.Response:
        """One of its own."""
        opened = await open_page(request)
        shown = await self.shown(opened)
        more = await self.beside(opened, shown)
        return opened.render(f"{self.template}.html", shown=shown, **more)

    async def quota(self, opened: Page, shown: Json) -> QuotaLeft | None:
        """What is left of a resource's quota; None where it has none, or where that cannot be told
        now: the store counts it, and the page is shown while the store can only be read."""
        with suppress(StoreUnavailable):
            reading = await opened.resources.left_of_quota(shown)
            return QuotaLeft.of_reading(reading, opened.now)
        return None

    async def new(self, request: web.Request) -> web.Response:
        """The form for a new one; the URL may fill fields in."""
        opened = await open_page(request)
        if not any(opened.may(Right.CREATE, subject) for subject in self.subjects):
            raise Refused("Forbidden", f"your role may see {self.noun}s, not create them")
        return await self._form(opened, None, *typed_before(request, request.query))

    async def create(self, request: web.Request) -> web.Response:
        """Make one. A form counts once, so that a page that is loaded again makes no second one."""
        opened, form = await open_page(request), await fields_of(request)
        try:
            opened.use_form(form)
            body = await self.body(opened, form, None)
            values = settable_values(self.schema, body, Purpose.CREATE, opened.now)
            made = await self.resource.create(opened.context, values)
        except WardgateError as error:
            return await self._form(opened, None, form, as_refused(error))
        return self.made(opened, made)

    async def edit_form(self, request: web.Request) -> web.Response:
        """The form to change one."""
        opened = await open_page(request)
        shown = await self.shown(opened)
        self.require(shown, Action.UPDATE)
        return await self._form(opened, shown, *typed_before(request, self.form_of(shown)))

    async def edit(self, request: web.Request) -> web.Response:
        """Change one."""
        opened, form = await open_page(request), await fields_of(request)
        shown = await self.shown(opened)
        try:
            body = await self.body(opened, form, shown)
            values = settable_values(self.schema, body, Purpose.UPDATE, opened.now)
            await self.resource.edit(opened.context, self.id(request), values)
        except WardgateError as error:
            return await self._form(opened, shown, form, as_refused(error))
        return see_other(f"{self.path}/{shown['id']}")

    async def apply(self, request: web.Request) -> web.Response:
        """Do an action that changes a state."""
        opened = await open_page(request)
        action = Action(request.match_info["action"])
        await self.resource.apply(opened.context, self.id(request), action)
        back = (await fields_of(request)).get("back", self.path)
        return see_other(self.path if action is Action.REMOVE else local_path(back))

    async def remove_form(self, request: web.Request) -> web.Response:
        """What a removal does, before it is done."""
        opened = await open_page(request)
        shown = await self.shown(opened)
        self.require(shown, Action.REMOVE)
        return opened.render(f"{self.template}_remove.html", shown=shown)

    # --- helpers ---

    def id(self, request: web.Request) -> Any:
        """The id in the path. Raises `Refused`."""
        return parse_id(self.schema, request.match_info["id"])

    async def shown(self, opened: Page) -> Json:
        """The resource in the path, as JSON."""
        view = await self.resource.get(opened.context, self.id(opened.request))
        return self.resource.show(view, opened.context.links)

    def require(self, shown: Json, action: Action) -> None:
        """Raise `Refused` unless the caller may do `action` on a resource. It says why, since no
        page offers the form. What is active can be removed in two steps."""
        allowed = shown["actions"].keys()
        if action in allowed or (action is Action.REMOVE and Action.DEACTIVATE in allowed):
            return
        if shown["state"] not in {State.ACTIVE, State.INACTIVE}:
            detail = f"what is {shown['state']} cannot be {participle(action)}"
            raise Refused("ActionNotAvailable", detail)
        raise Refused("Forbidden", self.why_not(shown))

    def why_not(self, shown: Json) -> str:
        """Why the caller may not change a resource."""
        return f"your role may see this {self.noun}, not change it"

    async def _form(
        self,
        opened: Page,
        old: Json | None,
        form: Mapping[str, str],
        refused: Refused | None = None,
    ) -> web.Response:
        """The form: for a new resource, or to change `old`; with what was typed, and why it was
        refused."""
        return opened.render(
            f"{self.template}_form.html",
            opened.status(refused),
            old=old,
            form=defaultdict(str, form),
            refused=refused,
            token="" if old else opened.form_token(self.path),
            **await self.choices(opened, old, form),
        )

    def routes(self) -> list[web.RouteDef]:
        """The routes of its pages."""
        one = f"{self.path}/{{id:{ID}}}"
        actions = "{action:activate|deactivate|remove}"
        return [
            web.get(self.path, self.index),
            web.post(self.path, self.create),
            web.get(f"{self.path}/new", self.new),
            web.get(one, self.get),
            web.get(f"{one}/edit", self.edit_form),
            web.post(f"{one}/edit", self.edit),
            web.get(f"{one}/remove", self.remove_form),
            web.post(f"{one}/{actions}", self.apply),
        ]


def as_refused(error: WardgateError) -> Refused:
    """An error that a form shows beside its field. What is no refusal is raised again."""
    refused = refusal_of(error, "POST", known=True)
    if refused.status in {401, 404} or refused.status >= 500:
        raise error
    return refused
