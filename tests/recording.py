"""What a program calls, as the IAM actions it needs to be allowed."""

from __future__ import annotations

AUTHORIZED_AS = {"dynamodb:TransactWriteItems": "dynamodb:PutItem"}
"""A transaction of puts is authorized as the puts in it."""


class Recorded:
    """The IAM actions of the calls made through a boto3 session's future clients."""

    def __init__(self, session):
        self.actions = set()
        session.events.register("before-call", self._record)

    def _record(self, model, **_):
        service = model.service_model.service_name.removesuffix("-control")
        action = f"{service}:{model.name}"
        self.actions.add(AUTHORIZED_AS.get(action, action))

    def take(self):
        """Return what was called since the last time."""
        taken, self.actions = self.actions, set()
        return taken
