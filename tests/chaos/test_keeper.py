"""The keeper of a node with workers stands still, while the workers could go on for ever."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.test_faults import BOUND
from tests.support.postgres import server
from tests.test_several_nodes import Site, eventually
from tests.test_workers import Site as Workers


def test_workers_permit_nothing_past_the_lease_that_their_keeper_took(tmp_path: Path) -> None:
    """They look at its end, and at the clock, with each request. Once the keeper goes on they go by
    what was changed elsewhere."""
    with server() as postgres, ExitStack() as open_:
        site = Site(tmp_path, postgres, open_, workers=2)
        number, key = site.on("a").new_key()
        eventually(lambda: site.ask("b", key), 200, while_=401)
        keeper = Workers(tmp_path, site.processes["b"], site.on("b")).keeper
        os.kill(keeper, signal.SIGSTOP)
        try:
            site.on("a").call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
            revoked = last = time.monotonic()
            while (asked := time.monotonic()) < revoked + BOUND + 1:
                answer = site.ask("b", key)
                assert answer in {200, 503}
                last = asked if answer == 200 else last
        finally:
            os.kill(keeper, signal.SIGCONT)
        assert answer == 503
        assert last < revoked + BOUND
        eventually(lambda: site.ask("b", key), 401, while_=503)
