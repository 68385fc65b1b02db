"""Keeps the requests of one agent inside its limits, and compacts harder when the model refuses one."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from agentmem.compaction.thresholds import model_name
from agentmem.errors import CompactionError
from agentmem.messages.tokens import count_message, count_request, prompt_tokens
from agentmem.messages.truncation import handle_of
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.agent.agent import Agent
    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Trigger
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.policy import Limits, Plan
    from agentmem.compaction.thresholds import Thresholds
    from agentmem.scope.address import SessionAddress

__all__ = ["MAX_RETRIES", "Budget"]

MAX_RETRIES = 3
"""How often a request that the model calls too long is compacted harder and tried again."""

_HARDER = 0.7
_log = logging.getLogger(__name__)


class Budget:
    """Edits ``agent.messages`` so that the next request fits."""

    def __init__(self, compactor: Compactor, thresholds: Thresholds, address: SessionAddress) -> None:
        """Decide with a compactor, within thresholds; the address is for messages."""
        self._compactor = compactor
        self._thresholds = thresholds
        self._address = address
        self._counted = 0
        self._lock = threading.Lock()
        self._retries = 0
        self._fixed: tuple[tuple[str, ...], int] = ((), 0)

    def limits(self, agent: Agent) -> Limits:
        """Return the limits for the model in use."""
        return self._thresholds.limits(agent.model)

    def plan(self, agent: Agent) -> Plan:
        """Return the plan of a compaction of the present messages; token counts are uncalibrated."""
        self._compactor.calibration.use(model_name(agent.model))
        planned, _ = self._compactor.plan(
            agent.messages, self.limits(agent), fixed_tokens=self._fixed_tokens(agent), force=True
        )
        return planned

    def is_due(self, agent: Agent) -> bool:
        """Whether the coming request reaches the threshold; blocks over the hard limit are cut on the way."""
        self._compactor.calibration.use(model_name(agent.model))
        self._compactor.cut_oversized(agent.messages)
        self._counted = self._count(agent)
        return self._compactor.calibration.estimate(self._counted) >= self.limits(agent).threshold

    def compact(self, agent: Agent, trigger: Trigger, *, limits: Limits | None = None, force: bool = False) -> bool:
        """Compact.

        Args:
            agent: The agent.
            trigger: The reason for it.
            limits: By default those of the model in use.
            force: Compact although the threshold is not reached.

        Returns:
            Whether anything could be made smaller.
        """
        with self._lock:
            return self._compact(agent, trigger, limits, force=force)

    def _compact(self, agent: Agent, trigger: Trigger, limits: Limits | None, *, force: bool) -> bool:
        with telemetry.span("compact", trigger=trigger) as span:
            before = list(agent.messages)
            shown = self._compactor.compact(
                before,
                self.limits(agent) if limits is None else limits,
                fixed_tokens=self._fixed_tokens(agent),
                trigger=trigger,
                force=force,
            )
            done = self._compactor.last
            if shown is None or done is None:
                return False
            telemetry.describe(span, **asdict(done))
        # What came in the meantime, from a second invocation or a narrative's own hooks, stays behind it.
        agent.messages[:] = [*shown, *agent.messages[len(before) :]]
        self._counted = self._count(agent)
        telemetry.count("compactions", trigger=trigger)
        telemetry.record("compaction.tokens_before", done.tokens_before)
        telemetry.record("compaction.tokens_after", done.tokens_after)
        telemetry.record("compaction.tokens_removed", max(done.tokens_before - done.tokens_after, 0))
        _log.info("session=<%s>, compaction=<%s> | context compacted", self._address, done)
        return True

    def answered(self, message: Message) -> None:
        """Learn from the usage the model reported with its answer."""
        self._retries = 0
        usage = message.get("metadata", {}).get("usage", {})
        self._compactor.calibration.observe(counted=self._counted, reported=prompt_tokens(usage))

    def refused(self, agent: Agent, error: Exception) -> None:
        """Compact harder, because the model called the request too long.

        Raises:
            CompactionError: It was tried often enough, or nothing can be made smaller; names the largest blocks.
        """
        self._retries += 1
        estimate = self._compactor.calibration.estimate(self._count(agent))
        self._thresholds.overflowed(agent.model, estimate)
        limits = self._thresholds.scaled(int(estimate * _HARDER**self._retries))
        if self._retries <= MAX_RETRIES and self.compact(agent, "overflow", limits=limits, force=True):
            return
        self._retries = 0
        largest = _largest_blocks(agent.messages)
        raise CompactionError(
            f"the model refuses the context of {self._address} as too long, and what is left of it cannot be made "
            f"smaller: about {estimate:,} tokens, the largest being {'; '.join(largest)}. Shorten those, or use a "
            "model with a larger window.",
            largest,
        ) from error

    def _count(self, agent: Agent) -> int:
        return self._fixed_tokens(agent) + self._compactor.count(agent.messages)

    def _fixed_tokens(self, agent: Agent) -> int:
        """Count the system prompt and the tools, again only when either changed."""
        system = agent.system_prompt_content
        state = (str(system), *agent.tool_registry.registry, *agent.tool_registry.dynamic_tools)
        if self._fixed[0] != state:
            self._fixed = (state, count_request((), system, agent.tool_registry.get_all_tool_specs()))
        return self._fixed[1]


def _largest_blocks(messages: Sequence[Message], most: int = 3) -> list[str]:
    """Describe the largest messages, for the error about their size."""
    sized = sorted(((count_message(message), message) for message in messages), key=lambda pair: -pair[0])
    return [
        f"{tokens:,} tokens in a message of role {message['role']} with "
        f"{', '.join(sorted({next(iter(block), 'nothing') for block in message['content']}))} "
        f"(handle {handle_of(message.get('tracking_id', ''))})"
        for tokens, message in sized[:most]
    ]
