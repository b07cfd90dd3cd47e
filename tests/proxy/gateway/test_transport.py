"""When a connection is read: while no reason holds it, and in turn with the others."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.transport import AHEAD, PEER, ReadControl


class Recorded(asyncio.Transport):
    """A transport that records whether it is read, and asserts that this changes at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


@given(st.lists(st.tuples(st.sampled_from([PEER, AHEAD, PEER | AHEAD]), st.booleans())))
def test_a_connection_is_read_while_no_reason_holds_it(steps: list[tuple[int, bool]]) -> None:
    """Reasons are independent: the end of one is not the end of another."""
    transport = Recorded()
    flow, holding = ReadControl(transport), 0
    for why, held in steps:
        flow.hold(why, held)
        holding = holding | why if held else holding & ~why
        assert flow.holds == holding
        assert transport.reading == (holding == 0)


def test_a_hold_over_tls_stops_the_connection_beneath_too() -> None:
    """Its end would otherwise arrive before bytes that are still to be decrypted."""
    transport, beneath = Recorded(), Recorded()
    flow = ReadControl(beneath)
    flow.over_tls(transport, beneath)
    flow.hold(PEER, True)
    assert (transport.reading, beneath.reading) == (False, False)
    flow.hold(PEER, False)
    assert (transport.reading, beneath.reading) == (True, True)


async def test_a_turn_begins_after_the_others_have_had_theirs() -> None:
    """Until then nothing is read; two requests for a turn are one turn."""
    transport, taken = Recorded(), []
    flow = ReadControl(transport)
    flow.wait_a_turn(lambda: taken.append("first"))
    flow.wait_a_turn(lambda: taken.append("second"))
    assert flow.waiting
    assert not transport.reading
    assert taken == []
    await asyncio.sleep(0)
    assert taken == ["first"]
    assert not flow.waiting
    assert transport.reading


async def test_a_turn_may_request_the_next_one() -> None:
    """Nothing is read between the two."""
    transport = Recorded()
    flow, left = ReadControl(transport), [3]

    def go_on() -> None:
        assert not transport.reading
        left[0] -= 1
        if left[0]:
            flow.wait_a_turn(go_on)

    flow.wait_a_turn(go_on)
    for _ in range(3):
        assert not transport.reading
        await asyncio.sleep(0)
    assert left == [0]
    assert transport.reading


async def test_no_turn_begins_while_the_other_side_accepts_no_more() -> None:
    """It begins once the other side accepts more."""
    transport, taken = Recorded(), []
    flow = ReadControl(transport)
    flow.hold(PEER, True)
    flow.wait_a_turn(lambda: taken.append("turn"))
    await asyncio.sleep(0)
    assert taken == []
    flow.hold(PEER, False)
    assert not transport.reading
    await asyncio.sleep(0)
    assert taken == ["turn"]
    assert transport.reading
