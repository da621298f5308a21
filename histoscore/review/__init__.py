"""The local page: a person goes through a run's sections and grades them.

It reads finished runs, shows slides as DeepZoom tiles, and appends decisions to the audit trail.
"""
