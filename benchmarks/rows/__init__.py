"""All rows, in the order in which they are measured."""

from benchmarks.row import Row
from benchmarks.rows import (
    cold,
    failing,
    flood,
    memory,
    million,
    phases,
    rank,
    requests,
    store,
    streams,
    workers,
)

ALL: tuple[Row, ...] = (
    *requests.ROWS,
    *workers.ROWS,
    *phases.ROWS,
    *streams.ROWS,
    *memory.ROWS,
    *flood.ROWS,
    *failing.ROWS,
    *cold.ROWS,
    *million.ROWS,
    *store.ROWS,
    *rank.ROWS,
)
