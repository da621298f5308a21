/** Which lines lie over the section, and how strong: switches, one slider, remembered. */

import { at, fill, make, say } from "./dom.js";
import { preference, prefer } from "./memory.js";

const SWITCHES = [
  ["frames", "compartments", "frame"],
  ["cartilage", "cartilage", "cartilage"],
  ["surface", "articular surface", "surface"],
  ["lesions", "eroded", "lesions"],
  ["labels", "label map", "labels"],
];
const AT_FIRST = { frames: true, cartilage: true, surface: true, lesions: true, labels: false };
const STEP = 0.1;

/** The overlay settings; `changed` is called with every new state. */
export class Layers {
  constructor(changed) {
    this.changed = changed;
    this.layers = { ...AT_FIRST, ...preference("layers", AT_FIRST) };
    this.on = preference("overlay", true);
    this.opacity = Math.min(1, Math.max(STEP, preference("opacity", 0.9)));
    this.classes = [];
    this.labelsThere = false;
    this.draw();
  }

  /** What is to be seen now: every layer off while the overlay is. */
  get shown() {
    if (this.on) return this.layers;
    return Object.fromEntries(Object.keys(this.layers).map((name) => [name, false]));
  }

  /** Takes what a section has: its tissue classes, and whether a label map may be shown. */
  section(overlay) {
    this.labelsThere = Boolean(overlay?.labels);
    this.classes = overlay?.classes ?? [];
    this.draw();
  }

  toggle() {
    this.on = !this.on;
    say(this.on ? "overlay on" : "overlay off");
    this.keep();
  }

  dim(steps) {
    this.opacity = Math.min(1, Math.max(STEP, Math.round((this.opacity + steps * STEP) * 10) / 10));
    if (!this.on) this.on = true;
    say(`overlay ${Math.round(this.opacity * 100)} per cent`);
    this.keep();
  }

  switch(name, isOn) {
    this.layers[name] = isOn;
    if (isOn) this.on = true;
    this.keep();
  }

  keep() {
    prefer("layers", this.layers);
    prefer("overlay", this.on);
    prefer("opacity", this.opacity);
    this.draw();
    this.changed();
  }

  draw() {
    document.body.dataset.overlay = this.on ? "on" : "off";
    if (!at("overlay_on")) this.build();
    at("overlay_on").checked = this.on;
    at("overlay_opacity").value = String(this.opacity);
    at("overlay_percent").textContent = `${Math.round(this.opacity * 100)} %`;
    for (const [name] of SWITCHES) this.drawSwitch(name);
    this.drawLegend();
  }

  drawSwitch(name) {
    const box = at(`layer_${name}`);
    box.checked = this.layers[name];
    box.disabled = name === "labels" && !this.labelsThere;
  }

  build() {
    const main = this.box("overlay_on", "Overlay", "O", () => this.toggle());
    const slider = make("input", {
      type: "range",
      id: "overlay_opacity",
      min: STEP,
      max: 1,
      step: STEP,
      "aria-label": "overlay strength",
    });
    slider.addEventListener("input", () => this.dim((Number(slider.value) - this.opacity) / STEP));
    const switches = SWITCHES.map(([name, words, swatch]) =>
      this.box(`layer_${name}`, words, "", (isOn) => this.switch(name, isOn), swatch),
    );
    fill(
      at("layers"),
      make(
        "div",
        { class: "strength" },
        main,
        make("kbd", { "aria-hidden": "true" }, "["),
        slider,
        make("kbd", { "aria-hidden": "true" }, "]"),
        make("span", { id: "overlay_percent" }),
      ),
      make("div", { class: "switches" }, switches),
      make("ul", { id: "legend", "aria-label": "colours of the label map" }),
    );
  }

  box(id, words, key, changed, swatch = "") {
    const input = make("input", { type: "checkbox", id });
    input.addEventListener("change", () => changed(input.checked));
    return make(
      "label",
      { for: id },
      input,
      swatch ? make("span", { class: `swatch ${swatch}`, "aria-hidden": "true" }) : false,
      make("span", {}, words),
      key ? make("kbd", { "aria-hidden": "true" }, key) : false,
    );
  }

  drawLegend() {
    const isOn = this.shown.labels && this.labelsThere;
    at("legend").hidden = !isOn;
    fill(at("legend"), isOn ? this.classes.map(legendItem) : []);
  }
}

function legendItem({ name, color }) {
  const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = `rgb(${color.map(Number).join(", ")})`;
  return make("li", {}, swatch, name);
}
