"""`wardgate audit`: the audit log read, kept and verified, as the admin server has it and as it was
kept."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_list(served: Served) -> None:
    """Who did what, by any of it, the newest first where asked."""
    name = fresh("account")
    made = served.json("accounts", "create", name)["id"]
    found = served.json("audit", "list", "--action", "account.create", "--subject", made)
    assert [entry["after"]["name"] for entry in found] == [name]
    newest = served.json("audit", "list", "--desc", "--limit", "2")
    assert [entry["id"] for entry in newest] == [found[0]["id"], str(int(found[0]["id"]) - 1)]
    by = served.json("audit", "list", "--key", found[0]["keyId"], "--account", "1a1", "--desc")
    assert by[0]["id"] == found[0]["id"]
    assert served.process("audit", "list", "--subject", made).rows[1][2:4] == [
        "account.create",
        made,
    ]


def test_export(served: Served, tmp_path: Path) -> None:
    """An entry a line, on standard output or in a new file that only its owner reads."""
    lines = exported(served)
    assert [line["id"] for line in lines] == [str(n + 1) for n in range(len(lines))]
    file = tmp_path / "audit-log.jsonl"
    done = served.process("audit", "export", "--file", str(file))
    assert (done.status, done.out) == (0, "")
    assert str(len(lines)) in done.err
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert served.run("audit", "export", "--file", str(file)).status == 1


def test_a_whole_audit_log_verifies(served: Served, tmp_path: Path) -> None:
    """From the admin server or from an export; without a head it says what it cannot say."""
    lines = exported(served)
    head = f"{lines[-1]['id']}:{lines[-1]['hash']}"
    for source in ([], ["--file", written(lines, tmp_path / "audit log")]):
        done = served.process("audit", "verify", *source)
        assert done.status == 0
        assert "not vouched for" in done.out
        assert head in done.out
    assert served.run("audit", "verify", "--quiet").out == f"{head}\n"
    piped = served.process(
        "audit", "verify", "--file", "-", input=(tmp_path / "audit log").read_text()
    )
    assert piped.status == 0


def test_against_a_head(served: Served) -> None:
    """What was kept earlier is found again, and everything up to there vouched for."""
    exported(served)
    head = served.run("audit", "verify", "--quiet").out.strip()
    exported(served)
    done = served.process("audit", "verify", "--head", head)
    assert done.status == 0
    assert "not vouched for" not in done.out
    verdict = served.json("audit", "verify", "--head", head)
    assert verdict["tailVouchedFor"] is True
    assert verdict["head"] != head


def test_an_export_needs_no_admin_server(served: Served, tmp_path: Path) -> None:
    """Nor any credentials."""
    file = written(exported(served), tmp_path / "audit log")
    nowhere = {"WARDGATE_URL": "http://127.0.0.1:1", "HOME": str(tmp_path)}
    assert served.process("audit", "verify", "--file", file, **nowhere).status == 0


def swapped(lines: Lines) -> Lines:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def edited(lines: Lines) -> Lines:
    return [*lines[:2], lines[2] | {"clientIp": "10.0.0.1"}, *lines[3:]]


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "entry 3 is missing"),
        (lambda lines: lines[2:], "entries 1 to 2 are missing"),
        (swapped, "entry 3 stands behind entry 4"),
        (edited, "entry 3 was altered"),
        (lambda lines: [*lines, lines[-1]], "stands behind"),
        (lambda lines: [*lines[:2], {}, *lines[2:]], "behind entry 2 is not an entry"),
        (lambda _: [], "there is no entry"),
    ],
)
def test_tampering(
    served: Served, tmp_path: Path, tamper: Callable[[Lines], Lines], told: str
) -> None:
    """Exit status 1, and which entry it is."""
    file = written(tamper(exported(served)), tmp_path / "audit log")
    done = served.process("audit", "verify", "--file", file)
    assert done.status == 1
    assert told in done.out
    assert "does not verify" in done.err
    verdict = served.run("audit", "verify", "--file", file, "--output", "json")
    assert (verdict.status, verdict.data["verified"]) == (1, False)
    assert served.run("audit", "verify", "--file", file, "--quiet").out == ""


def test_a_cut_tail_shows_against_a_head(served: Served, tmp_path: Path) -> None:
    """And only so: what is left verifies by itself."""
    lines = exported(served)
    head = f"{lines[-1]['id']}:{lines[-1]['hash']}"
    file = written(lines[:-1], tmp_path / "audit log")
    assert served.run("audit", "verify", "--file", file).status == 0
    done = served.process("audit", "verify", "--file", file, "--head", head)
    assert done.status == 1
    assert f"the log ends at entry {lines[-2]['id']}" in done.out


@pytest.mark.parametrize("head", ["", "5", "5:abc", f"0:{'a' * 64}", f"5:{'A' * 64}"])
def test_a_head_that_is_none(served: Served, head: str) -> None:
    """Wrong usage."""
    assert served.run("audit", "verify", "--head", head).status == 2


def test_an_export_that_is_not_there(served: Served) -> None:
    """Wrong usage, and in one sentence."""
    done = served.run("audit", "verify", "--file", "/no/such/file")
    assert done.status == 2
    assert "cannot read /no/such/file: No such file or directory" in done.err
