"""Provides the clock, threads, spans and metrics for every other room."""
