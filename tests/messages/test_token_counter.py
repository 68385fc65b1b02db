from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from agentmem.messages.tokens import TokenCounter, count_message

CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "redact", "join", "drop the first", "drop the last", "nothing"]), st.text()),
    max_size=12,
)


def _message(text):
    return {"role": "user", "content": [{"text": text}], "tracking_id": str(uuid.uuid4())}


@given(CHANGES)
def test_the_total_is_that_of_the_messages_as_they_are_now(changes):
    counter, messages = TokenCounter(), [_message("first"), _message("second")]
    for change, text in changes:
        middle = messages[len(messages) // 2] if messages else None
        if change == "add":
            messages.append(_message(text))
        elif change == "redact" and middle:
            middle["content"] = [{"text": text}]
        elif change == "join" and middle:
            middle["content"].append({"text": text})
        elif change == "drop the first":
            messages = messages[1:]
        elif change == "drop the last":
            messages = messages[:-1]
        assert counter.total(messages) == sum(count_message(message) for message in messages)
