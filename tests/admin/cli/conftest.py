"""What the tests of the command line share: an admin server that runs while they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admin.cli.served import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway and an admin server. All tests share them: what a test makes has a name of its
    own."""
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served
