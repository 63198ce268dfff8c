"""Plain values as plotly pictures: one function a picture, readable on dark, on light and in print."""

from .elements import BLUE, GREY, ORANGE, Sketch
from .hybrid import shares
from .icicle import icicle
from .pairs import duplicates
from .ranked import scores
from .recall import Curve, recall
from .staircase import Stair, staircase
from .steps import MOST_STEPS, Mark, Step
from .tree import tree
from .ways import Timed, ways

__all__ = [
    "BLUE",
    "GREY",
    "MOST_STEPS",
    "ORANGE",
    "Curve",
    "Mark",
    "Sketch",
    "Stair",
    "Step",
    "Timed",
    "duplicates",
    "icicle",
    "recall",
    "scores",
    "shares",
    "staircase",
    "tree",
    "ways",
]
