"""Vector indexes are built, rebuilt and dropped: sized before, followed meanwhile, cleared away when that fails."""

from .drop import Dropped, drop
from .listing import Indexes, indexes
from .progress import Progress
from .report import BuildReport
from .running import Build
from .spec import spec_for
from .verb import build, reindex
from .workshop import Workshop, workshop

__all__ = [
    "Build",
    "BuildReport",
    "Dropped",
    "Indexes",
    "Progress",
    "Workshop",
    "build",
    "drop",
    "indexes",
    "reindex",
    "spec_for",
    "workshop",
]
