"""Requests as lines for a shell."""

from __future__ import annotations

import shlex
import subprocess

from admin.console.curl import curl_line

EVIL = "http://h/x?a='$(touch pwned)`id`\"$HOME\n\\"


def test_a_line_names_the_variables_of_a_key() -> None:
    """A GET needs no method, and an empty body is not sent."""
    user = '"$WARDGATE_ACCESS_KEY:$WARDGATE_SECRET_KEY"'
    assert curl_line("GET", "http://h/x") == f"curl -u {user} 'http://h/x'"
    assert curl_line("DELETE", "http://h/x", {}) == f"curl -u {user} -X DELETE 'http://h/x'"
    line = curl_line("POST", "http://h/x", {"name": "ä"})
    assert line == f"curl -u {user} -X POST 'http://h/x' -d '{{\"name\": \"ä\"}}'"


def test_nothing_in_a_url_or_a_body_is_run_by_the_shell() -> None:
    """Quotes, substitutions and line ends are as they were."""
    line = curl_line("PUT", EVIL, {"name": EVIL})
    words = shlex.split(line)
    assert words[:5] == ["curl", "-u", "$WARDGATE_ACCESS_KEY:$WARDGATE_SECRET_KEY", "-X", "PUT"]
    assert words[5] == EVIL
    shown = subprocess.run(
        ["sh", "-c", line.replace("curl", "printf '%s|'", 1)],
        env={"HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split("|")[4] == EVIL
