"""Defines the errors of the embedded service: answers of the service, and mistakes of the host program."""

from __future__ import annotations

from typing import Any


class ServiceError(Exception):
    """An error the service answers with, by the code the service model gives it.

    Args:
        code: Shape name in the service model, such as ``"ValidationException"``.
        message: The sentence the caller reads.
        reason: ``ValidationException`` only: one of the model's ``ValidationExceptionReason`` values.
        fields: ``ValidationException`` only: ``(name, message)`` of every member found wrong.
    """

    def __init__(
        self, code: str, message: str, *, reason: str | None = None, fields: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The error as the JSON object that goes over the wire."""
        body: dict[str, Any] = {"message": self.message}
        if self.reason:
            body["reason"] = self.reason
        if self.fields:
            body["fieldList"] = [{"name": name, "message": message} for name, message in self.fields]
        return body


def invalid(message: str, *, reason: str = "FieldValidationFailed", field: str | None = None) -> ServiceError:
    """A ``ValidationException`` for one field.

    Args:
        message: The problem.
        reason: The model's reason; a failed constraint unless said otherwise.
        field: JSON pointer of the member, for ``fieldList``.
    """
    fields = ((field, message),) if field else ()
    return ServiceError("ValidationException", message, reason=reason, fields=fields)


def not_found(message: str) -> ServiceError:
    """A ``ResourceNotFoundException``."""
    return ServiceError("ResourceNotFoundException", message)
