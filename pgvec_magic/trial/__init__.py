"""The kinds of index side by side on a copy of some of a table's rows: built, searched, filled up, built anew."""

from .outcome import Outcome, Trial
from .verb import trial

__all__ = ["Outcome", "Trial", "trial"]
