"""Embeds Amazon Bedrock AgentCore Memory: the service's contract, in this process or over HTTP."""

from __future__ import annotations

from .embedding import Embedder
from .extraction.extractor import Change, Extractor, Known, RuleExtractor
from .extraction.messages import Message
from .extraction.model import ModelExtractor
from .faults import Fault, Faults
from .local_memory import LocalMemory

__all__ = [
    "Change",
    "Embedder",
    "Extractor",
    "Fault",
    "Faults",
    "Known",
    "LocalMemory",
    "Message",
    "ModelExtractor",
    "RuleExtractor",
]
