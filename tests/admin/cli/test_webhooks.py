"""`wardgate webhooks`: a test reaches a receiver, and what fails can be sent again."""

from __future__ import annotations

from tests.admin.cli.served import Served


def test_messages_are_listed_and_shown(served: Served) -> None:
    """Without webhooks there are none, and none can be tried."""
    assert served.json("webhooks", "list", "--state", "failed", "--webhook", "ops") == []
    done = served.run("webhooks", "test", "ops")
    assert done.status == 4
    assert "webhook is none of those in the configuration: none" in done.err
    assert served.run("webhooks", "show", "1wm1").status == 4
    assert served.run("webhooks", "retry", "5").status == 4
    assert "ids are such as 1wm5" in served.run("webhooks", "retry", "5").err
