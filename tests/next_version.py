"""`wardgate` as its next version may be: with one more migration, and what records need of that.

There is no released version whose store several nodes share, so the present one is the older of the
two. Tested by `tests/test_upgrade_of_nodes.py`, which runs it.
"""

from __future__ import annotations

import sys

from proxy.__main__ import main
from proxy.domain import needs
from proxy.store.postgres import schema

NEXT = needs.KNOWN + 1
_migrations = schema.migrations()

if __name__ == "__main__":
    schema.migrations = lambda: _migrations | {NEXT: "ALTER TABLE keys ADD COLUMN colour TEXT"}
    needs.KNOWN = NEXT  # type: ignore[misc]
    sys.exit(main())
