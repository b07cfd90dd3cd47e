"""`wardgate keys explain`: what the gateway would decide, and why."""

from __future__ import annotations

from tests.admin.cli.served import Served, environment


def test_explain_shows_what_the_gateway_would_decide(served: Served) -> None:
    """The environment of a permitted request, and the status of a refused one."""
    slug = environment(served)
    key = served.json("keys", "create", "--environment", slug, "--read-only")["publicValue"]
    path = f"/v1/projects/{slug}/hosts"
    permit = served.json("keys", "explain", "GET", path, "--key", key)
    assert (permit["decision"], permit["environment"]) == ("permit", slug)
    quiet = served.run("keys", "explain", "GET", path, "--key", key, "--quiet")
    assert (quiet.status, quiet.out) == (0, "permit\n")


def test_a_denial_is_explained_by_a_sentence_and_exit_status_1(served: Served) -> None:
    """In every format, whatever the reason."""
    slug = environment(served)
    key = served.json("keys", "create", "--environment", slug, "--read-only")["publicValue"]
    path = f"/v1/projects/{slug}/hosts"
    explain = ("keys", "explain", "--key", key)
    deny = served.run(*explain, "POST", path, "--output", "json")
    assert (deny.status, deny.err) == (1, "")
    assert (deny.data["decision"], deny.data["status"]) == ("deny", 403)
    shown = served.process(*explain, "POST", path)
    assert (shown.status, shown.err) == (1, "")
    assert "The role is `readonly`" in shown.out
    other = served.process(*explain, "GET", "/v1/projects/x/y")
    assert "The key has no access to the environment in the path." in other.out
    quiet = served.run(*explain, "GET", "/v1/projects/x/y", "--quiet")
    assert (quiet.status, quiet.out) == (1, "deny\n")
    served.json("keys", "deactivate", key, "--environment", slug, "--yes")
    assert "The key is not active." in served.process(*explain, "GET", path).out


def test_a_path_without_a_slash_is_a_usage_error(served: Served) -> None:
    """A URL is none: scheme and host are left out."""
    for path in ("v1/projects", f"{served.gateway}/v1/projects", "*"):
        done = served.run("keys", "explain", "GET", path, "--key", served.access_key)
        assert (done.status, "PATH begins with /" in done.err) == (2, True)
