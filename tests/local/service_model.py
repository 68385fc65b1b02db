"""Requests made from botocore's service model: valid ones, and ones wrong in one member at a time."""

import re
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

DATA_PLANE, CONTROL_PLANE = "bedrock-agentcore", "bedrock-agentcore-control"
SEEDS = (
    "a", "aa", "abc", "USER", "0", "m-0123456789", "mymemory-0123456789", "0000001756147154000#ffa53e54", "/users/a/",
    "mem-0123456789012345678901234567890123456789",
    "arn:aws:bedrock-agentcore:us-east-1:000000000000:memory/m-0123456789",
    "arn:aws:iam::000000000000:role/a",
)  # fmt: skip
FORBIDDEN = ("!", "é", "{", " ")


@dataclass(frozen=True)
class Case:
    """One request: `params` differ from a valid request in the member at `path` only."""

    operation: str
    service: str
    path: str
    what: str
    params: Any

    @property
    def id(self):
        return f"{self.operation}{self.path}-{self.what}"


def operations():
    """Every operation of the two services that concerns memory: (service, operation model)."""
    loader = Loader()
    for service in (DATA_PLANE, CONTROL_PLANE):
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.http["requestUri"].startswith(("/memories", "/tags/")):
                yield service, operation


def text_of(shape, length=None):
    """A valid string of a shape, of a length if one is given; None when the pattern has none such."""
    if shape.enum:
        return shape.enum[0] if length is None else None
    pattern = re.compile(shape.metadata.get("pattern", r"[\s\S]*"))
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
    for seed in SEEDS:
        pad = "a" * (length - len(seed)) if length is not None and length >= len(seed) else ""
        for text in (seed + pad, pad + seed, seed[:-1] + pad + seed[-1:]):
            fits = low <= len(text) <= high if length is None else len(text) == length
            if fits and pattern.fullmatch(text):
                return text
    return None


def value_of(shape):
    """The least valid value of a shape."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return {"any": ["json"]}
        members = list(shape.required_members)
        if getattr(shape, "is_tagged_union", False):
            members = [next(iter(shape.members))]
        return {name: value_of(shape.members[name]) for name in members}
    if kind == "list":
        return [value_of(shape.member) for _ in range(max(1, shape.metadata.get("min", 0)))]
    if kind == "map":
        return {text_of(shape.key): value_of(shape.value)}
    if kind == "string":
        return text_of(shape)
    return {"boolean": True, "timestamp": 1_700_000_000}.get(kind, max(shape.metadata.get("min", 1), 1))


def _sized(shape, count):
    if shape.type_name == "list":
        return [value_of(shape.member) for _ in range(count)]
    return {f"{text_of(shape.key)}{index}": value_of(shape.value) for index in range(count)}


def wrong_values(shape):  # noqa: C901 - one branch for each kind of constraint
    """(what is wrong, value) for each constraint of a shape."""
    low, high, kind = shape.metadata.get("min"), shape.metadata.get("max"), shape.type_name
    if kind == "string":
        if high is not None:
            yield "too long", text_of(shape, high + 1) or "a" * (high + 1)
        if low and low > 1:
            yield "too short", text_of(shape, low - 1) or "a" * (low - 1)
        if shape.enum:
            yield "not in the enum", "NOT_A_CHOICE"
        elif "pattern" in shape.metadata:
            length = max(low or 1, 1)
            bad = [mark * length for mark in FORBIDDEN if not re.fullmatch(shape.metadata["pattern"], mark * length)]
            if bad:
                yield "malformed", bad[0]
    elif kind in ("list", "map"):
        if high is not None:
            yield "too many", _sized(shape, high + 1)
        if low:
            yield "too few", _sized(shape, low - 1)
    elif kind in ("integer", "long", "double", "float"):
        if high is not None:
            yield "too large", high + 1
        if low is not None:
            yield "too small", low - 1


def boundary_values(shape):  # noqa: C901 - one branch for each kind of constraint
    """(which, value) at the edges of what a shape allows."""
    low, high, kind = shape.metadata.get("min"), shape.metadata.get("max"), shape.type_name
    if kind == "string":
        if shape.enum:
            yield from ((f"enum {choice}", choice) for choice in shape.enum)
            return
        for which, length in (("longest", high), ("shortest", low)):
            if length and text_of(shape, length) is not None:
                yield which, text_of(shape, length)
    elif kind in ("list", "map"):
        if high is not None:
            yield "most", _sized(shape, high)
        if low:
            yield "fewest", _sized(shape, low)
    elif kind in ("integer", "long", "double", "float"):
        if high is not None:
            yield "largest", high
        if low is not None:
            yield "smallest", low


def places(shape, path=()):
    """Every constrained place in a shape: (path, shape); list and map members are visited once."""
    yield path, shape
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        for name, member in shape.members.items():
            yield from places(member, (*path, name))
    elif shape.type_name == "list":
        yield from places(shape.member, (*path, 0))
    elif shape.type_name == "map":
        yield from places(shape.value, (*path, text_of(shape.key)))


def with_value(shape, path, value):
    """The least valid request that has a value at a path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if shape.type_name == "structure":
        base = {} if getattr(shape, "is_tagged_union", False) else value_of(shape)
        return {**base, step: with_value(shape.members[step], rest, value)}
    if shape.type_name == "list":
        return [with_value(shape.member, rest, value), *value_of(shape)[1:]]
    return {step: with_value(shape.value, rest, value)}


def cases(values):
    """A case for every operation, constrained place and value."""
    for service, operation in operations():
        for path, shape in places(operation.input_shape):
            pointer = "".join(f"/{step}" for step in path)
            for what, value in values(shape):
                params = with_value(operation.input_shape, path, value)
                if not (
                    path and operation.input_shape.members[path[0]].serialization.get("location") and value in ("", [])
                ):
                    yield Case(operation.name, service, pointer, what, params)
