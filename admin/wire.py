"""The office's resources as JSON, in the shape that Rancher's clients know. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from admin.errors import Refused
from admin.schemas import ACCOUNT, ENVIRONMENT, KEY, Schema
from admin.service import Listing, View
from proxy.model import Account, Environment, Key
from proxy.store import Page

Json: TypeAlias = dict[str, Any]

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""A greater limit is cut to this; `pagination.limit` says so."""
DEFAULT_VERSION: Final = "v2-beta"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the absolute URLs of an answer, under the version and scope that the request used."""

    origin: str
    """Scheme and host, as in `http://127.0.0.1:8081`."""
    version: str = DEFAULT_VERSION
    scope: str | None = None
    """The id on the wire of the environment in the request's path."""

    @property
    def root(self) -> str:
        """The version's own URL."""
        return f"{self.origin}/{self.version}"

    @property
    def base(self) -> str:
        """What the links of what belongs to the scope begin with."""
        return f"{self.root}/projects/{self.scope}" if self.scope else self.root

    @property
    def schemas(self) -> str:
        """Where a client finds the schemas."""
        return f"{self.base}/schemas"

    def collection(self, schema: Schema) -> str:
        """The URL of all of one type. Keys belong to the scope, other resources to the root."""
        return f"{self.base if schema is KEY else self.root}/{schema.plural}"


def moment(milliseconds: int | None) -> str | None:
    """A time as `yyyy-MM-ddTHH:mm:ssZ`."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dated(name: str, milliseconds: int | None) -> Json:
    """A time in both of its forms, as text and in milliseconds."""
    return {name: moment(milliseconds), f"{name}TS": milliseconds}


def key_json(
    view: View[Key],
    links: Links,
    endpoint_of: Callable[[Environment | None], str],
    secret: str | None = None,
) -> Json:
    """A key. `secret` is there in the answer to its creation alone."""
    key = view.record
    creator = None if key.creator_id is None else f"1a{key.creator_id}"
    owner = key.account_id if key.environment_id is None else key.environment_id
    resource = _resource(KEY, view, links) | {
        "kind": KEY.name,
        "accountId": f"1a{owner}",
        "creatorId": creator,
        "publicValue": key.access_key,
        "secretValue": secret,
        "role": key.role,
        **dated("expires", key.expires),
        **dated("lastUsed", key.last_used),
        "endpoint": endpoint_of(view.environment),
    }
    resource["links"]["account"] = resource["links"]["self"] + "/account"
    return resource


def environment_json(
    view: View[Environment], links: Links, endpoint_of: Callable[[Environment | None], str]
) -> Json:
    """An environment, which is called a project on the wire."""
    environment = view.record
    resource = _resource(ENVIRONMENT, view, links) | {
        "slug": environment.slug,
        "endpoint": endpoint_of(environment),
    }
    resource["links"]["apiKeys"] = f"{resource['links']['self']}/{KEY.plural}"
    return resource


def account_json(view: View[Account], links: Links) -> Json:
    """An account."""
    return _resource(ACCOUNT, view, links) | {"kind": view.record.kind}


def _resource(
    schema: Schema, view: View[Key] | View[Environment] | View[Account], links: Links
) -> Json:
    """What every resource has."""
    record = view.record
    self_link = f"{links.collection(schema)}/{record.ref}"
    return {
        "id": record.ref,
        "type": schema.name,
        "baseType": schema.base,
        "links": {"self": self_link},
        "actions": {act: f"{self_link}/?action={act}" for act in view.acts},
        "name": record.name,
        "description": record.description,
        "state": record.state,
        **dated("created", record.created),
        **dated("removed", record.removed),
        "transitioning": "no",
        "transitioningMessage": None,
        "transitioningProgress": None,
        "uuid": record.uuid,
    }


def root_json(links: Links) -> Json:
    """The version's own resource, which leads to the collections."""
    schemas = (KEY, ENVIRONMENT, ACCOUNT)
    collections = {_plural_name(schema): links.collection(schema) for schema in schemas}
    return {
        "id": links.version,
        "type": "apiVersion",
        "links": {"self": links.root, **collections},
        "actions": {},
    }


def _plural_name(schema: Schema) -> str:
    return f"{schema.name}s"


# --- collections ---------------------------------------------------------------------------------


def collection_json(
    schema: Schema,
    listing: Listing[Key] | Listing[Environment] | Listing[Account],
    data: Sequence[Json],
    page: Page,
    links: Links,
) -> Json:
    """A piece of a collection, `data` being the resources of `listing`."""
    url = links.collection(schema)
    following = None
    if listing.next_after is not None:
        marker = _marker(schema, links, listing.next_after)
        following = f"{url}?{urlencode({'limit': page.limit, 'marker': marker})}"
    first = f"{url}?{urlencode({'limit': page.limit})}" if page.after else None
    return {
        "type": "collection",
        "resourceType": schema.name,
        "links": {"self": url},
        "createTypes": {schema.name: url} if listing.may_create else {},
        "actions": {},
        "data": data,
        "sortLinks": {},
        "pagination": {
            "first": first,
            "previous": None,
            "next": following,
            "limit": page.limit,
            "total": None,
            "partial": False,
        },
        "sort": None,
        "filters": {},
        "createDefaults": {},
    }


def page_of(schema: Schema, query: Mapping[str, str], links: Links) -> Page:
    """The piece that a query asks for. Raises `Refused`."""
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit()) or len(limit) > 9 or int(limit) < 1:
        raise Refused("InvalidOption", f"limit is a number from 1 to {MAX_LIMIT}", field="limit")
    after = _after(schema, query["marker"], links) if "marker" in query else 0
    return Page(min(int(limit), MAX_LIMIT), after)


def _marker(schema: Schema, links: Links, after: int) -> str:
    """Opaque to clients: which collection it belongs to, and after which record to go on."""
    text = f"{schema.name}/{links.scope or ''}/{after}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _after(schema: Schema, marker: str, links: Links) -> int:
    """The record that `marker` goes on after. Raises `Refused` unless this collection gave it."""
    try:
        padding = "=" * (-len(marker) % 4)
        text = base64.b64decode(marker + padding, altchars=b"-_", validate=True).decode()
        after = int(text.rpartition("/")[2][:18])
    except (binascii.Error, ValueError):
        after = 0
    if not after or marker != _marker(schema, links, after):
        raise Refused("InvalidMarker", field="marker")
    return after
