"""Quotas and the process that spends them: what a kill costs, and what a clean stop keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from tests.installation import Installation
from tests.patience import PATIENCE
from tests.support.credentials import Credentials

QUOTA, KILLS = 1000, 3


def statuses(here: Installation, key: Credentials, times: int) -> Iterator[int]:
    """What the gateway answers so many requests. Nobody listens behind it: 502 has passed."""
    client = HTTPConnection("127.0.0.1", here.gateway, timeout=PATIENCE)
    try:
        for _ in range(times):
            client.request("GET", "/x", headers={"Authorization": key.authorization})
            with client.getresponse() as answer:
                answer.read()
                yield answer.status
    finally:
        client.close()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def new_key(here: Installation) -> Credentials:
    """A key with a quota."""
    made = here.call("/apikeys", "-d", f'{{"limits": {{"quota": "{QUOTA}/month"}}}}')
    return Credentials.of(made)


def test_a_quota_is_not_exceeded_by_kills(tmp_path: Path) -> None:
    """Each loses a hundredth of the quota at most, however many requests have passed before."""
    here = Installation(tmp_path)
    with here.serving() as process:
        key = new_key(here)
        passed = list(statuses(here, key, 3)).count(502)
        kill(process)
    for times in (1, 157)[: KILLS - 1]:
        with here.serving() as process:
            passed += list(statuses(here, key, times)).count(502)
            kill(process)
    assert passed == 161
    with here.serving():
        passed += list(statuses(here, key, QUOTA)).count(502)
    assert QUOTA - KILLS * QUOTA // 100 <= passed <= QUOTA


def test_a_clean_stop_loses_nothing_of_a_quota(tmp_path: Path) -> None:
    """What was granted and not spent is given back."""
    here = Installation(tmp_path)
    with here.serving():
        key = new_key(here)
        assert list(statuses(here, key, 3)) == [502] * 3
    for times in (1, 157):
        with here.serving():
            assert list(statuses(here, key, times)) == [502] * times
    with here.serving():
        last = list(statuses(here, key, QUOTA - 160))
    assert last == [502] * (QUOTA - 161) + [429]
