"""One section through one knee as geometry in micrometres, and what is true of it.

`traits` are an animal's lengths; `bone_ends`, `beds` and `soft_parts` make curves of them and
`lesions` disease; `build` puts them together as the records of `anatomy`. `truth` measures the
curves, `outlines` writes them as objects for QuPath. Nothing here knows a pixel.
"""
