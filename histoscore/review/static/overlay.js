/** Lines over the section: one canvas, drawn with the viewer's own transform. */

import { COMPARTMENTS } from "./words.js";

/** Colours as in the report and in QuPath. `cased`: with a white edge, to be seen on any stain. */
const KINDS = [
  { name: "calcified", layer: "cartilage", color: "rgb(240, 228, 66)", width: 1.6, closed: true },
  { name: "hyaline", layer: "cartilage", color: "rgb(213, 94, 0)", width: 1.8, closed: true },
  { name: "surface", layer: "surface", color: "rgb(0, 90, 160)", width: 1.8, closed: false },
  { name: "lesions", layer: "lesions", color: "rgb(214, 0, 70)", width: 4.5, closed: false },
];
const CASING = "rgba(255, 255, 255, 0.85)";
const CASING_WIDTH = 1.2;
const OTHERS = 0.55;
const FRAME = "rgb(11, 107, 122)";
const CORNER = 14;
const USUAL_TYPE = 16;
const LABEL = "600 13px system-ui, sans-serif";

/** The canvas above the viewer, with the paths of one section. */
export class Overlay {
  constructor(canvas, viewer) {
    this.canvas = canvas;
    this.viewer = viewer;
    this.paths = new Map();
    this.boxes = new Map();
    this.active = null;
    this.layers = { cartilage: true, surface: true, lesions: true, frames: true };
    this.opacity = 1;
    viewer.onView(() => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  /** Takes the contours of a section; null: none yet. */
  contours(overlay) {
    this.paths.clear();
    for (const [name, shapes] of Object.entries(overlay?.compartments ?? {})) {
      this.paths.set(
        name,
        Object.fromEntries(KINDS.map((kind) => [kind.name, path(shapes, kind)])),
      );
    }
    this.draw();
  }

  /** Takes where the compartments are, and which one is being graded. */
  frames(compartments, active) {
    this.boxes = new Map(Object.entries(compartments).map(([name, one]) => [name, one.box]));
    this.active = active;
    this.draw();
  }

  /** The compartment whose box holds this image pixel; of several the one nearest in the middle. */
  compartmentAt(x, y) {
    const inside = [...this.boxes].filter(([, box]) => box && holds(box, x, y));
    const far = ([, [left, top, width, height]]) =>
      Math.hypot((x - left - width / 2) / width, (y - top - height / 2) / height);
    return inside.sort((one, other) => far(one) - far(other))[0]?.[0] ?? null;
  }

  set(layers, opacity) {
    this.layers = layers;
    this.opacity = opacity;
    this.draw();
  }

  draw() {
    const context = this.blank();
    const place = this.viewer.placement;
    if (!place) return;
    context.lineJoin = "round";
    this.unit = typeSize() / USUAL_TYPE;
    for (const name of COMPARTMENTS) {
      context.globalAlpha = this.opacity * (name === this.active ? 1 : OTHERS);
      this.drawContours(context, name, place);
    }
    context.globalAlpha = this.opacity;
    if (this.layers.frames) this.drawFrames(context, place);
  }

  /** The canvas emptied, at the screen's own resolution. */
  blank() {
    const ratio = window.devicePixelRatio;
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  drawContours(context, name, { scale, x, y }) {
    const paths = this.paths.get(name);
    if (!paths) return;
    const ratio = window.devicePixelRatio;
    context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
    for (const kind of KINDS.filter(({ layer }) => this.layers[layer])) {
      context.lineCap = kind.closed ? "round" : "butt";
      this.stroke(
        context,
        paths[kind.name],
        CASING,
        (this.unit * (kind.width + CASING_WIDTH)) / scale,
      );
      this.stroke(context, paths[kind.name], kind.color, (this.unit * kind.width) / scale);
    }
  }

  stroke(context, line, color, width) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke(line);
  }

  drawFrames(context, place) {
    const zoom = window.devicePixelRatio * this.unit;
    context.setTransform(zoom, 0, 0, zoom, 0, 0);
    for (const [name, box] of this.boxes) {
      if (box) drawFrame(context, name, onScreen(box, place, this.unit), name === this.active);
    }
  }
}

/** A kind's lines of one compartment as a path in image pixels. */
function path(shapes, { name, closed }) {
  const lines = name === "surface" ? [shapes.surface ?? []] : (shapes[name] ?? []);
  const drawn = new Path2D();
  for (const points of lines) {
    points.forEach(([x, y], i) => (i ? drawn.lineTo(x, y) : drawn.moveTo(x, y)));
    if (closed && points.length) drawn.closePath();
  }
  return drawn;
}

function holds([left, top, width, height], x, y) {
  return x >= left && x <= left + width && y >= top && y <= top + height;
}

/** The page's type size in CSS pixels: lines and names grow with it on a large screen. */
function typeSize() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) || USUAL_TYPE;
}

/** A box of image pixels in CSS pixels of the viewer, divided by `unit`. */
function onScreen([x, y, width, height], place, unit) {
  return {
    x: (place.x + x * place.scale) / unit,
    y: (place.y + y * place.scale) / unit,
    width: (width * place.scale) / unit,
    height: (height * place.scale) / unit,
  };
}

/** Four corners round a compartment and its name; the active one's are heavier. */
function drawFrame(context, name, box, isActive) {
  const corners = cornerPath(box, Math.min(CORNER, box.width / 3, box.height / 3));
  context.lineCap = "square";
  context.strokeStyle = CASING;
  context.lineWidth = isActive ? 5 : 3;
  context.stroke(corners);
  context.strokeStyle = FRAME;
  context.lineWidth = isActive ? 2.5 : 1;
  context.stroke(corners);
  drawName(context, name, box, isActive);
}

function cornerPath({ x, y, width, height }, arm) {
  const corners = new Path2D();
  for (const [cx, across] of [
    [x, arm],
    [x + width, -arm],
  ]) {
    for (const [cy, down] of [
      [y, arm],
      [y + height, -arm],
    ]) {
      corners.moveTo(cx + across, cy);
      corners.lineTo(cx, cy);
      corners.lineTo(cx, cy + down);
    }
  }
  return corners;
}

/** The name above a femoral compartment, below a tibial one: never on the joint space. */
function drawName(context, name, { x, y, width, height }, isActive) {
  context.font = LABEL;
  const wide = context.measureText(name).width + 12;
  const left = x + (width - wide) / 2;
  const top = name.endsWith("FC") ? y - 25 : y + height + 5;
  context.fillStyle = isActive ? FRAME : "rgba(255, 255, 255, 0.9)";
  context.beginPath();
  context.roundRect(left, top, wide, 20, 4);
  context.fill();
  context.fillStyle = isActive ? "#fff" : FRAME;
  context.textBaseline = "middle";
  context.fillText(name, left + 6, top + 10.5);
}
