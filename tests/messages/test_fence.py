"""The fence around a summary takes no more room than is left for it."""

from __future__ import annotations

import pytest

from agentmem.messages.summary_fence import FENCE_TOKENS, count_in_fence, summary_block
from agentmem.messages.tokens import count_message


@pytest.mark.parametrize("tool", [None, "recall_session"])
@pytest.mark.parametrize("text", ["", 'Rules:\n- Never open "gate" 3.\n- 航班 \\ 🙂', "- one line\n" * 200])
def test_a_fenced_summary_takes_what_is_counted_and_the_fence(tool, text):
    own = {"text": "What about gate 4?"}
    block = summary_block(text, folded_messages=123_456, recall_tool=tool)
    without = count_message({"role": "user", "content": [own]})
    taken = count_message({"role": "user", "content": [block, own]}) - without
    assert taken <= count_in_fence(text) + FENCE_TOKENS
