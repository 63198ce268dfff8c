"""Rows of a table that have a vector: counted, sampled, read, measured; and vectors in their wire form."""

from .source import ASKED, Count, Key, Settings, Source
from .stream import Block

__all__ = ["ASKED", "Block", "Count", "Key", "Settings", "Source"]
