"""Who may do what, over HTTP: one table of callers, presented roles, resources and actions."""

from __future__ import annotations

import pytest

from proxy.domain.model import Account, AccountKind, Environment, Membership, Role
from tests.admin.admin_api import AdminApi, Presented

TABLE = """
                       accounts   new keys          theirs          another's       admin server
caller     presented   others own     own   others  it  keys  memb  it  keys  memb

admin      owner       yyy    yy  yy  yyyyy yyyyy   yyy yyyyy yyyy  yyy yyyyy yyyy  yyyy
admin      member      ynn    yn  nn  yyyyy yyyyy   ynn yyyyy ynnn  ynn yyyyy ynnn  ynyy
admin      restricted  ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy
admin      readonly    ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy

readAdmin  owner       ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy
readAdmin  member      ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy
readAdmin  restricted  ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy
readAdmin  readonly    ynn    yn  nn  ynnnn ynnnn   ynn ynnnn ynnn  ynn ynnnn ynnn  ynyy

user       owner       ...    yn  ny  yyyyy .x...   ... ..... ....  ... ..... ....  nnnn
user       member      ...    yn  nn  yyyyy .x...   ... ..... ....  ... ..... ....  nnnn
user       restricted  ...    yn  nn  ynnnn .x...   ... ..... ....  ... ..... ....  nnnn
user       readonly    ...    yn  nn  ynnnn .x...   ... ..... ....  ... ..... ....  nnnn

owner      owner       ...    yn  ny  yyyyy .x...   yyy yyyyy yyyy  ... ..... ....  nnnn
owner      member      ...    yn  nn  yyyyy .x...   ynn yyyyy ynnn  ... ..... ....  nnnn
owner      restricted  ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
owner      readonly    ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn

member     owner       ...    yn  ny  yyyyy .x...   ynn yyyyy ynnn  ... ..... ....  nnnn
member     member      ...    yn  nn  yyyyy .x...   ynn yyyyy ynnn  ... ..... ....  nnnn
member     restricted  ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
member     readonly    ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn

restricted owner       ...    yn  ny  yyyyy .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
restricted member      ...    yn  nn  yyyyy .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
restricted restricted  ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
restricted readonly    ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn

readonly   owner       ...    yn  ny  yyyyy .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
readonly   member      ...    yn  nn  yyyyy .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
readonly   restricted  ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
readonly   readonly    ...    yn  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn

key        owner       ...    ..  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
key        member      ...    ..  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
key        restricted  ...    ..  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
key        readonly    ...    ..  nn  ynnnn .x...   ynn ynnnn ynnn  ... ..... ....  nnnn
"""
"""y: done; n: forbidden, 403; .: not there, 404; x: the body names an unknown owner, 422.

The callers from `owner` to `readonly` are users with that membership of the environment called
theirs, `user` is one without any, and `key` is a key of that environment. A letter for each action:

accounts    see, edit, deactivate; of its own: see, edit
new         an account, an environment
keys        see, create, edit, deactivate, rotate; all are readonly, so that strength decides
            nothing
it          the environment: see, edit, deactivate
memb        its members, readonly ones: see, create, edit, remove
admin server      a setting: see, set; the audit log; the metrics
"""

LETTERS = {200: "y", 201: "y", 202: "y", 403: "n", 404: ".", 422: "x"}
ROWS = [line.split() for line in TABLE.splitlines()[4:] if line]
V = "/v2-beta"


async def tried(key: Presented, *actions: tuple[str, str, object]) -> str:
    """The letters of the answers to some requests: method, path and body."""
    letters = ""
    for method, path, body in actions:
        answer = await key.ask(method, V + path, body)
        letters += LETTERS.get(answer.status, f"({answer.code})")
    return letters


async def on_keys(api: AdminApi, key: Presented, owner: Account | Environment) -> str:
    """Actions on a key of `owner`, and the creation of one."""
    one = f"/apikeys/{(await api.key(owner, Role.READONLY)).key.ref}"
    own = owner.id in {key.key.account_id, key.key.environment_id}
    collection = f"/projects/{owner.ref}/apikeys" if isinstance(owner, Environment) else "/apikeys"
    whose = {} if own or isinstance(owner, Environment) else {"accountId": owner.ref}
    return await tried(
        key,
        ("GET", one, None),
        ("POST", collection, {"role": "readonly"} | whose),
        ("PUT", one, {"name": "n"}),
        ("POST", f"{one}/?action=deactivate", None),
        ("POST", f"{one}/?action=rotate", None),
    )


async def on_environment(api: AdminApi, key: Presented, one: Environment) -> list[str]:
    """Actions on an environment, its keys and its members."""
    reader, newcomer = await api.account(), await api.account()
    async with api.store.write() as tx:
        number = await tx.next_id("membership")
        await tx.put(Membership(number, reader.id, one.id, Role.READONLY, api.clock()))
    path, member = f"/projects/{one.ref}", f"/projectmembers/1m{number}"
    body = {"accountId": newcomer.ref, "role": "readonly"}
    return [
        await tried(
            key,
            ("GET", path, None),
            ("PUT", path, {"name": "n"}),
            ("POST", f"{path}/?action=deactivate", None),
        ),
        await on_keys(api, key, one),
        await tried(
            key,
            ("GET", member, None),
            ("POST", f"{path}/projectmembers", body),
            ("PUT", member, {"role": "readonly"}),
            ("DELETE", member, None),
        ),
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
async def test_a_caller_may_do_what_its_row_says_and_nothing_else(
    api: AdminApi, row: list[str]
) -> None:
    """The row of a caller and of its key's role in the table above."""
    caller, presented = row[0], Role(row[1])
    kinds = {"admin": AccountKind.ADMIN, "readAdmin": AccountKind.READ_ADMIN}
    account = await api.account(kinds.get(caller, AccountKind.USER))
    owner, other = await api.account(), await api.account()
    membership = {account: Role(caller)} if caller in {*Role} else {}
    theirs = await api.environment({owner: Role.OWNER} | membership)
    anothers = await api.environment({owner: Role.OWNER})
    own = theirs if caller == "key" else account
    key = await api.key(own, presented)
    await api.admin.put(f"{V}/settings/rotation_overlap", {"value": "1h"})
    path, mine = f"/accounts/{other.ref}", f"/accounts/{own.ref}"
    found = [
        await tried(
            key,
            ("GET", path, None),
            ("PUT", path, {"name": "n"}),
            ("POST", f"{path}/?action=deactivate", None),
        ),
        await tried(key, ("GET", mine, None), ("PUT", mine, {"name": "n"})),
        await tried(
            key,
            ("POST", "/accounts", {"name": "n", "kind": "user"}),
            ("POST", "/projects", {"name": "n"}),
        ),
        await on_keys(api, key, own),
        await on_keys(api, key, other),
        *await on_environment(api, key, theirs),
        *await on_environment(api, key, anothers),
        await tried(
            key,
            ("GET", "/settings/access_control", None),
            ("PUT", "/settings/access_control", {"value": "on"}),
            ("GET", "/auditlogs/1", None),
        )
        + LETTERS[(await key.get("/metrics")).status],
    ]
    assert found == row[2:]


def test_the_table_has_every_caller_with_every_role() -> None:
    """Every row has every cell."""
    assert {len(row) for row in ROWS} == {14}
    assert [row[1] for row in ROWS] == [*Role] * 8
    assert [row[0] for row in ROWS[::4]] == ["admin", "readAdmin", "user", *Role, "key"]
