"""Defines the limits of a tool's calls: time, attempts, and when its circuit opens."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from agentmem.settings.base import Count, Seconds, Settings


class ToolPolicy(Settings):
    """How long a tool may take, how often it is tried, and when it is left alone for a while. Times are in seconds."""

    timeout: Seconds = Field(default=30.0, gt=0, description="Give the seconds that one attempt may take.")
    attempts: Count = Field(default=3, ge=1, le=10, description="Give how often a call is tried in all, 1 to 10.")
    backoff: Seconds = Field(
        default=0.5, ge=0, description="Give the seconds before the second attempt; each later pause is twice as long."
    )
    max_backoff: Seconds = Field(default=8.0, ge=0, description="Give the longest pause in seconds.")
    failures: Count = Field(
        default=5, ge=1, description="Give after how many failures in a row the circuit opens; attempts count."
    )
    reset: Seconds = Field(default=30.0, gt=0, description="Give the seconds after which an open circuit tries again.")
    retry_on: tuple[Any, ...] = Field(
        default=(),
        description="Give the classes of exceptions that are tried again besides throttling and lost connections.",
    )
