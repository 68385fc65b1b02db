"""The summary in a message, by its looks: no text of these tests looks like one."""

from __future__ import annotations


def without_summary(message):
    content = [block for block in message["content"] if not block.get("text", "").startswith("<conversation_summary ")]
    return {**message, "content": content}
