"""The digital knee: truth first, picture after.

A knee is geometry in micrometres (`traits`, `curves`, `anatomy`, `lesions`); its measures are
computed from that geometry (`truth`), never from pixels. `tissue` paints dye amounts on a
`canvas` (`surroundings`, `bones`, `cartilage`, `cells`), `staining` turns them into colour by
Beer–Lambert, `artefacts` spoils the picture. `scenes` are for training; for a study, `experiment`
plans groups, animals and simulated scorers, `mounting` puts an animal's sections on a slide,
`scanner` writes it as scanners do and `study` makes the folder with sheet and truth.
"""
