"""Which index a table wants, and which none, with what each costs."""

from .advice import Advice, Suggestion
from .verb import advise

__all__ = ["Advice", "Suggestion", "advise"]
