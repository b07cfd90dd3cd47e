"""Every phase in which an exchange waits for a client or an upstream has a deadline."""

from __future__ import annotations

from proxy.gateway.phase import DEADLINES, Phase


def test_every_phase_but_deciding_tunnel_and_done_has_a_deadline() -> None:
    """The decision and the tunnel have deadlines of their own."""
    assert set(Phase) - set(DEADLINES) == {Phase.DECIDING, Phase.TUNNEL, Phase.DONE}


def test_only_the_two_phases_of_a_response_share_a_failure() -> None:
    """A response without progress is one failure, whether it began early or not."""
    failures = [deadline.failure for deadline in DEADLINES.values()]
    assert len(set(failures)) == len(failures) - 1
    early, late = DEADLINES[Phase.RESPONDING_EARLY], DEADLINES[Phase.RESPONDING]
    assert early.failure is late.failure
