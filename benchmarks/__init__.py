"""Commands that make every figure in the docs; slow, and not part of the tests."""
