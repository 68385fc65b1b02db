"""The ground everything stands on: the clock, threads, spans and metrics."""
