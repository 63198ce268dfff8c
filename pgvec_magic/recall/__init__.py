"""What share of the true neighbours an index finds, and how fast, by setting."""

from .curve import RecallCurve
from .point import Point
from .verb import recall

__all__ = ["Point", "RecallCurve", "recall"]
