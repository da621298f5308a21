"""The verbs (being built)."""


def main() -> None:
    raise SystemExit("being built")
