"""Holds BLAS to one thread while this package multiplies matrices.

More threads gain little on products of this size, and spin while they wait: on a busy machine a judgement takes five
times as long, and the time is taken from everyone else. Every product of this package is made inside: OpenBLAS hangs
when the limit is changed while another thread multiplies.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_lock = threading.RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside; one caller at a time, for the limit is the process's."""
    with _lock, _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    """Find the BLAS libraries that are loaded, once; numpy is among them by then."""
    import numpy as np  # noqa: F401 - loads its BLAS
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - in a forked child no thread is left to release the parent's
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
