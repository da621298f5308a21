"""What spoils a slide besides disease, drawn so that it is known to the pixel.

On the dyes of one section, before it is mounted (`damage`):

- *fold*: a narrow bent strip in which the section lies double; dyes add up, labels are unsure;
- *tear*: a jagged, branching crack without tissue;
- *missing*: a ragged piece gone from the rim, or a hole.

On the picture of a slide (`soil`): what lies on, in and under the glass:

- *bubble*: air under the coverslip, with a dark refracting rim, a little out of focus inside;
- *coverslip*: its edge and the rim of the mounting medium along one side, bare glass beyond;
- *dust*: crumbs and lint, sharp in the medium or hazy on top of the coverslip;
- *pen*: felt-pen strokes along one side of the glass.

On the picture as scanned (`blur_and_light`):

- *blur*: a region softly out of focus;
- *light*: light that falls off over the slide and towards the corners of each field;
- *seam*: stitched strips of unequal brightness, a pixel or so apart.

Lengths are µm throughout, so an artefact is the same at any scale. Everything happens in place,
in bytes, in small windows or bands.
"""

from histoscore.phantom.artefacts.glass import soil
from histoscore.phantom.artefacts.kinds import (
    SHIFTED,
    STANDARD,
    Artefact,
    ArtefactKind,
    ArtefactRates,
)
from histoscore.phantom.artefacts.optics import blur_and_light
from histoscore.phantom.artefacts.tissue_damage import damage

__all__ = [
    "SHIFTED",
    "STANDARD",
    "Artefact",
    "ArtefactKind",
    "ArtefactRates",
    "blur_and_light",
    "damage",
    "soil",
]
