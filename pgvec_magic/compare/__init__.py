"""Measuring one way against another: a fix against none, and the ways of one search side by side."""

from .beside import compare
from .comparison import Comparison, Outcome
from .proof import Proof
from .proved import Proved
from .trial import prove, proved

__all__ = ["Comparison", "Outcome", "Proof", "Proved", "compare", "prove", "proved"]
