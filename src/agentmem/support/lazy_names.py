"""Loads the public names of a package when they are first used, so that importing it costs next to nothing."""

from sys import modules

TYPE_CHECKING = False  # importing `typing` would take longer than importing the package
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, names: "Mapping[str, tuple[str, ...]]"
) -> "tuple[list[str], Callable[[str], object], Callable[[], list[str]]]":
    """Make what a package needs to load its names late.

    Args:
        package: The package's ``__name__``.
        names: The public names by the module that defines them.

    Returns:
        The package's ``__all__``, ``__getattr__`` and ``__dir__``.
    """
    module_of = {name: module for module, defined in names.items() for name in defined}
    public = sorted(module_of)

    def load(name: str) -> object:
        from importlib import import_module

        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(module_of[name]), name)
        setattr(modules[package], name, value)
        return value

    return public, load, lambda: public
