"""Files that hold a secret, or what is nobody else's business."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.domain.model import WardgateError


@contextmanager
def new_file(path: Path | None) -> Iterator[int | None]:
    """A new file that only its owner reads, gone again where what follows fails; None: none.

    Raises `WardgateError`.
    """
    if path is None:
        yield None
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise WardgateError(f"{path} exists already, and is not overwritten") from None
    except OSError as error:
        raise WardgateError(f"cannot write {path}: {error.strerror}") from None
    try:
        yield file
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(file)
