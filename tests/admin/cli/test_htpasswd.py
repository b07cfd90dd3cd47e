"""htpasswd files: what can be imported, why the rest cannot, and that no reason repeats a hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.cli.htpasswd import parse_htpasswd

REST = "abcdefghijklmnopqrstuv" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
HASH = f"$2y$10${REST}"


@pytest.mark.parametrize("secret_hash", [HASH, f"$2a$04${REST}", f"$2b$12${REST}"])
@pytest.mark.parametrize("after", ["", ":a comment", "\r"])
def test_a_bcrypt_entry_of_each_prefix_is_an_entry_to_import(secret_hash: str, after: str) -> None:
    """A comment after it is ignored, and so is a carriage return."""
    (line,) = parse_htpasswd(f"a.B_9@x+-:{secret_hash}{after}\n")
    assert (line.name, line.secret_hash, line.reason) == ("a.B_9@x+-", secret_hash, "")


def test_empty_lines_and_comments_are_skipped_but_counted() -> None:
    """The other lines keep their numbers."""
    lines = list(parse_htpasswd(f"\n# users\n  \nalice:{HASH}\n\n"))
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
def test_a_line_that_cannot_be_imported_has_a_reason_without_its_hash(
    entry: str, reason: str
) -> None:
    """The reason repeats nothing that may be secret."""
    (line,) = parse_htpasswd(entry)
    assert reason in line.reason
    assert line.secret_hash == ""
    assert REST[:20] not in line.reason + line.name
    assert "password" not in line.reason


def test_only_the_first_entry_of_a_name_is_imported() -> None:
    """As in Apache httpd; an entry that cannot be imported does not count."""
    lines = list(parse_htpasswd(f"alice:plain\nalice:{HASH}\nalice:{HASH}\n"))
    assert [bool(line.reason) for line in lines] == [True, False, True]
    assert lines[2].reason == "the name is also on line 2, and the first entry counts"


@given(st.text(), st.sampled_from(["", f"{HASH}\n", f"a:{HASH}\n"]))
def test_any_text_can_be_parsed_as_htpasswd(text: str, before: str) -> None:
    """Every line is an entry or has a reason."""
    for line in parse_htpasswd(before + text):
        assert bool(line.secret_hash) != bool(line.reason)
