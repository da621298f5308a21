/** Sections fetched before they are asked for: their words, their contours, their coarse tiles. */

import * as api from "./api.js";
import { coarsest } from "./viewer.js";

const LEVELS_AHEAD = 2;
const TILES_AHEAD = 24;

/** What a section answered, kept until it is shown. */
export class Shelf {
  constructor(scorer) {
    this.scorer = scorer;
    this.ahead = new Map();
  }

  /** The section, from the shelf if it lies there; what is taken is asked anew next time. */
  take(code) {
    const kept = this.ahead.get(code);
    this.ahead.clear();
    return kept ?? this.ask(code);
  }

  ask(code) {
    return {
      section: api.section(code, this.scorer),
      overlay: quiet(api.overlay(code, this.scorer)),
    };
  }

  /** Fetches a section that will probably be next. */
  async putAhead(code) {
    if (!code || this.ahead.has(code)) return;
    const asked = this.ask(code);
    this.ahead.set(code, asked);
    try {
      const section = await asked.section;
      if (section.image) coarseTiles(section).forEach(fetchImage);
    } catch {
      this.ahead.delete(code);
    }
  }

  /** Forgets everything: something changed. */
  clear() {
    this.ahead.clear();
  }
}

/** Contours are asked beside the section; one without them can still be graded. */
function quiet(promise) {
  return promise.catch((refused) => ({
    compartments: {},
    labels: false,
    classes: [],
    problem: refused.message,
  }));
}

function coarseTiles({ code, image }) {
  const urls = [];
  const first = coarsest(image);
  for (let level = first; level < Math.min(image.levels, first + LEVELS_AHEAD); level += 1) {
    const shrink = 2 ** (image.levels - 1 - level);
    const columns = Math.ceil(Math.ceil(image.width / shrink) / image.tile);
    const rows = Math.ceil(Math.ceil(image.height / shrink) / image.tile);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1)
        urls.push(api.tileUrl(code, level, column, row));
    }
  }
  return urls.slice(0, TILES_AHEAD);
}

function fetchImage(url) {
  new Image().src = url;
}
