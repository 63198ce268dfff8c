"""Near-identical rows of a table, in groups."""

from .groups import Groups
from .verb import duplicates

__all__ = ["Groups", "duplicates"]
