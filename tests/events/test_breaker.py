from __future__ import annotations

from agentmem.events.breaker import CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_it_opens_after_the_failures_in_a_row_and_not_before():
    breaker = CircuitBreaker(3, 60)
    breaker.failed()
    breaker.failed()
    assert breaker.allow()
    breaker.failed()
    assert breaker.state == "open"
    assert not breaker.allow()


def test_a_success_in_between_starts_the_count_again():
    breaker = CircuitBreaker(2, 60)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed"


def test_half_open_lets_one_probe_through():
    clock = Clock()
    breaker = CircuitBreaker(1, 60, clock)
    breaker.failed()
    clock.now = 60.0
    assert breaker.state == "half-open"
    assert [breaker.allow(), breaker.allow()] == [True, False]


def test_a_failed_probe_opens_it_again_and_a_good_one_closes_it():
    clock = Clock()
    breaker = CircuitBreaker(1, 60, clock)
    breaker.failed()
    clock.now = 60.0
    breaker.allow()
    breaker.failed()
    assert breaker.state == "open"
    clock.now = 120.0
    breaker.allow()
    breaker.succeeded()
    assert breaker.state == "closed"
