/** The slide: OpenSeadragon with the project's own keys, buttons and lines. */

import { tileUrl } from "./api.js";
import { at } from "./dom.js";
import { drawTilesExactly, EXACT } from "./exact_tiles.js";

const ROOM_AROUND_BOX = 0.18;
const SAME_ZOOM = 1.02;
const PAN_SHARE = 0.25;
const ZOOM_STEP = 1.5;

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

/** A section's picture under a pan-and-zoom view; positions are image pixels. */
export class SlideViewer {
  constructor() {
    this.image = null;
    this.labels = null;
    this.labelsWanted = 0;
    this.osd = openSeadragon();
    drawTilesExactly(this.osd);
    this.osd.innerTracker.keyHandler = null;
    this.osd.innerTracker.keyDownHandler = null;
    this.osd.innerTracker.keyUpHandler = null;
    this.onView(() => this.tendNavigator());
  }

  /** Shows a section; resolves when it is open. `box`: where to look first, null: the whole. */
  open(code, image, box = null) {
    this.forget();
    if (!image) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const opening = Symbol(code);
      this.opening = opening;
      this.osd.addOnceHandler("open", () => {
        if (this.opening !== opening) return resolve();
        this.code = code;
        this.image = image;
        if (box) this.look(box, true);
        resolve();
      });
      this.osd.addOnceHandler("open-failed", () => reject(new Error("the picture did not open")));
      this.osd.open(pyramid(image, (level, x, y) => tileUrl(code, level, x, y)));
    });
  }

  /** Takes the picture away. */
  forget() {
    this.opening = null;
    this.image = null;
    this.code = null;
    this.labels = null;
    this.labelling = null;
    this.osd.close();
  }

  /** Lays the label map over the picture at this opacity; 0 takes it off. */
  showLabels(scorer, opacity) {
    this.labelsWanted = opacity;
    if (this.labels) return this.labels.setOpacity(opacity);
    if (!this.image || !opacity || this.labelling === this.code) return undefined;
    const { code, image } = this;
    this.labelling = code;
    return this.osd.addTiledImage({
      tileSource: pyramid(image, (level, x, y) => tileUrl(code, level, x, y, scorer)),
      opacity,
      success: ({ item }) => this.keepLabels(code, item),
    });
  }

  keepLabels(code, item) {
    if (this.code !== code) return this.osd.world.removeItem(item);
    this.labels = item;
    return item.setOpacity(this.labelsWanted);
  }

  /** Takes the label map off, so that the next `showLabels` asks for its tiles anew. */
  dropLabels() {
    if (this.labels) this.osd.world.removeItem(this.labels);
    this.labels = null;
    this.labelling = null;
  }

  /** Moves so that the box [x, y, width, height] fills the view. */
  look(box, immediately = false) {
    if (!this.image || !box) return;
    const [x, y, width, height] = box;
    const room = Math.max(width, height) * ROOM_AROUND_BOX;
    const view = this.osd.viewport.imageToViewportRectangle(
      x - room / 2,
      y - room / 2,
      width + room,
      height + room,
    );
    this.osd.viewport.fitBounds(view, immediately || still.matches);
  }

  whole() {
    if (this.image) this.osd.viewport.goHome(still.matches);
  }

  /** Whether the whole section is in view. */
  get showsWhole() {
    if (!this.image) return true;
    const { viewport } = this.osd;
    return viewport.getZoom() <= viewport.getHomeZoom() * SAME_ZOOM;
  }

  /** One image pixel a screen pixel. */
  oneToOne() {
    if (!this.image) return;
    const { viewport } = this.osd;
    viewport.zoomTo(viewport.imageToViewportZoom(1 / window.devicePixelRatio), null, still.matches);
    viewport.applyConstraints(still.matches);
  }

  zoom(steps) {
    if (!this.image) return;
    this.osd.viewport.zoomBy(ZOOM_STEP ** steps, null, still.matches);
    this.osd.viewport.applyConstraints(still.matches);
  }

  /** Pans by a quarter of the view; `across`, `down`: -1, 0 or 1. */
  pan(across, down) {
    if (!this.image) return;
    const { viewport } = this.osd;
    const view = viewport.getBounds();
    const step = new window.OpenSeadragon.Point(
      across * view.width * PAN_SHARE,
      down * view.height * PAN_SHARE,
    );
    viewport.panBy(step, still.matches);
    viewport.applyConstraints(still.matches);
  }

  /** Where image pixels lie now: {scale, x, y} in CSS pixels of the viewer; null without image. */
  get placement() {
    const { viewport } = this.osd;
    if (!this.image || !viewport || !this.osd.world.getItemCount()) return null;
    const far = Math.max(this.image.width, this.image.height);
    const item = this.osd.world.getItemAt(0);
    const start = viewport.pixelFromPoint(item.imageToViewportCoordinates(0, 0, true), true);
    const end = viewport.pixelFromPoint(item.imageToViewportCoordinates(far, 0, true), true);
    return { scale: (end.x - start.x) / far, x: start.x, y: start.y };
  }

  /** Client coordinates of an image pixel, as a mouse would have them. */
  imageToScreen(x, y) {
    const place = this.placement;
    const frame = at("viewer").getBoundingClientRect();
    return { x: frame.left + place.x + x * place.scale, y: frame.top + place.y + y * place.scale };
  }

  /** Keeps the small picture away while it would only repeat the large one. */
  tendNavigator() {
    at("navigator").classList.toggle("idle", this.showsWhole);
  }

  /** Calls `choose` with the image pixel of every plain click. */
  onClick(choose) {
    this.osd.addHandler("canvas-click", ({ quick, position }) => {
      const place = this.placement;
      if (!quick || !place) return;
      choose((position.x - place.x) / place.scale, (position.y - place.y) / place.scale);
    });
  }

  /** Calls `draw` on every frame in which the view moved. */
  onView(draw) {
    for (const event of ["update-viewport", "open", "close", "resize"]) {
      this.osd.addHandler(event, draw);
    }
  }
}

/** The tile source of a DeepZoom pyramid without its descriptor file. */
function pyramid(image, url) {
  const top = image.levels - 1;
  return {
    width: image.width,
    height: image.height,
    tileSize: image.tile,
    tileOverlap: image.overlap,
    minLevel: Math.min(top, coarsest(image)),
    maxLevel: top,
    getTileUrl: url,
  };
}

/** The finest level that is a single tile: below it there is nothing more to see. */
export function coarsest(image) {
  const tiles = Math.max(image.width, image.height) / image.tile;
  return Math.max(0, image.levels - 1 - Math.max(0, Math.ceil(Math.log2(tiles))));
}

/** OpenSeadragon, set for quiet: no images of buttons, no clicks that zoom, the canvas drawer. */
function openSeadragon() {
  withoutInlineStyle();
  return window.OpenSeadragon({
    element: at("viewer"),
    drawer: "canvas",
    ...EXACT,
    tabIndex: -1,
    showNavigationControl: false,
    showNavigator: true,
    navigatorId: "navigator",
    navigatorDisplayRegionColor: "#c2410c",
    animationTime: still.matches ? 0 : 0.35,
    springStiffness: 9,
    blendTime: 0,
    zoomPerScroll: 1.25,
    maxZoomPixelRatio: 8,
    minZoomImageRatio: 0.6,
    visibilityRatio: 0.4,
    constrainDuringPan: true,
    imageLoaderLimit: 6,
    maxImageCacheCount: 250,
    tileRetryMax: 4,
    tileRetryDelay: 1500,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: true },
  });
}

/**
 * OpenSeadragon 6.1 adds a <style> for phones unless one is there, and the content security policy
 * blocks it with a noise in the console. An element of that name which is no style satisfies it.
 */
function withoutInlineStyle() {
  const stand = document.createElementNS("urn:histoscore", "style");
  stand.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(stand);
}
