"""Every phase in which an exchange waits for a client or an upstream has a deadline."""

from __future__ import annotations

from dataclasses import replace

from proxy.domain.routes import Access, Route
from proxy.gateway.deadlines import DEADLINES, Phase, of_route, waiting_for
from proxy.gateway.dialer import Dial


def test_every_phase_but_deciding_tunnel_and_done_has_a_deadline() -> None:
    """The decision and the tunnel have deadlines of their own."""
    assert set(Phase) - set(DEADLINES) == {Phase.DECIDING, Phase.TUNNEL, Phase.DONE}


def test_only_the_two_phases_of_a_response_share_a_failure() -> None:
    """A response without progress is one failure, whether it began early or not."""
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


def test_a_route_has_the_timeouts_of_its_upstream_but_for_its_own() -> None:
    """One of them, or both."""
    dial = Dial("h", 80, None, None, None, 1, 2, 3, 4, 5, 6, 7, 8)
    route = Route("/**", Access.ACCOUNT, "default")
    assert of_route(route, dial) is dial
    assert of_route(replace(route, idle_timeout=30.0), dial) == dial._replace(idle_timeout=30.0)
    own = replace(route, first_byte_timeout=20.0)
    assert of_route(own, dial) == dial._replace(first_byte_timeout=20.0)
