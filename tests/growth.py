"""An agent whose whole history is watched: what was said, what the model was sent, what the log holds."""

from __future__ import annotations

import copy
from typing import Any

from strands.hooks import MessageAddedEvent  # noqa: TC002 - Strands reads the annotation

from agentmem.events.codec import decode_event
from agentmem.messages.text import message_text
from agentmem.messages.truncation import handle_of
from agentmem.testing import ScriptedModel
from converse import validate_request
from sessions import Session

THRESHOLD = 4_000
SLACK = 1.1
"""No request is larger than the threshold by more than a tenth: what is promised at a threshold of 30,000."""


MOST_RECALLED = 12
"""Of a longer history only so many messages are recalled, evenly spread: each one is a look-up and a read."""


class Growth:
    """A session on an embedded memory with all that was said in it, as it was said.

    Attributes:
        said: Every message an agent of the session added, oldest first, as it was when it was added.
        requests: Every request a model of the session was sent.
    """

    def __init__(self, session: Session | None = None, **settings: Any) -> None:
        self.session = session or Session()
        self.settings = settings if "compaction" in settings else {"token_threshold": THRESHOLD, **settings}
        self.said: dict[str, dict[str, Any]] = {}
        self.models: list[ScriptedModel] = []

    @property
    def requests(self):
        return [request for model in self.models for request in model.requests]

    @property
    def threshold(self) -> int:
        """Tokens of a request at which to compact."""
        given = self.settings.get("compaction")
        return self.settings["token_threshold"] if given is None else given.token_threshold

    @property
    def folded(self) -> bool:
        """Whether the session's checkpoint says that messages were folded."""
        checkpoint = self.manager.checkpoint
        return checkpoint is not None and checkpoint.folded_messages > 0

    def open(self, script=(), **settings: Any):
        """Open the session as a new process would; returns the agent."""
        self.manager = self.session.manager(**self.settings)
        model = script if isinstance(script, ScriptedModel) else ScriptedModel(list(script))
        self.models.append(model)
        hooks = [self._watch, *settings.pop("hooks", ())]
        self.agent = self.session.agent(self.manager, model, hooks=hooks, **settings)
        return self.agent

    def script(self, *answers: Any) -> None:
        """Let the agent's model go on with these answers."""
        self.agent.model.add(*answers)

    def redacted(self, tracking_id: str, content: list[Any]) -> None:
        """Expect another content of a message from now on."""
        self.said[tracking_id]["content"] = content

    def _watch(self, event: MessageAddedEvent) -> None:
        message = event.message
        if message["tracking_id"] in self.said:
            # Strands joined something to it; our manager has parted the two again.
            names = [one["tracking_id"] for one in event.agent.messages]
            message = event.agent.messages[names.index(message["tracking_id"]) + 1]
        self.said[message["tracking_id"]] = copy.deepcopy(
            {"role": message["role"], "content": message["content"], "tracking_id": message["tracking_id"]}
        )

    def logged(self):
        """Every message of the log with how often it stands there, oldest first."""
        events: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            page = self.session.data.list_events(**self.session.address.parameters(), maxResults=100, **more)
            events += page["events"]
            if not page.get("nextToken"):
                break
            more = {"nextToken": page["nextToken"]}
        return [one.message for event in reversed(events) for one in decode_event(event).messages]

    def check(self, *, restart: bool = True, slack: float = SLACK, tools: bool = True) -> None:
        """Check what must hold however the history grew."""
        self.check_requests(slack=slack, tools=tools)
        self.check_log()
        self.check_recall()
        if restart:
            self.check_restart()

    def check_requests(self, *, slack: float = SLACK, tools: bool = True) -> None:
        for request in self.requests:
            validate_request(request.messages, request.system_content, request.tools if tools else None)
            assert request.tokens <= self.threshold * slack

    def check_log(self) -> None:
        logged = self.logged()
        names = [message["tracking_id"] for message in logged]
        assert names == list(self.said)
        for message in logged:
            assert _comparable(message) == _comparable(self.said[message["tracking_id"]])

    def check_recall(self) -> None:
        """What was said is recalled word for word by its handle, whether it is still shown or not."""
        step = len(self.said) // MOST_RECALLED + 1
        for name, message in list(self.said.items())[::step]:
            found = self.manager.recall.by_handle(handle_of(name))
            assert found is not None, f"{message} cannot be recalled"
            assert found.text == message_text(message)
            assert found.role == message["role"]

    def check_restart(self) -> None:
        shown = [(m["role"], m["content"]) for m in self.agent.messages]
        again = self.session.agent(self.session.manager(**self.settings), tools=list(_tools(self.agent)))
        assert [(m["role"], m["content"]) for m in again.messages] == shown


def _comparable(message):
    return message["role"], message["content"]


def _tools(agent):
    return [tool for name, tool in agent.tool_registry.registry.items() if name != "recall_session"]
