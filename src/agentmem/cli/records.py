"""Defines `agentmem records`: lists, searches, shows and deletes long-term memory records."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import AsJson, Variables, configured, parsed_variables
from agentmem.cli.output import confirmed, note, print_facts, print_json, print_table, progress, shortened, when
from agentmem.cli.prefixes import completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentmem.config import MemoryConfig
    from agentmem.scope.namespaces import Namespace

records = typer.Typer(help="Look at long-term memory records, search them, or delete some.", no_args_is_help=True)

SHORTEST_ID = 40
"""Characters of a record's id, ``mem-`` and a UUID (botocore: `MemoryRecordId`)."""

Name = Annotated[str | None, typer.Option(help="Only of the configured namespace of this name; needs --actor.")]
Path = Annotated[str | None, typer.Option("--namespace", help="Of this namespace and everything below it instead.")]
Whose = Annotated[str | None, typer.Option(help="Whose: of all configured namespaces of this actor.")]
InSession = Annotated[str | None, typer.Option(help="Of this session only, where a namespace tells sessions apart.")]


@records.command("list")
@configured
def list_records(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Whose = None,
    session: InSession = None,
    name: Name = None,
    namespace: Path = None,
    variable: Variables = None,
    limit: Annotated[int, typer.Option(help="At most this many of each namespace, newest first.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List the records of an actor, or of any namespace.

    Example: agentmem records list --actor user123 --name facts
    """
    client = config.data_plane()
    found = []
    for place in _places(config, actor=actor, session=session, name=name, namespace=namespace, variables=variable):
        pages = client.get_paginator("list_memory_records").paginate(
            memoryId=config.memory_id, **place, PaginationConfig={"PageSize": 100}
        )
        listed = (record for page in pages for record in page["memoryRecordSummaries"])
        with progress(f"reading {_shown(place)}"):
            found += list(islice(listed, limit))
            more = next(listed, None) is not None
        if more:
            note(f"There are more than {limit} in {_shown(place)}; give a higher --limit.")
    print_records(_once(found), as_json=as_json)


@records.command("search")
@configured
def search_records(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    query: Annotated[str, typer.Argument(help="What to search for.")],
    actor: Whose = None,
    session: InSession = None,
    name: Name = None,
    namespace: Path = None,
    variable: Variables = None,
    top_k: Annotated[int, typer.Option(help="At most this many of each namespace.", min=1, max=100)] = 10,
    min_score: Annotated[float, typer.Option(help="Leave out what scores less.", min=0.0, max=1.0)] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Search records by meaning, best first. Unlike an agent's search, it shows everything however low it scores.

    Example: agentmem records search "favourite drink" --actor user123
    """
    client = config.data_plane()
    found: list[dict[str, Any]] = []
    for place in _places(config, actor=actor, session=session, name=name, namespace=namespace, variables=variable):
        strategy = {"memoryStrategyId": place.pop("memoryStrategyId")} if "memoryStrategyId" in place else {}
        with progress(f"searching {_shown(place)}"):
            answer = client.retrieve_memory_records(
                memoryId=config.memory_id,
                **place,
                searchCriteria={"searchQuery": query, "topK": top_k, **strategy},
                maxResults=top_k,
            )
        found += answer["memoryRecordSummaries"]
    best = sorted(_once(found), key=lambda record: -record.get("score", 0.0))
    print_records([record for record in best if record.get("score", 0.0) >= min_score], as_json=as_json)


@records.command("show")
@configured
def show_record(
    config: MemoryConfig,
    record_id: Annotated[str, typer.Argument(help="The record's id, as the list shows it, or its beginning.")],
    as_json: AsJson = False,
) -> None:
    """Show one record whole.

    Example: agentmem records show mem-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9
    """
    with progress("reading the record"):
        record = _record(config, record_id)
    if as_json:
        print_json(_facts(record))
        return
    facts = _facts(record)
    text = facts.pop("text")
    metadata = ", ".join(f"{name}={value}" for name, value in facts.pop("metadata").items())
    print_facts({**facts, "created_at": when(facts["created_at"]), "metadata": metadata})
    print(f"\n{text}")


@records.command("delete")
@configured
def delete_records(
    config: MemoryConfig,
    record_ids: Annotated[
        list[str], typer.Argument(help="The ids of the records, as the list shows them, or their beginnings.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete records for good, after showing them and asking.

    Example: agentmem records delete mem-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9
    """
    with progress("reading the records"):
        found = [_record(config, record_id) for record_id in dict.fromkeys(record_ids)]
    for record in found:
        note(f"{record['memoryRecordId']}  {shortened(record['content']['text'])}")
    if not confirmed(f"Delete {_counted(len(found))} for good?", yes=yes):
        note("Nothing was deleted.")
        raise typer.Exit(1)
    client = config.data_plane()
    with progress("deleting", len(found)) as show:
        for number, record in enumerate(found, 1):
            client.delete_memory_record(memoryId=config.memory_id, memoryRecordId=record["memoryRecordId"])
            show(number)
    print(f"deleted {_counted(len(found))}")


def _counted(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"


def _record(config: MemoryConfig, record_id: str) -> dict[str, Any]:
    if len(record_id) < SHORTEST_ID:
        from agentmem.operations.inventory import Inventory

        ids = (record["memoryRecordId"] for record in Inventory(config).records())
        record_id = completed(record_id, ids, kind="record", where="records list")
    answer = config.data_plane().get_memory_record(memoryId=config.memory_id, memoryRecordId=record_id)
    record: dict[str, Any] = answer["memoryRecord"]
    return record


def _places(
    config: MemoryConfig,
    *,
    actor: str | None,
    session: str | None,
    name: str | None,
    namespace: str | None,
    variables: Sequence[str] | None,
) -> list[dict[str, str]]:
    """Return where to look, as parameters of the service's operations."""
    if namespace is not None:
        if actor is not None or name is not None or session is not None:
            raise typer.BadParameter("it stands for itself; leave --actor, --session and --name out")
        return [{"namespacePath": namespace}]
    if actor is None:
        raise typer.BadParameter("say whose records, or give a --namespace", param_hint="--actor")
    given = parsed_variables(variables)
    chosen = config.namespaces if name is None else (config.namespace(name),)
    return [_place(config, one, actor, session, given) for one in chosen]


def _place(
    config: MemoryConfig, namespace: Namespace, actor: str, session: str | None, variables: Mapping[str, str]
) -> dict[str, str]:
    hierarchical = config.hierarchical_actor_ids
    if session is not None:
        place = {"namespace": namespace.resolve(actor, session, variables, hierarchical_actor_ids=hierarchical)}
    else:
        place = {"namespacePath": namespace.subtree(actor, variables, hierarchical_actor_ids=hierarchical)}
    return place if namespace.strategy_id is None else {**place, "memoryStrategyId": namespace.strategy_id}


def _shown(place: Mapping[str, str]) -> str:
    return place.get("namespace") or place["namespacePath"]


def _once(found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each record once: namespaces may lie inside one another."""
    return iter({record["memoryRecordId"]: record for record in found}.values())


def print_records(found: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print records as boto3 returns them.

    Args:
        found: The records.
        as_json: As JSON, with the whole text.
    """
    facts = [_facts(record) for record in found]
    if as_json:
        print_json(facts)
        return
    scored = any("score" in one for one in facts)
    columns = ("record", *(("#score",) if scored else ()), "created", "namespace", "text")
    rows = [
        (
            one["record"],
            *((f"{one['score']:.2f}",) if scored else ()),
            when(one["created_at"]),
            one["namespace"],
            shortened(one["text"]),
        )
        for one in facts
    ]
    print_table(columns, rows, empty="there is no record")


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        "record": record["memoryRecordId"],
        "namespace": ", ".join(record["namespaces"]),
        "strategy": record.get("memoryStrategyId", ""),
        "created_at": record["createdAt"],
        "metadata": {name: next(iter(value.values()), None) for name, value in record.get("metadata", {}).items()},
        "text": record["content"]["text"],
    }
    return {**facts, "score": record["score"]} if "score" in record else facts
