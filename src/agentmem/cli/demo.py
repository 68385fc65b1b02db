"""Runs `agentmem demo`: a conversation with memory on the embedded service."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from agentmem.cli.demo_script import DETAIL, FACTS, PINNED, QUESTIONS, REQUESTS, travel_tools

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console
    from strands import Agent
    from strands.types.content import Message

    from agentmem.compaction.compactor import Compaction
    from agentmem.config import MemoryConfig
    from agentmem.local import LocalMemory
    from agentmem.records.waiting.polling import WaitProgress
    from agentmem.session_manager.manager import CompactingSessionManager
    from agentmem.testing import OfflineModel

THRESHOLD = 6_000
"""Tokens at which the demo's long session is compacted: small, so that it happens within nine requests."""

_RETRIEVE_TIMEOUT = 30.0
_BAR_TOKENS = 250


def demo(
    no_memory: Annotated[
        bool,
        typer.Option("--no-memory", help="Tell the same story without memory, to see that it makes the difference."),
    ] = False,
    extraction_delay: Annotated[
        float, typer.Option(help="Seconds until long-term memories are there; on AWS it takes 10 to 90.", min=0.0)
    ] = 3.0,
    max_wait: Annotated[float, typer.Option(help="Seconds to wait for them at most.", min=0.0)] = 30.0,
) -> None:
    """See an agent remember across sessions and stay inside its token budget; needs no account and no network.

    The model is offline and only quotes the request it is given, so whatever it knows memory has told it. The exit
    status is 0 only if everything went as announced.

    Example: agentmem demo --no-memory
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not Demo(console, memory=not no_memory, extraction_delay=extraction_delay, max_wait=max_wait).tell():
        raise typer.Exit(1)


def filled_demo(service: LocalMemory) -> MemoryConfig:
    """Fill an embedded service with the demo's sessions, without a word.

    Args:
        service: The service; it is left open.

    Returns:
        The configuration of the memory that holds them.
    """
    import io

    from rich.console import Console

    demo = Demo(Console(file=io.StringIO()), extraction_delay=0.0)
    config = demo.tell_on(service)
    config.bind("ana", demo.long_session_id).pin(PINNED)
    config.data_plane().list_memory_extraction_jobs(memoryId=config.memory_id)  # which extracts what is due
    return config


@dataclass
class _Planner:
    """The agent of the long session, with its model and, when there is memory, its session manager."""

    agent: Agent
    model: OfflineModel
    manager: CompactingSessionManager | None

    @property
    def last_compaction(self) -> Compaction | None:
        return self.manager.last_compaction if self.manager is not None else None

    def close(self) -> None:
        if self.manager is not None:
            self.manager.close()


class Demo:
    """The demo.

    Args:
        console: Where it is told.
        memory: Whether the agents have memory.
        extraction_delay: Seconds until the embedded service has extracted long-term memories.
        max_wait: Seconds to wait for them at most.
        facts: Statements of the user in the first session.

    Attributes:
        long_session_id: The session that is compacted; empty before it has begun.
    """

    long_session_id: str = ""

    def __init__(
        self,
        console: Console,
        *,
        memory: bool = True,
        extraction_delay: float = 3.0,
        max_wait: float = 30.0,
        facts: Sequence[str] = FACTS,
    ) -> None:
        """Keep the settings; nothing is opened before `tell`."""
        self._console = console
        self._memory = memory
        self._delay = extraction_delay
        self._max_wait = max_wait
        self._facts = facts
        self._failed: list[str] = []
        self._config: MemoryConfig

    def tell(self) -> bool:
        """Tell the story.

        Returns:
            Whether everything went as announced: with memory every question is answered and the long session stays
            inside its budget, without memory no question is answered and it does not.
        """
        from agentmem.local import LocalMemory

        self._say("[bold]agentmem demo[/bold]: Strands agents on an embedded AgentCore Memory, in this process only.")
        self._say("The model is offline: it can only quote the request it is given.")
        if not self._memory:
            self._say("[yellow]Memory is switched off: the same story without it.[/yellow]")
        with LocalMemory(extraction_delay=self._delay) as service:
            self.tell_on(service)
        self._say("")
        if self._failed:
            self._say(f"[red]Not as announced: {'; '.join(self._failed)}.[/red]")
        elif self._memory:
            self._say("[green]All as announced.[/green] Now without memory: agentmem demo --no-memory")
        else:
            self._say("[green]As announced: without memory nothing was known.[/green] With it: agentmem demo")
        return not self._failed

    def tell_on(self, service: LocalMemory) -> MemoryConfig:
        """Tell the story's sessions on an embedded service.

        Args:
            service: The service; it is left open.

        Returns:
            The configuration of the memory that holds them now.
        """
        from agentmem.config import MemoryConfig
        from agentmem.settings.sections import CompactionConfig, HookConfig

        self._config = MemoryConfig.local(
            service,
            compaction=CompactionConfig(token_threshold=THRESHOLD),
            # The embedded search loads its embedding model at the first question, on a slow machine for seconds.
            hook=HookConfig(retrieve_timeout=_RETRIEVE_TIMEOUT),
        )
        self._state_facts()
        self._ask_another_agent()
        self._long_session()
        return self._config

    def _state_facts(self) -> None:
        """One session: the user says who she is; what she says is extracted into long-term memory."""
        from agentmem.scope.identity import new_session_id

        self._heading("1. A first session: the user states facts and preferences")
        bound = self._config.bind("ana", new_session_id("ana"))
        mark = bound.mark()
        agent, _ = self._agent("You are the travel desk.", hooks=[bound.hook()] if self._memory else [])
        for fact in self._facts:
            self._exchange(agent, fact)

        self._heading("2. Long-term memories are extracted, which takes a while")
        if not self._memory:
            self._say("   Nothing was stored, so there is nothing to wait for.")
            return
        found = []
        for name, least in (("preferences", 1), ("facts", 2)):
            found += bound.wait_for_memories(
                name,
                since=mark,
                min_count=least,
                max_wait=self._max_wait,
                poll_interval=min(0.5, max(self._delay, 0.05)),
                on_poll=partial(self._show_wait, name),
            )
        for record in found:
            self._say(f"   [dim]{escape(record['content']['text'])}[/dim]")
        self._expect(len(found) >= 3, "the long-term memories did not arrive")

    def _ask_another_agent(self) -> None:
        """Another session of another agent answers from long-term memory."""
        from agentmem.scope.identity import new_session_id

        self._heading("3. Another agent, another session: what does it know?")
        bound = self._config.bind("ana", new_session_id("ana"))
        agent, _ = self._agent("You are the booking assistant.", hooks=[bound.hook()] if self._memory else [])
        for question, answer in QUESTIONS:
            self._check_answer(self._exchange(agent, question), question, answer)

    def _long_session(self) -> None:
        """A long session with long tool results is compacted, thrown away, restored; a folded detail is recalled."""
        from agentmem.scope.identity import new_session_id

        self._heading(f"4. A long session with long tool results, with a budget of {THRESHOLD:,} tokens a request")
        self.long_session_id = session_id = new_session_id("ana")
        planner = self._planner(session_id)
        folded = sum(self._request(planner, request) for request in REQUESTS)
        peak = max(planner.model.request_tokens)
        self._say(f"   The largest request had {peak:,} tokens.")
        if self._memory:
            self._expect(peak <= THRESHOLD * 1.1, "a request was over the budget")
            self._expect(folded > 0, "nothing was folded away")
        else:
            self._expect(peak > THRESHOLD, "the session without compaction stayed small")

        self._heading("5. The agent and its manager are thrown away and made again")
        messages = len(planner.agent.messages)
        planner.close()
        planner = self._planner(session_id)
        self._say(f"   It had {messages} messages in view; the new one has {len(planner.agent.messages)}.")

        self._heading("6. A detail of the first result, which is no longer in view")
        question, answer = DETAIL
        self._check_answer(self._exchange(planner.agent, question), question, answer)
        if self._memory:
            called = [use["name"] for use in _tool_uses(planner.agent.messages)]
            self._expect(called[-1:] == ["recall_session"], "the answer did not come from a recall")
        planner.close()

    def _request(self, planner: _Planner, request: str) -> int:
        """Let the planner work on a request, show the size of each model call, return how many messages were folded."""
        told = len(planner.model.request_tokens)
        before = planner.last_compaction
        self._say(f"   [cyan]user:[/cyan]  {escape(request)}")
        planner.agent(request)
        after = planner.last_compaction
        compaction = None if after is before else after
        sizes = planner.model.request_tokens
        for number in range(told, len(sizes)):
            if compaction is not None and sizes[number] < sizes[number - 1]:
                self._say(
                    f"   [magenta]compacted: {compaction.tokens_before:,} -> {compaction.tokens_after:,} tokens, "
                    f"{compaction.folded} messages folded, {compaction.shortened} shortened[/magenta]"
                )
            self._say(_bar(number + 1, sizes[number]))
        return 0 if compaction is None else compaction.folded

    def _planner(self, session_id: str) -> _Planner:
        from strands.agent.conversation_manager import NullConversationManager

        manager = self._config.bind("ana", session_id).session_manager() if self._memory else None
        agent, model = self._agent(
            "You plan journeys with the tools you have.",
            tools=travel_tools(),
            session_manager=manager,
            conversation_manager=NullConversationManager(),
        )
        return _Planner(agent, model, manager)

    @staticmethod
    def _agent(system_prompt: str, **options: Any) -> tuple[Agent, OfflineModel]:
        from strands import Agent

        from agentmem.testing import OfflineModel

        model = OfflineModel()
        return Agent(model=model, system_prompt=system_prompt, callback_handler=None, **options), model

    def _exchange(self, agent: Agent, text: str) -> str:
        self._say(f"   [cyan]user:[/cyan]  {escape(text)}")
        before = {use["toolUseId"] for use in _tool_uses(agent.messages)}
        reply = str(agent(text)).strip()
        for use in _tool_uses(agent.messages):
            if use["toolUseId"] in before:
                continue
            arguments = ", ".join(f"{key}={value!r}" for key, value in use["input"].items())
            self._say(f"   [magenta]tool:[/magenta]  {use['name']}({escape(arguments)})")
        self._say(f"   [cyan]agent:[/cyan] {escape(reply)}")
        return reply

    def _check_answer(self, reply: str, question: str, answer: str) -> None:
        from agentmem.testing.offline_model import DOES_NOT_KNOW

        if self._memory:
            self._expect(answer.lower() in reply.lower(), f"{question!r} was not answered")
        else:
            self._expect(reply == DOES_NOT_KNOW, f"{question!r} was answered without memory")

    def _show_wait(self, name: str, progress: WaitProgress) -> None:
        self._say(
            f"   waiting for {name}: {progress.elapsed:4.1f} s, {progress.count} of at least {progress.min_count} there"
        )

    def _expect(self, ok: bool, otherwise: str) -> None:
        if not ok:
            self._failed.append(otherwise)

    def _heading(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]", soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _tool_uses(messages: Iterable[Message]) -> list[Mapping[str, Any]]:
    return [block["toolUse"] for message in messages for block in message["content"] if "toolUse" in block]


def _bar(number: int, tokens: int) -> str:
    """Draw the size of a request, one block for 250 tokens; the part over the budget is red."""
    whole = round(tokens / _BAR_TOKENS)
    within = min(whole, THRESHOLD // _BAR_TOKENS)
    return f"   request {number:2}  {tokens:6,} tokens  [blue]{'#' * within}[/blue][red]{'#' * (whole - within)}[/red]"
