"""From a knee's curves to dyes: which tissue each pixel is, and how much of each dye it holds.

`section` goes through a picture window by window and paints from the outside in: `surroundings`,
`menisci`, `bones` with what they hold (`marrow`), `cartilage` last. A `canvas` holds a window's
arrays; `cells` are drawn on layers of their own. What is drawn depends on the place in the knee
and on named streams of chance, so that windows meet without a seam.
"""
