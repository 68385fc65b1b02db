"""Short names for what tests say to the service, all through boto3."""

from datetime import UTC, datetime

SEMANTIC = {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"]}}
PREFERENCE = {
    "userPreferenceMemoryStrategy": {"name": "prefs", "namespaceTemplates": ["/users/{actorId}/preferences/"]}
}
SUMMARY = {"summaryMemoryStrategy": {"name": "sums", "namespaceTemplates": ["/summaries/{actorId}/{sessionId}/"]}}
ALL_STRATEGIES = (SEMANTIC, PREFERENCE, SUMMARY)


def said(text, role="USER"):
    return {"conversational": {"content": {"text": text}, "role": role}}


class MemoryApi:
    def __init__(self, session, config=None):
        self.control = session.client("bedrock-agentcore-control", config=config)
        self.data = session.client("bedrock-agentcore", config=config)
        self.memory_id = ""

    def create(self, *strategies, name="test", **more):
        arguments = {"name": name, "eventExpiryDuration": 30, "memoryStrategies": list(strategies), **more}
        memory = self.control.create_memory(**arguments)["memory"]
        self.memory_id = memory["id"]
        return memory

    def say(self, text, role="USER", **more):
        return self.event(said(text, role), **more)

    def event(self, *payload, actor="bob", session="s1", at=None, **more):
        when = at if at is not None else datetime.now(UTC)
        return self.data.create_event(
            memoryId=self.memory_id,
            actorId=actor,
            sessionId=session,
            eventTimestamp=when,
            payload=list(payload),
            **more,
        )["event"]

    def events(self, actor="bob", session="s1", **more):
        return self.data.list_events(memoryId=self.memory_id, actorId=actor, sessionId=session, **more)["events"]

    def all_events(self, actor="bob", session="s1", page=100, **more):
        pages = self.data.get_paginator("list_events").paginate(
            memoryId=self.memory_id, actorId=actor, sessionId=session, PaginationConfig={"PageSize": page}, **more
        )
        return [event for page in pages for event in page["events"]]

    def records(self, namespace, **more):
        arguments = {"namespace": namespace} if "namespacePath" not in more else {}
        found = self.data.list_memory_records(memoryId=self.memory_id, maxResults=100, **arguments, **more)
        return found["memoryRecordSummaries"]

    def texts(self, namespace, **more):
        return [record["content"]["text"] for record in self.records(namespace, **more)]

    def search(self, query, namespace=None, top_k=10, path=None, **criteria):
        place = {"namespace": namespace} if namespace else {"namespacePath": path or "/"}
        return self.data.retrieve_memory_records(
            memoryId=self.memory_id, **place, searchCriteria={"searchQuery": query, "topK": top_k, **criteria}
        )["memoryRecordSummaries"]

    def write(self, *texts, namespace="/facts/", metadata=None, **more):
        records = [
            {
                "requestIdentifier": f"r{index}",
                "namespaces": [namespace],
                "content": {"text": text},
                "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                **({"metadata": metadata} if metadata else {}),
            }
            for index, text in enumerate(texts)
        ]
        answer = self.data.batch_create_memory_records(memoryId=self.memory_id, records=records, **more)
        return [record["memoryRecordId"] for record in answer["successfulRecords"]]
