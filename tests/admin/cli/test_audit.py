"""`wardgate audit`: the audit log shown, exported and verified."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.domain.audit import chain
from proxy.domain.audit_chain import Head, prune_entry
from tests.admin.cli.served import Served, fresh

Lines = list[dict[str, Any]]


def exported(served: Served) -> Lines:
    """The audit log, of five entries at least."""
    served.json("environments", "create", fresh("env"))
    return [json.loads(line) for line in served.run("audit", "export").out.splitlines()]


def written(lines: Lines, file: Path) -> str:
    """An export in a file."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def test_the_audit_log_is_listed_by_action_subject_account_and_key(served: Served) -> None:
    """With --desc, the newest entry comes first."""
    name = fresh("account")
    made = served.json("accounts", "create", name)["id"]
    found = served.json("audit", "list", "--action", "account.create", "--subject", made)
    assert [entry["after"]["name"] for entry in found] == [name]
    newest = served.json("audit", "list", "--desc", "--limit", "2")
    assert [entry["id"] for entry in newest] == [found[0]["id"], str(int(found[0]["id"]) - 1)]
    by = served.json("audit", "list", "--key", found[0]["keyId"], "--account", "1a1", "--desc")
    assert by[0]["id"] == found[0]["id"]
    key, account = (
        served.json(f"{kind}s", "show", by[0][f"{kind}Id"]) for kind in ("key", "account")
    )
    names = ("--key", key["publicValue"], "--account", account["name"])
    assert served.json("audit", "list", *names, "--desc")[0]["id"] == found[0]["id"]
    assert served.process("audit", "list", "--subject", made).rows[1][2:4] == [
        "account.create",
        made,
    ]


def test_a_table_says_who_did_it(served: Served) -> None:
    """By account and key; who has logged in to the console without a key has a name."""
    header, first, *_ = served.process("audit", "list", "--desc", "--limit", "1").rows
    assert header[4:8] == ["ACCOUNT", "KEY", "PERSON", "ADDRESS"]
    entry = served.json("audit", "list", "--desc", "--limit", "1")[0]
    assert first[4:6] == [entry["accountId"], entry["keyId"]]


def test_the_audit_log_is_listed_from_one_moment_to_another(served: Served) -> None:
    """A duration counts back from now; a date is the moment when it begins in UTC. The first moment
    is included and the last one is not."""
    whole = [line["id"] for line in exported(served)]
    newest = served.json("audit", "list", "--desc", "--limit", "1")[0]
    today = datetime.fromisoformat(newest["created"])
    tomorrow = f"{today + timedelta(days=1):%Y-%m-%d}"

    def found(*options: str) -> list[str]:
        return [entry["id"] for entry in served.json("audit", "list", *options)]

    for options in (["--since", "1d"], ["--until", tomorrow], ["--since", "2000-01-01"]):
        assert found(*options) == whole, options
    for options in (["--since", tomorrow], ["--until", "1d"], ["--until", "2000-01-01T00:00:00Z"]):
        assert found(*options) == [], options
    assert newest["id"] in found("--since", newest["created"])
    assert newest["id"] not in found("--until", newest["created"])
    moment = f"{today + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    assert newest["id"] in found("--since", newest["created"], "--until", moment)
    assert newest["id"] in found("--since", "1d", "--action", newest["eventType"], "--desc")
    for wrong in ("yesterday", "2030-01-31T12:00:00", "never", "2030-02-30"):
        done = served.run("audit", "list", "--since", wrong)
        assert done.status == 2
        assert "2030-01-31T12:00:00Z" in done.err


def test_an_export_has_one_line_for_each_entry(served: Served, tmp_path: Path) -> None:
    """On standard output, or in a new file that only its owner can read."""
    lines = exported(served)
    assert [line["id"] for line in lines] == [str(n + 1) for n in range(len(lines))]
    file = tmp_path / "audit-log.jsonl"
    done = served.process("audit", "export", "--file", str(file))
    assert (done.status, done.out) == (0, "")
    assert str(len(lines)) in done.err
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert served.run("audit", "export", "--file", str(file)).status == 1


def test_an_export_is_written_where_output_says(served: Served, tmp_path: Path) -> None:
    """A file, or one document of JSON or YAML on standard output."""
    lines, file = exported(served), tmp_path / "log.jsonl"
    done = served.process("audit", "export", "--output", str(file))
    assert (done.status, done.out) == (0, "")
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert served.run("audit", "verify", "--file", str(file)).status == 0
    assert served.run("audit", "export", "-o", str(file)).status == 1
    assert json.loads(served.run("audit", "export", "--output", "json").out) == lines
    assert yaml.safe_load(served.run("audit", "export", "--output", "yaml").out) == lines
    for wrong in (["table"], ["json", "--file", "x"], [str(file), "--file", "x"]):
        assert served.run("audit", "export", "--output", *wrong).status == 2
    assert not Path("x").exists()


def test_an_unaltered_audit_log_verifies(served: Served, tmp_path: Path) -> None:
    """From the admin server or an export; without --head, the output says what is not verified."""
    lines = exported(served)
    head = f"{lines[-1]['id']}:{lines[-1]['hash']}"
    for source in ([], ["--file", written(lines, tmp_path / "audit log")]):
        done = served.process("audit", "verify", *source)
        assert done.status == 0
        assert "Without --head" in done.out
        assert head in done.out
    assert served.run("audit", "verify", "--quiet").out == f"{head}\n"
    piped = served.process(
        "audit", "verify", "--file", "-", input=(tmp_path / "audit log").read_text()
    )
    assert piped.status == 0


def test_a_known_head_verifies_everything_up_to_its_entry(served: Served) -> None:
    """The head from an earlier run is found again."""
    exported(served)
    head = served.run("audit", "verify", "--quiet").out.strip()
    exported(served)
    done = served.process("audit", "verify", "--head", head)
    assert done.status == 0
    assert "Without --head" not in done.out
    verdict = served.json("audit", "verify", "--head", head)
    assert verdict["tailVouchedFor"] is True
    assert verdict["head"] != head


def test_an_export_is_verified_without_an_admin_server(served: Served, tmp_path: Path) -> None:
    """And without credentials."""
    file = written(exported(served), tmp_path / "audit log")
    nowhere = {"WARDGATE_URL": "http://127.0.0.1:1", "HOME": str(tmp_path)}
    assert served.process("audit", "verify", "--file", file, **nowhere).status == 0


def swapped(lines: Lines) -> Lines:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def edited(lines: Lines) -> Lines:
    return [*lines[:2], lines[2] | {"clientIp": "10.0.0.1"}, *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "entry 3 is missing"),
        (lambda lines: lines[2:], "entries 1 to 2 are missing"),
        (swapped, "entry 3 follows entry 4"),
        (edited, "entry 3 was altered"),
        (lambda lines: [*lines, lines[-1]], "follows"),
        (lambda lines: [*lines[:2], {}, *lines[2:]], "what follows entry 2 is not an entry"),
        (lambda _: [], "the log has no entry"),
    ],
)
def test_an_altered_audit_log_is_reported_with_the_entry(
    served: Served, tmp_path: Path, tamper: Callable[[Lines], Lines], message: str
) -> None:
    """Exit status 1."""
    file = written(tamper(exported(served)), tmp_path / "audit log")
    done = served.process("audit", "verify", "--file", file)
    assert done.status == 1
    assert message in done.out
    assert "does not verify" in done.err
    verdict = served.run("audit", "verify", "--file", file, "--output", "json")
    assert (verdict.status, verdict.data["verified"]) == (1, False)
    assert served.run("audit", "verify", "--file", file, "--quiet").out == ""


def test_entries_removed_from_the_end_are_found_with_a_head(served: Served, tmp_path: Path) -> None:
    """Without a head, the rest verifies."""
    lines = exported(served)
    head = f"{lines[-1]['id']}:{lines[-1]['hash']}"
    file = written(lines[:-1], tmp_path / "audit log")
    assert served.run("audit", "verify", "--file", file).status == 0
    done = served.process("audit", "verify", "--file", file, "--head", head)
    assert done.status == 1
    assert f"the log ends at entry {lines[-2]['id']}" in done.out


@pytest.mark.parametrize("head", ["", "5", "5:abc", f"0:{'a' * 64}", f"5:{'A' * 64}"])
def test_a_malformed_head_is_a_usage_error(served: Served, head: str) -> None:
    """Exit status 2."""
    assert served.run("audit", "verify", "--head", head).status == 2


def test_a_missing_export_is_a_usage_error(served: Served) -> None:
    """With the system's reason."""
    done = served.run("audit", "verify", "--file", "/no/such/file")
    assert done.status == 2
    assert "cannot read /no/such/file: No such file or directory" in done.err


def test_a_log_whose_oldest_entries_were_deleted_verifies_from_where_it_begins(
    served: Served, tmp_path: Path
) -> None:
    """And says where that is. A head of a deleted entry vouches for nothing."""
    lines = exported(served)
    last, deleted = lines[-1], Head(int(lines[1]["id"]), lines[1]["hash"])
    number, entry = int(last["id"]) + 1, prune_entry(7, 2, deleted)
    members = {"id": str(number), "createdTS": 7, "eventType": entry.action}
    members |= {"resourceId": entry.subject, "before": None, "after": entry.after}
    members |= dict.fromkeys(("accountId", "keyId", "clientIp", "requestId"))
    members["hash"] = chain(last["hash"], number, entry)
    file = written([*lines[2:], members], tmp_path / "audit log")
    done = served.run("audit", "verify", "--file", file)
    assert done.status == 0
    assert "The log begins at entry 3: those before were deleted" in done.out
    assert served.run("audit", "verify", "--file", file, "--output", "json").data["first"] == 3
    head = f"{lines[0]['id']}:{lines[0]['hash']}"
    done = served.process("audit", "verify", "--file", file, "--head", head)
    assert (done.status, "entry 1, was deleted" in done.out) == (1, True)
