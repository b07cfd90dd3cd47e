"""Files of htpasswd: what can be taken, what cannot and why, and that no hash is ever told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.cli.htpasswd import lines_of

REST = "abcdefghijklmnopqrstuv" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
HASH = f"$2y$10${REST}"


@pytest.mark.parametrize("secret_hash", [HASH, f"$2a$04${REST}", f"$2b$12${REST}"])
@pytest.mark.parametrize("after", ["", ":a comment", "\r"])
def test_what_is_taken(secret_hash: str, after: str) -> None:
    """The three names of the same bcrypt; a comment behind it is ignored, as are line ends."""
    (line,) = lines_of(f"a.B_9@x+-:{secret_hash}{after}\n")
    assert (line.name, line.secret_hash, line.reason) == ("a.B_9@x+-", secret_hash, "")


def test_empty_lines_and_comments() -> None:
    """Say nothing; the others keep their numbers."""
    lines = list(lines_of(f"\n# users\n  \nalice:{HASH}\n\n"))
    assert [(line.number, line.name) for line in lines] == [(4, "alice")]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("alice:$apr1$salt$hash", "apr1"),
        ("alice:{SHA}hash", "SHA-1"),
        ("alice:{SSHA}hash", "SHA-1"),
        ("alice:$1$salt$hash", "MD5"),
        ("alice:$5$salt$hash", "SHA-256"),
        ("alice:$6$salt$hash", "SHA-512"),
        ("alice:$argon2id$v=19$hash", "Argon2"),
        ("alice:rl.3StKT.4T8M", "crypt"),
        ("alice:password", "plain"),
        ("alice:", "no hash"),
        (f"alice:$2x$10${REST}", "form of bcrypt"),
        (f"alice:{HASH[:-1]}", "form of bcrypt"),
        (f"alice:{HASH}x", "form of bcrypt"),
        ("alice", "name:hash"),
        (HASH, "name:hash"),
        (f":{HASH}", "the name"),
        (f"al ice:{HASH}", "the name"),
        (f"älice:{HASH}", "the name"),
        (f"{'a' * 65}:{HASH}", "the name"),
        (f"{HASH}:alice", "the name"),
    ],
)
def test_what_is_refused(entry: str, reason: str) -> None:
    """With the reason, which repeats nothing that may be secret."""
    (line,) = lines_of(entry)
    assert reason in line.reason
    assert line.secret_hash == ""
    assert REST[:20] not in line.reason + line.name
    assert "password" not in line.reason


def test_a_name_given_twice() -> None:
    """The first entry counts, as for Apache; one that cannot be taken does not count."""
    lines = list(lines_of(f"alice:plain\nalice:{HASH}\nalice:{HASH}\n"))
    assert [bool(line.reason) for line in lines] == [True, False, True]
    assert lines[2].reason == "named before, on line 2"


@given(st.text(), st.sampled_from(["", f"{HASH}\n", f"a:{HASH}\n"]))
def test_nothing_makes_it_fail(text: str, before: str) -> None:
    """Whatever the file holds, every line is an entry or has a reason."""
    for line in lines_of(before + text):
        assert bool(line.secret_hash) != bool(line.reason)
