"""Says, calls and summarizes, in a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.compaction.summary.extractive import ExtractiveSummarizer

if TYPE_CHECKING:
    from agentmem.checkpoints.summary import Summary

PLENTY = 100_000


def user(*texts: str) -> Any:
    return {"role": "user", "content": [{"text": text} for text in texts]}


def assistant(text: str) -> Any:
    return {"role": "assistant", "content": [{"text": text}]}


def call(name: str, result: str, use_id: str, status: str = "success", **given_input: Any) -> list[Any]:
    return [
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": use_id, "name": name, "input": given_input}}]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": use_id, "status": status, "content": [{"text": result}]}}],
        },
    ]


def summarize(*messages: Any, previous: Summary | None = None, max_tokens: int = PLENTY, count: Any = len) -> Summary:
    return ExtractiveSummarizer().summarize(previous, messages, max_tokens=max_tokens, count=count)


def shown(summary: Summary, section: str) -> list[str]:
    return [one.text for one in summary.of_section(section)]
