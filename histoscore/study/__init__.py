"""Whose slide it is: the study sheet, the key of a blinded study, the sheets of scorers."""

from histoscore.study.draft import new_study
from histoscore.study.manifest import Study, read_study
from histoscore.study.people import ScorerGrade, read_key, read_scorers
from histoscore.study.rows import SectionChoice, StudyRow

__all__ = [
    "ScorerGrade",
    "SectionChoice",
    "Study",
    "StudyRow",
    "new_study",
    "read_key",
    "read_scorers",
    "read_study",
]
