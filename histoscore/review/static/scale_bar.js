/** How large things are: a bar in µm, and µm per screen pixel (never "20×"). */

import { at } from "./dom.js";

const LONGEST = 180;
const STEPS = [5, 2, 1];

/** Keeps bar and words true to the viewer. */
export class ScaleBar {
  constructor(viewer) {
    this.viewer = viewer;
    viewer.onView(() => this.draw());
  }

  draw() {
    const place = this.viewer.placement;
    at("scale").hidden = at("zoom").hidden = !place;
    if (!place) return;
    const { mpp } = this.viewer.image;
    const perScreenPixel = (mpp ?? 1) / place.scale;
    const length = roundLength(perScreenPixel * LONGEST);
    at("scale_bar").style.width = `${length / perScreenPixel}px`;
    at("scale_words").textContent = mpp ? lengthText(length) : `${length} image pixels`;
    at("zoom").textContent = zoomText(place.scale, mpp);
  }
}

/** The longest of 1, 2, 5 × 10ⁿ that is not longer than this. */
function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return power * (STEPS.find((step) => step * power <= longest) ?? 1);
}

function lengthText(um) {
  return um >= 1000 ? `${um / 1000} mm` : `${Number(um.toPrecision(1))} µm`;
}

/** The zoom as a person at this screen has it: device pixels, not CSS pixels. */
function zoomText(scale, mpp) {
  const imagePixels = 1 / (scale * window.devicePixelRatio);
  const ratio = Math.abs(imagePixels - 1) < 0.005 ? " · 1:1" : "";
  if (!mpp)
    return `${imagePixels.toFixed(2)} image pixels per screen pixel${ratio}; pixel size unknown`;
  return `${(imagePixels * mpp).toFixed(2)} µm per screen pixel${ratio}`;
}
