"""The check-up: what is well of tables with vectors and of their server, what is not, and the SQL that mends it."""

from .check import Check
from .mending import Mended, mend
from .report import Health
from .verb import health

__all__ = ["Check", "Health", "Mended", "health", "mend"]
