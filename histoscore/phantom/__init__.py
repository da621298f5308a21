"""The digital knee: truth first, picture after.

A knee is geometry in micrometres (`anatomy`, `lesions`); its measures are computed from that
geometry (`truth`), never from pixels. `tissue` paints dye amounts, `staining` turns them into
colour by Beer–Lambert, `artefacts` spoils the picture, `slides` writes it as scanners do and
`study` makes a whole experiment with groups, animals and simulated scorers.
"""
