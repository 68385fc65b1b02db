"""`agentmem demo`."""


def demo() -> None:
    """Tell the story."""
