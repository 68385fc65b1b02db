"""The encoder is loaded once a process, and nobody waits for it who did not ask to."""

import logging
import os
import threading

import pytest

from agentmem.errors import ConfigurationError
from agentmem.meaning import encoder, loading
from agentmem.meaning.loading import (
    EncoderUnavailableError,
    is_ready,
    ready_classifier,
    ready_encoder,
    start_loading,
    wait_until_ready,
)


@pytest.fixture
def unloaded(monkeypatch):
    monkeypatch.setattr(loading, "_current", None)


class SlowEncoder:
    """Stands for a model that takes as long to load as a test wants."""

    made = 0
    go = threading.Event()

    def __init__(self):
        type(self).made += 1
        self.go.wait(10)
        raise ImportError("no such model")


@pytest.fixture
def slow(unloaded, monkeypatch):
    SlowEncoder.made, SlowEncoder.go = 0, threading.Event()
    monkeypatch.setattr(encoder, "PackagedEncoder", SlowEncoder)
    yield SlowEncoder
    SlowEncoder.go.set()


def test_nothing_is_ready_before_it_is_asked_for(unloaded):
    assert not is_ready()
    assert ready_encoder() is None
    assert ready_classifier() is None


def test_it_is_loaded_once(slow):
    start_loading()
    thread = loading._current.thread
    start_loading()
    assert loading._current.thread is thread
    assert thread.daemon
    with pytest.raises(TimeoutError, match="goes on loading"):
        wait_until_ready(0.05)
    assert not is_ready()
    slow.go.set()
    thread.join(10)
    assert slow.made <= 1


def test_a_failure_is_logged_once_and_told_to_all_who_wait(slow, caplog):
    slow.go.set()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(EncoderUnavailableError, match="encoder=None") as caught:
                wait_until_ready(10)
            assert isinstance(caught.value, ConfigurationError)
            assert "no such model" in str(caught.value)
    assert len(caplog.records) == 1
    assert not is_ready()


def test_all_share_what_was_loaded():
    classifier = wait_until_ready(120)
    assert is_ready()
    assert ready_classifier() is classifier is wait_until_ready(0)
    assert ready_encoder() is classifier.encoder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_its_parent_loads_loads_for_itself(slow):
    start_loading()
    child = os.fork()
    if child == 0:
        os._exit(0 if loading._current is None and not loading._lock.locked() else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
