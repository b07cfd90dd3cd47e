"""The rates in use: for each subject, the theoretical arrival time (`domain.gcra`).

The rule that lives here: a subject is forgotten once its rate is full again, since that is equal to
a rate without any request. So memory is bounded by the subjects in use. Where a table is full even
so, the subject whose rate would be full first makes room, and whoever is not in the table begins
with what that one had used, as in the Space-Saving algorithm (Metwally et al., 2005). So what is
kept of a subject is never less than what it has used: nobody gets rid of a rate that is used up by
coming from many addresses, however many these are.
"""

from __future__ import annotations

from heapq import heappop, heappush

from proxy.domain.gcra import SECOND, Rate


class _Meter:
    __slots__ = ("arrival", "due", "rate")

    def __init__(self, rate: Rate, arrival: int, due: int) -> None:
        self.rate = rate
        self.arrival = arrival
        self.due = due

    @property
    def full(self) -> int:
        """When the rate is full again."""
        return self.rate.full(self.arrival)


class RateMeters:
    """A table of rates in use. All times are microseconds of a clock that never goes back."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: how many subjects there may be at once; None: as many as are in use."""
        self._most = most
        self._meters: dict[str, _Meter] = {}
        self._due: dict[int, set[str]] = {}
        """The second from which on a rate is surely full → its subjects."""
        self._seconds: list[int] = []
        """A heap of the seconds in `_due`."""
        self._floor: _Meter | None = None
        """What subjects that are not in the table may have used, after some had to make room."""

    def __len__(self) -> int:
        return len(self._meters)

    def __bool__(self) -> bool:
        return bool(self._meters) or self._floor is not None

    def arrival(self, subject: str, rate: Rate, now: int) -> int:
        """The theoretical arrival time of a subject; 0 where its rate is full. Where it had another
        rate so far, what was used of that counts on."""
        meter = self._meters.get(subject)
        if meter is None:
            floor = self._floor
            return 0 if floor is None else rate.carried_over(floor.arrival, now, floor.rate)
        if meter.rate is not rate and meter.rate != rate:
            self.put(subject, rate, rate.carried_over(meter.arrival, now, meter.rate))
        return meter.arrival

    def put(self, subject: str, rate: Rate, arrival: int) -> None:
        """Keep a theoretical arrival time."""
        due = rate.full(arrival) // SECOND + 1
        meter = self._meters.get(subject)
        if meter is None:
            if len(self._meters) == self._most:
                self._make_room()
            self._meters[subject] = _Meter(rate, arrival, due)
            self._file(subject, due)
            return
        meter.rate, meter.arrival = rate, arrival
        if meter.due != due:
            self._due[meter.due].discard(subject)
            meter.due = due
            self._file(subject, due)

    def forget_full(self, now: int) -> None:
        """Forget the subjects whose rates are full again."""
        second = now // SECOND
        while self._seconds and self._seconds[0] <= second:
            for subject in self._due.pop(heappop(self._seconds)):
                del self._meters[subject]
        if self._floor is not None and self._floor.due <= second:
            self._floor = None

    def _file(self, subject: str, due: int) -> None:
        subjects = self._due.get(due)
        if subjects is None:
            self._due[due] = {subject}
            heappush(self._seconds, due)
        else:
            subjects.add(subject)

    def _make_room(self) -> None:
        while not self._due[self._seconds[0]]:
            del self._due[heappop(self._seconds)]
        gone = self._meters.pop(self._due[self._seconds[0]].pop())
        if self._floor is None or self._floor.full < gone.full:
            self._floor = gone
