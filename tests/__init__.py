"""The tests mirror the tree. This file keeps `tests/proxy` from shadowing `proxy`."""
