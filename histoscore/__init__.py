"""histoscore: OARSI grades and cartilage areas from whole slides of mouse knees."""

__version__ = "0.1.0"
