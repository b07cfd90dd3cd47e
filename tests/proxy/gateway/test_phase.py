"""Every phase in which an exchange waits for somebody has a deadline."""

from __future__ import annotations

from proxy.gateway.phase import DEADLINES, Phase, waiting_for


def test_only_what_waits_for_nobody_has_no_deadline() -> None:
    """The decision has its own, a tunnel too, and what is done is over."""
    assert set(Phase) - set(DEADLINES) == {Phase.DECIDING, Phase.TUNNEL, Phase.DONE}


def test_two_phases_are_told_apart_by_their_failure() -> None:
    """A response that stands still is one failure, whether it began early or not."""
    failures = [deadline.failure for deadline in DEADLINES.values()]
    assert len(set(failures)) == len(failures) - 1
    early, late = DEADLINES[Phase.RESPONDING_EARLY], DEADLINES[Phase.RESPONDING]
    assert early.failure is late.failure


def test_a_side_that_does_not_read_is_waited_for_in_place_of_the_other() -> None:
    """A client is never blamed for an upstream that takes no more of the request."""
    for phase in Phase:
        assert waiting_for(phase, client=True, upstream=True) is Phase.CLIENT_STALLED
        assert waiting_for(phase, client=False, upstream=False) is phase
        late = waiting_for(phase, client=False, upstream=True)
        assert late not in {Phase.UPLOADING, Phase.RESPONDING_EARLY}
