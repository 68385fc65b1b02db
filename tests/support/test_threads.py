"""Threads that end with their work."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait

from agentmem.support.threads import Threads


def named(prefix):
    return [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]


def gone(prefix):
    deadline = time.monotonic() + 5
    while named(prefix) and time.monotonic() < deadline:
        time.sleep(0.005)
    return not named(prefix)


def test_the_threads_end_when_there_is_nothing_left_to_do_and_start_again():
    threads = Threads(3, "t-ending")
    for _ in range(3):
        assert [threads.submit(pow, 2, number).result() for number in range(3)] == [1, 2, 4]
        assert gone("t-ending")


def test_one_thread_does_what_it_is_given_in_order():
    threads, done = Threads(1, "t-order"), []
    futures = [threads.submit(done.append, number) for number in range(200)]
    wait(futures)
    assert done == list(range(200))


def test_no_more_threads_than_allowed_work_at_once():
    threads, release = Threads(2, "t-most"), threading.Event()
    futures = [threads.submit(release.wait, 5) for _ in range(6)]
    assert len(named("t-most")) == 2
    release.set()
    wait(futures)
    assert gone("t-most")


def test_shutting_down_waits_for_what_was_submitted_and_is_not_the_end():
    threads, done = Threads(1, "t-shut"), []
    threads.submit(time.sleep, 0.05)
    threads.submit(done.append, 1)
    threads.shutdown()
    assert done == [1]
    threads.submit(done.append, 2).result()
    assert done == [1, 2]


def test_an_error_ends_its_work_like_anything_else():
    threads = Threads(1, "t-error")
    assert isinstance(threads.submit(int, "x").exception(), ValueError)
    assert gone("t-error")
