"""What the page may send, checked before anything is done with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from histoscore.vocabulary import Compartment

Name = Annotated[str, Field(min_length=1, max_length=60)]
Words = Annotated[str, Field(max_length=2000)]


class Body(BaseModel):
    """Base: unknown fields, and numbers or truth values written as text, are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Join(Body):
    name: Name
    mode: Literal["independent", "assist"]


class Who(Body):
    scorer: Name


class Verdict(Who):
    """A whole verdict on one compartment; `seen` is the number of the one it takes the place of."""

    code: str
    compartment: Compartment
    grade: float | None
    gradable: bool = True
    reason: Words = ""
    seen: Annotated[int, Field(ge=0)]


class Decide(Verdict):
    flagged: bool = False
    comment: Words = ""


class Sign(Who):
    counting: Literal["person", "model"]


class Nothing(Body):
    pass
