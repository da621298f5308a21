"""`python -m histoscore` is `histoscore`."""

from histoscore.cli import main

if __name__ == "__main__":  # a spawned worker imports this module again
    main()
