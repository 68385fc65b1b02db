"""Provides the base of every settings model: frozen, closed to unknown fields, with precise errors.

pydantic checks; this module only turns what pydantic found into one `ConfigurationError` that names the field, the
value and the remedy. The remedy is the field's own description, so that documentation and error cannot disagree.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from agentmem.errors import ConfigurationError

_SHOWN_LENGTH = 120


def no_bool(value: object) -> object:
    """Refuse true and false where a number is meant; pydantic would take them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def one_or_many(value: object) -> object:
    """Take a single text for a sequence of one; otherwise it would be a sequence of its letters."""
    return (value,) if isinstance(value, str) else value


Count = Annotated[int, BeforeValidator(no_bool)]
Seconds = Annotated[float, BeforeValidator(no_bool)]
Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class Settings(BaseModel):
    """A frozen group of settings whose every violation is a `ConfigurationError`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
        validate_default=True,
        hide_input_in_errors=True,
    )

    def __init__(self, **values: Any) -> None:
        """Check the values.

        Args:
            **values: The fields by name.

        Raises:
            ConfigurationError: A value is missing, malformed, unknown or contradicts another.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explain(type(self), error) from None
        except UnicodeEncodeError as error:
            raise _half_a_character(type(self), error) from None

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check a dictionary or an instance, as `BaseModel.model_validate` does.

        Args:
            obj: What to check.
            **options: pydantic's own options.

        Returns:
            The checked settings.

        Raises:
            ConfigurationError: A value is missing, malformed, unknown or contradicts another.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise explain(cls, error) from None
        except UnicodeEncodeError as error:
            raise _half_a_character(cls, error) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, checked like a new one.

        Args:
            **changes: The fields to change, by name.

        Returns:
            The new settings; `self` is left alone.

        Raises:
            ConfigurationError: A changed value is malformed, unknown or contradicts another.
        """
        kept = {
            shown: getattr(self, field)
            for shown, field in ((info.alias or name, name) for name, info in type(self).model_fields.items())
            if field in self.model_fields_set
        }
        return type(self)(**{**kept, **changes})


def explain(model: type[BaseModel], error: ValidationError) -> ConfigurationError:
    """Word what pydantic found as one error.

    Args:
        model: The settings model that was being built.
        error: What pydantic found.

    Returns:
        An error with one line for each problem: the field, the value and the remedy.
    """
    problems = error.errors(include_url=False)
    # A sequence whose item is wrong is reported as too short as well; the item says more.
    inner = {problem["loc"][:-1] for problem in problems}
    told = [problem for problem in problems if not problem["loc"] or problem["loc"] not in inner]
    return ConfigurationError("\n".join(_line(model, dict(problem)) for problem in told))


def _line(model: type[BaseModel], problem: dict[str, Any]) -> str:
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    location = tuple(problem["loc"])
    known = [step for step in location if isinstance(step, int) or step in fields or step == location[-1]]
    field = model.__name__ + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in known)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"{model.__name__} has: {', '.join(fields)}."
        return f"{field} is not a setting; {hint}"
    nested = problem.get("ctx", {}).get("error")
    if isinstance(nested, ConfigurationError):  # a section checks itself and has said all there is to say
        return f"{field}: {nested}"
    description = fields[str(location[0])].description or "" if location and location[0] in fields else ""
    if problem["type"] == "missing":
        return f"{field} is missing. {description}".rstrip()
    reason = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    if not location:
        return f"{field}: {reason}."
    return f"{field} = {_shown(problem.get('input'))}: {reason}. {description}".rstrip()


def _shown(value: object) -> str:
    """Show a value short enough to read; objects that are no plain data only by their type."""
    if value is None or isinstance(value, str | int | float | bool | list | tuple | dict):
        text = repr(value)
        return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}… ({len(text)} characters)"
    return f"<{type(value).__name__}>"


def _half_a_character(settings: type[BaseModel], error: UnicodeEncodeError) -> ConfigurationError:
    # pydantic hands texts to Rust, which has no form for such a one, and so has no service.
    return ConfigurationError(
        f"{settings.__name__}: {error.object[:100]!r} holds half a character (a lone surrogate, U+D800 to U+DFFF). "
        "Give text that UTF-8 can hold."
    )
