/**
 * Tiles where they belong, to half a screen pixel.
 *
 * OpenSeadragon's canvas drawer stretches tiles without overlap by a pixel, to hide the seams between
 * them, so that the picture lies up to a pixel beside the contours. Here every edge is put on a whole
 * screen pixel instead: neighbours meet without a seam, and nothing is stretched by more than that.
 */

/** Settings that go with it. */
export const EXACT = { smoothTileEdgesMinZoom: Infinity };

/** Makes a viewer draw its tiles so. */
export function drawTilesExactly(viewer) {
  viewer.drawer.minimumOverlapRequired = () => false;
  viewer.addHandler("tile-drawing", ({ context, tile }) =>
    snap(context, tile, window.OpenSeadragon.pixelDensityRatio),
  );
}

/** Maps the tile's rectangle to the whole pixels nearest to its edges. */
function snap(context, { position, size }, ratio) {
  const across = edges(position.x * ratio, size.x * ratio);
  const down = edges(position.y * ratio, size.y * ratio);
  context.transform(across.scale, 0, 0, down.scale, across.shift, down.shift);
}

function edges(start, length) {
  const first = Math.round(start);
  const scale = Math.max(1, Math.round(start + length) - first) / length;
  return { scale, shift: first - start * scale };
}
