"""The `histoscore` program with the fake scorer and its model: `python -m helpers.fake_cli …`."""

from __future__ import annotations

from functools import partial

from helpers.fake_scorer import SCORER, fake_model

from histoscore.cli import main
from histoscore.pipeline import study

if __name__ == "__main__":
    study.ScoreOptions = partial(study.ScoreOptions, scorer=SCORER, model=fake_model)
    main()
