"""The digital knee: truth first, picture after.

A knee is geometry in micrometres (`knee`); its measures are computed from that geometry, never
from pixels. `painting` turns it into dye amounts, `staining` into colour by Beer–Lambert,
`artefacts` spoil it. `scenes` are for training; for a study, `experiment` plans groups and
animals, `mounting` puts an animal's sections on a slide, `scanner` writes it as scanners do,
`scorers` grade it and `study` makes the folder with sheet and truth.

`chance` names the streams of random numbers, `raster` and `grain` draw: views, rings, textures.
"""
