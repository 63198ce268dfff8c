"""Measuring one way against another: a fix against none, and the ways of one search side by side."""

from .proof import Proof
from .proved import Proved
from .trial import prove, proved

__all__ = ["Proof", "Proved", "prove", "proved"]
