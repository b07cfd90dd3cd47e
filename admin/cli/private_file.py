"""Files that hold a secret or private data.

Tested by the commands that write them, in `test_keys.py`, `test_audit.py` and `test_init_store.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.domain.errors import WardgateError


@contextmanager
def new_file(path: Path | None) -> Iterator[int | None]:
    """A new file of mode 0600, as an open descriptor; it is removed if the body raises.

    Without a path, None. Raises `WardgateError`.
    """
    if path is None:
        yield None
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise WardgateError(
            f"{path} already exists and is not overwritten: name a new file"
        ) from None
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None
    try:
        yield file
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)
