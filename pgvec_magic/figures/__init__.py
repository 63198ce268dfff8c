"""Plain values as plotly pictures: one function a picture, readable on dark, on light and in print."""

from .elements import BLUE, GREY, ORANGE
from .hybrid import shares
from .pairs import duplicates
from .ranked import scores
from .steps import Step, steps
from .ways import Timed, ways

__all__ = ["BLUE", "GREY", "ORANGE", "Step", "Timed", "duplicates", "scores", "shares", "steps", "ways"]
