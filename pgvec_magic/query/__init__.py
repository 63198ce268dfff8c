"""A search as a value, and the one statement it becomes; pure, no connection."""

from .request import MODES, STRATEGIES, Query, Reranker, Search, counted
from .scan import Scan, choose_scan
from .statement import build, without_vector

__all__ = [
    "MODES",
    "STRATEGIES",
    "Query",
    "Reranker",
    "Scan",
    "Search",
    "build",
    "choose_scan",
    "counted",
    "without_vector",
]
