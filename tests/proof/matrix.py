"""Lives every life of `lives` once for every call it makes and everything that can happen to a call."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agentmem.checkpoints.dynamodb.create import create_table
from agentmem.local import LocalMemory
from proof.lives import FACTS, LIVES, SAID, Notes, Place
from proof.wire import KILLED, Strike, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = itertools.count()
KILL_SECONDS = 120


@dataclass(frozen=True)
class Cell:
    """One life with one strike.

    Attributes:
        life: Name of the life.
        strike: What happens to which call.
    """

    life: str
    strike: Strike

    def __str__(self) -> str:
        """Tell what a run of this cell alone is given."""
        return f"{self.life} | {self.strike.kind} | call {self.strike.number}"


@dataclass(frozen=True)
class Result:
    """What became of a cell.

    Attributes:
        cell: The cell.
        operation: The call that was struck, as ``service.Operation``; None when the life made fewer calls this time.
        problems: What did not hold; empty when everything did.
    """

    cell: Cell
    operation: str | None
    problems: tuple[str, ...]


@dataclass
class Services:
    """The services of all lives, over HTTP: an embedded memory and, given its address, DynamoDB.

    Attributes:
        dynamodb_url: Address of a DynamoDB.
        calls: How many calls a life makes that nothing happens to, by name, once it was asked.
    """

    dynamodb_url: str
    calls: dict[str, list[str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start them and make what every life finds."""
        self._ends = contextlib.ExitStack()
        self._memory = self._ends.enter_context(LocalMemory())
        server = self._ends.enter_context(self._memory.serve())
        self.urls = {
            "bedrock-agentcore": server.url,
            "bedrock-agentcore-control": server.url,
            "dynamodb": self.dynamodb_url,
        }
        self._folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory()))
        self._wire = wire = Wire(self.urls)
        control = wire.client("bedrock-agentcore-control")
        self._memories = [
            control.create_memory(name=f"memory{number}", eventExpiryDuration=30, memoryStrategies=[FACTS.strategy()])[
                "memory"
            ]["id"]
            for number in range(2)
        ]
        self._table = f"agentmem-{uuid.uuid4().hex[:12]}"
        create_table(wire.client("dynamodb"), self._table)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them."""
        self._ends.close()

    def place(self) -> Place:
        """Return a place where nobody has lived."""
        name = f"a{next(_NUMBERS)}"
        folder = self._folder / name
        folder.mkdir()
        return Place(self._memories[0], self._memories[1], name, folder, self._table)

    def calls_of(self, life: str) -> list[str]:
        """Return the calls a life makes when nothing happens to any; also holds it to what it said.

        Raises:
            AssertionError: Something does not hold although nothing went wrong.
        """
        if life not in self.calls:
            place, wire = self.place(), Wire(self.urls)
            notes = Notes(place.folder / "notes.jsonl")
            LIVES[life].prepare(place, self._wire)
            LIVES[life].live(place, wire, notes)
            found = LIVES[life].problems(place, self._wire, notes)
            assert not found, f"{life}, without a fault: {found}"
            self.calls[life] = wire.calls
        return self.calls[life]

    def run(self, cell: Cell) -> Result:
        """Live a life with its strike and look what became of it."""
        life, place = LIVES[cell.life], self.place()
        notes = Notes(place.folder / "notes.jsonl")
        life.prepare(place, self._wire)
        with listening() as told:
            if cell.strike.kind in KILLED:
                operation = self._killed(cell, place, notes)
            else:
                wire = Wire(self.urls, cell.strike)
                life.live(place, wire, notes)
                operation = wire.struck
            try:
                problems = life.problems(place, self._wire, notes)
            except Exception as error:  # noqa: BLE001 - afterwards nothing goes wrong any more
                problems = [*notes.of("problem"), f"afterwards: {type(error).__name__}: {error}"]
        problems += [f"a text in the log: {line[:300]}" for line in told if any(one in line for one in SAID)]
        return Result(cell, operation, tuple(problems))

    def _killed(self, cell: Cell, place: Place, notes: Notes) -> str | None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["proof.matrix", "strands", "boto3", "agentmem.session_manager.manager"])
        process: Any = context.Process(target=_live, args=(cell, place, self.urls, notes.path), daemon=True)
        process.start()
        process.join(KILL_SECONDS)
        if process.is_alive():
            process.kill()
            notes.problem(f"still alive after {KILL_SECONDS} s")
        if process.exitcode == -9:
            calls = self.calls_of(cell.life)
            return calls[min(cell.strike.number, len(calls)) - 1]
        if process.exitcode != 0:
            notes.problem(f"the process ended with {process.exitcode}")
        return None


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Take everything the package logs, tracebacks included, instead of showing it; yields the lines."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("agentmem")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _live(cell: Cell, place: Place, urls: dict[str, str], notes: Path) -> None:
    """Live in a process of its own, to be killed."""
    LIVES[cell.life].live(place, Wire(urls, cell.strike), Notes(notes))


def cells(services: Services, lives: list[str], kinds: list[str]) -> Iterator[Cell]:
    """Yield a cell for every call of every life and every kind."""
    for life in lives:
        for number, kind in itertools.product(range(1, len(services.calls_of(life)) + 1), kinds):
            yield Cell(life, Strike(kind, number))


def counted(results: list[Result]) -> Counter[tuple[str, str, bool]]:
    """Count cells by life, kind, and whether they hold; those that struck nothing are not counted."""
    return Counter((one.cell.life, one.cell.strike.kind, not one.problems) for one in results if one.operation)
