"""How a verb ends with an exit code of its own, apart from Typer's."""

from __future__ import annotations


class Leave(SystemExit):
    """End the program with this exit code; everything was said already."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code
