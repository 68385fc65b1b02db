"""Keeps the requests of one agent inside its limits, and compacts harder when the model refuses one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.policy import Limits
from agentmem.errors import CompactionError
from agentmem.messages.tokens import count_message, count_request, prompt_tokens
from agentmem.messages.truncation import handle_of, hard_cut, names_of_tools
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.agent.agent import Agent
    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Trigger
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.policy import Plan
    from agentmem.scope.address import SessionAddress
    from agentmem.settings.sections import CompactionConfig

MAX_RETRIES = 3
"""How often a request that the model calls too long is compacted harder and tried again."""

AUTO_RATIO = 0.7
"""Share of the model's window at which ``token_threshold="auto"`` compacts; Strands' own proactive default."""

HIGHEST_RATIO = 0.85
"""Share of the model's window that no threshold may exceed; the rest is for the answer."""

UNKNOWN_WINDOW = 200_000
"""Window assumed of a model that does not tell; Strands assumes the same."""

PINNED_SHARE = 5
"""Pinned statements take at most this part of the threshold: a fifth, as the summary does."""

_AFTER_OVERFLOW = 0.9
_SUMMARY_SHARE = 5
_HARDER = 0.7
_log = logging.getLogger(__name__)


def model_name(model: Any) -> str:
    """Return a name that tells a model from another: its class and its model id, where it has one."""
    config = model.get_config() if hasattr(model, "get_config") else None
    model_id = config.get("model_id", "") if isinstance(config, Mapping) else ""
    return f"{type(model).__name__}/{model_id}"


class Thresholds:
    """Turns the configured threshold into limits for the model in use."""

    def __init__(self, config: CompactionConfig) -> None:
        """Start from the configuration."""
        self._config = config
        self._overflowed_at: dict[str, int] = {}
        self._told = False

    def overflowed(self, model: Any, tokens: int) -> None:
        """Remember that a model refused a request of this estimated size, so that it gets none as large again."""
        name = model_name(model)
        self._overflowed_at[name] = min(tokens, self._overflowed_at.get(name, tokens))

    def limits(self, model: Any) -> Limits:
        """Return the limits for a model, in the model's own tokens."""
        return self.scaled(self.threshold(model))

    def threshold(self, model: Any) -> int:
        """Return the size of a request at which to compact, in the model's own tokens."""
        window = model.context_window_limit
        if self._config.token_threshold == "auto":
            if not window and not self._told:
                self._told = True
                _log.warning(
                    "model=<%s>, assumed=<%d> | the model does not tell its context window; set context_window_limit "
                    "on the model or an absolute token_threshold",
                    type(model).__name__,
                    UNKNOWN_WINDOW,
                )
            threshold = int((window or UNKNOWN_WINDOW) * AUTO_RATIO)
        else:
            threshold = self._config.token_threshold
        if window:
            threshold = min(threshold, int(window * HIGHEST_RATIO))
        refused = self._overflowed_at.get(model_name(model))
        if refused is not None:
            threshold = min(threshold, int(refused * _AFTER_OVERFLOW))
        return threshold

    def scaled(self, threshold: int) -> Limits:
        """Return the limits for a threshold; a summary takes at most a fifth of it."""
        return Limits(
            threshold=threshold,
            target=int(threshold * self._config.target_ratio),
            protected_turns=self._config.protected_turns,
            summary_tokens=min(self._config.summary_max_tokens, threshold // _SUMMARY_SHARE),
        )


class Budget:
    """Edits ``agent.messages`` so that the next request fits."""

    def __init__(self, compactor: Compactor, thresholds: Thresholds, address: SessionAddress) -> None:
        """Decide with a compactor, within thresholds; the address is for messages."""
        self._compactor = compactor
        self._thresholds = thresholds
        self._address = address
        self._counted = 0
        self._sizes: list[int] = []
        self._total = 0
        self._lock = threading.Lock()
        self._retries = 0
        self._fixed: tuple[tuple[str, ...], int] = ((), 0)
        self._told = False

    def limits(self, agent: Agent) -> Limits:
        """Return the limits for the model in use.

        Where the system prompt and the tools alone reach the threshold, no compaction brings a request under it. The
        messages have the whole threshold to themselves then: they are compacted when that helps, and not on every call.
        """
        limits = self._thresholds.limits(agent.model)
        fixed = round(self._fixed_tokens(agent) * self._compactor.calibration.ratio)
        if fixed < limits.threshold:
            return limits
        return replace(limits, threshold=limits.threshold + fixed, target=limits.target + fixed)

    def plan(self, agent: Agent) -> Plan:
        """Return the plan of a compaction of the present messages; token counts are uncalibrated."""
        self._compactor.calibration.use(model_name(agent.model))
        planned, _ = self._compactor.plan(
            agent.messages, self.limits(agent), fixed_tokens=self._fixed_tokens(agent), force=True
        )
        return planned

    def look(self, agent: Agent, first_new: int = 0) -> tuple[bool, int]:
        """Look at what is new before a model call: cut what is over the hard limit, shorten what was answered, count.

        Args:
            agent: The agent; its messages are edited in place.
            first_new: Messages before this index are the same objects as the last time.

        Returns:
            Whether the coming request reaches the threshold, and the index of the first message that is new or edited.
        """
        self._compactor.calibration.use(model_name(agent.model))
        first_new = min(first_new, len(self._sizes))
        cut_oversized(agent.messages, self._compactor, first_new)
        first_new = self._compactor.previews.apply(agent.messages, first_new)
        self._total -= sum(self._sizes[first_new:])
        self._sizes[first_new:] = map(self._compactor.counter, agent.messages[first_new:])
        self._total += sum(self._sizes[first_new:])
        self._counted = self._fixed_tokens(agent) + self._total
        limits = self.limits(agent)
        if limits.threshold > self._thresholds.threshold(agent.model):
            self._tell_of_fixed_part(agent)
        return self._compactor.calibration.estimate(self._counted) >= limits.threshold, first_new

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
        self._sizes, self._total = [], 0
        self._counted = self._fixed_tokens(agent) + self._compactor.counter.total(agent.messages)
        telemetry.count("compactions", trigger=trigger)
        telemetry.record("compaction.tokens_before", done.tokens_before)
        telemetry.record("compaction.tokens_after", done.tokens_after)
        telemetry.record("compaction.tokens_removed", max(done.tokens_before - done.tokens_after, 0))
        _log.info("session=<%s>, compaction=<%s> | context compacted", self._address, done)
        return True

    def _tell_of_fixed_part(self, agent: Agent) -> None:
        """Say once that no compaction can bring the requests under the threshold."""
        if not self._told:
            self._told = True
            tokens = round(self._fixed_tokens(agent) * self._compactor.calibration.ratio)
            threshold = self._thresholds.threshold(agent.model)
            _log.warning(
                "session=<%s>, tokens=<%d>, threshold=<%d> | the system prompt and the tools alone are over the "
                "token_threshold, which no compaction can change; raise it, or give the agent less of both",
                self._address,
                tokens,
                threshold,
            )

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
        counted = self._fixed_tokens(agent) + self._compactor.counter.total(agent.messages)
        estimate = self._compactor.calibration.estimate(counted)
        self._thresholds.overflowed(agent.model, estimate)
        limits = self._thresholds.scaled(int(estimate * _HARDER**self._retries))
        if self._retries <= MAX_RETRIES and self.compact(agent, "overflow", limits=limits, force=True):
            return
        self._retries = 0
        largest = _largest_blocks(agent.messages)
        kept = pinned_indices(agent.messages)
        pinned = self._compactor.pinned_tokens + self._compactor.count([agent.messages[at] for at in sorted(kept)])
        remedy = (
            f"{pinned:,} of them are pinned: unpin what need not always be shown, or shorten" if pinned else "Shorten"
        )
        raise CompactionError(
            f"the model refuses the context of {self._address} as too long, and what is left of it cannot be made "
            f"smaller: about {estimate:,} tokens, the largest being {'; '.join(largest)}. {remedy} those, "
            "or use a model with a larger window.",
            largest,
        ) from error

    def _fixed_tokens(self, agent: Agent) -> int:
        """Count the system prompt and the tools, again only when either changed, and what is pinned."""
        pinned = self._compactor.pinned_tokens if self._compactor.board.pins.statements else 0
        system = agent.system_prompt_content
        state = (str(system), *agent.tool_registry.registry, *agent.tool_registry.dynamic_tools)
        if self._fixed[0] != state:
            self._fixed = (state, count_request((), system, agent.tool_registry.get_all_tool_specs()))
        return self._fixed[1] + pinned


def cut_oversized(messages: list[Message], compactor: Compactor, first_new: int = 0) -> None:
    """Cut, in place in the list, blocks of new messages that are over the hard limit.

    Args:
        messages: The history.
        compactor: Knows which messages are not new, the limit, and the block that is a summary.
        first_new: Messages before this index were there the last time.
    """
    for index, message in enumerate(messages[first_new:], first_new):
        name = message.get("tracking_id", "")
        if name in compactor.times:
            continue
        compactor.times[name] = time.time()
        # JSON is not more than twice as long.
        is_long = 2 * len(str(message["content"])) > compactor.settings.hard_tool_content_length
        if is_long and index not in pinned_indices(messages):
            names = names_of_tools(messages[max(index - 1, 0) : index])  # what a tool result answers stands before it
            said = compactor.summaries.without(message)
            cut = hard_cut(said, compactor.settings, handle=handle_of(name), tool_names=names)
            if cut is not said:
                summary = compactor.summaries.block_in(message)
                messages[index] = cut if summary is None else compactor.summaries.put(cut, summary)


def _largest_blocks(messages: Sequence[Message], most: int = 3) -> list[str]:
    """Describe the largest messages, for the error about their size."""
    sized = sorted(((count_message(message), message) for message in messages), key=lambda pair: -pair[0])
    return [
        f"{tokens:,} tokens in a message of role {message['role']} with "
        f"{', '.join(sorted({next(iter(block), 'nothing') for block in message['content']}))} "
        f"(handle {handle_of(message.get('tracking_id', ''))})"
        for tokens, message in sized[:most]
    ]
