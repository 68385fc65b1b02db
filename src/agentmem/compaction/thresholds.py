"""Computes the token threshold of one model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentmem.compaction.policy import Limits

if TYPE_CHECKING:
    from agentmem.settings.sections import CompactionConfig

__all__ = ["Thresholds", "model_name"]

AUTO_RATIO = 0.7
"""Share of the model's window at which ``token_threshold="auto"`` compacts; Strands' own proactive default."""

HIGHEST_RATIO = 0.85
"""Share of the model's window that no threshold may exceed; the rest is for the answer."""

UNKNOWN_WINDOW = 200_000
"""Window assumed of a model that does not tell; Strands assumes the same."""

_AFTER_OVERFLOW = 0.9
_SUMMARY_SHARE = 5
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
        return self.scaled(threshold)

    def scaled(self, threshold: int) -> Limits:
        """Return the limits for a threshold; a summary takes at most a fifth of it."""
        return Limits(
            threshold=threshold,
            target=int(threshold * self._config.target_ratio),
            protected_turns=self._config.protected_turns,
            summary_tokens=min(self._config.summary_max_tokens, threshold // _SUMMARY_SHARE),
        )
