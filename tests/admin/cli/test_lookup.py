"""Names where commands take ids: a name stands for a resource as long as no other one has it."""

from __future__ import annotations

from tests.admin.cli.served import Served, environment, fresh


def test_a_key_is_found_by_its_name(served: Served) -> None:
    """By every command that takes a key, and among the keys of an environment too."""
    slug, name = environment(served), fresh("key")
    key = served.json("keys", "create", "--environment", slug, "--name", name)
    for more in ((), ("--environment", slug)):
        assert served.json("keys", "show", name, *more)["id"] == key["id"]
    explained = served.json("keys", "explain", "GET", f"/v1/projects/{slug}/x", "--key", name)
    assert explained["decision"] == "permit"
    for action in ("deactivate", "activate"):
        assert served.run("keys", action, name, *("--yes",) * (action[0] == "d")).status == 0


def test_a_name_that_several_keys_have_is_refused_with_their_ids(served: Served) -> None:
    """An access key comes before a name: nobody can take it by a name."""
    name = fresh("key")
    first, second = (served.json("keys", "create", "--name", name) for _ in range(2))
    done = served.run("keys", "deactivate", name, "--yes")
    assert done.status == 1
    assert f"several keys have the name {name}: use an id instead, one of " in done.err
    assert first["id"] in done.err
    assert second["id"] in done.err
    served.json("keys", "create", "--name", first["publicValue"])
    assert served.json("keys", "show", first["publicValue"])["id"] == first["id"]


def test_an_environment_is_found_by_its_slug_before_its_name(served: Served) -> None:
    """A slug is unique, and is compared exactly, as in paths of the gateway."""
    slug, name = environment(served), fresh("Name")
    number = served.json("environments", "show", slug)["id"]
    served.json("environments", "edit", slug, "--name", name)
    served.json("environments", "create", slug, "--slug", fresh("env"))
    assert served.json("environments", "show", slug)["id"] == number
    assert served.json("environments", "show", name)["id"] == number
    for wrong in (slug.upper(), name.lower()):
        assert served.run("environments", "show", wrong).status == 4
    twice = served.run("environments", "create", "other", "--slug", slug.upper())
    assert (twice.status, "slug" in twice.err) == (1, True)


def test_a_name_that_nothing_has_is_not_found(served: Served) -> None:
    """The message says where to look."""
    done = served.run("keys", "show", "nothing")
    assert (done.status, done.err) == (
        4,
        "wardgate: there is no key with the access key or name nothing: `wardgate keys list` shows "
        "those that you may see, with --environment ENV those of an environment; removed ones are "
        "found by their id alone\n",
    )


def test_the_audit_log_is_listed_by_names(served: Served) -> None:
    """Of a subject, of an account and of a key; ids may be those of resources that are gone."""
    name = fresh("key")
    key = served.json("keys", "create", "--name", name)
    served.run("keys", "edit", name, "--description", "x", **served.as_key(key))
    (entry,) = served.json("audit", "list", "--account", "admin", "--key", name)
    assert entry["resourceId"] == key["id"]
    listed = served.json("audit", "list", "--subject", name)
    assert [each["eventType"] for each in listed] == ["key.create", "key.update"]
    assert served.json("audit", "list", "--subject", "1c99999") == []
    assert served.run("audit", "list", "--subject", "rotation_overlap").status == 0
    served.json("accounts", "create", name)
    several = served.run("audit", "list", "--subject", name)
    assert (several.status, f"{key['id']} or 1a" in several.err) == (1, True)
    assert served.run("audit", "list", "--subject", "nothing").status == 4
