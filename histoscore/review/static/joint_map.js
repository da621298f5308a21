/** The joint as a small map: femur above tibia, medial on the side where the picture has it. */

import { at, fill, make } from "./dom.js";
import {
  COMPARTMENT_WORDS,
  decisionText,
  flagWords,
  gradeText,
  isDecided,
  percent,
  statusWords,
} from "./words.js";

/** Draws the four cells. `unsaved`: a decision that did not reach the disk, or null. */
export function drawJoint({ section, active, ladder, unsaved, select }) {
  const flags = section.flags.map((flag) => make("li", {}, flagWords(flag)));
  const columns = section.medial_side === "right" ? ["L", "M"] : ["M", "L"];
  const names = ["FC", "TP"].flatMap((bone) => columns.map((side) => side + bone));
  const cells = names.map((name) =>
    cell(name, section.compartments[name], {
      ladder,
      isActive: name === active,
      unsaved: unsaved?.compartment === name && unsaved.code === section.code ? unsaved : null,
      select,
    }),
  );
  fill(
    at("joint"),
    heads(columns, section.medial_side),
    make("div", { class: "cells" }, cells),
    flags.length
      ? make("ul", { class: "flags", "aria-label": "flags of the section" }, flags)
      : false,
  );
}

function heads(columns, stated) {
  const words = { M: "medial", L: "lateral" };
  const text = (side) => (stated ? words[side] : `${words[side]} (side not known)`);
  return make(
    "div",
    { class: "heads" },
    columns.map((side) => make("span", {}, text(side))),
  );
}

function cell(name, compartment, { ladder, isActive, unsaved, select }) {
  const data = {
    compartment: name,
    grade: isDecided(compartment?.mine) ? gradeText(compartment.mine.grade) : "",
    active: String(isActive),
    decided: String(isDecided(compartment?.mine)),
    unsaved: String(Boolean(unsaved)),
  };
  return make(
    "button",
    {
      type: "button",
      class: name.endsWith("FC") ? "cell femur" : "cell tibia",
      data,
      "aria-current": isActive ? "true" : null,
      onclick: () => select(name),
    },
    make(
      "span",
      { class: "name" },
      isActive ? make("span", { "aria-hidden": "true" }, "▸ ") : false,
      name,
      unseen(`, ${COMPARTMENT_WORDS[name]}${isActive ? ", active" : ""}: `),
      marks(compartment?.mine),
    ),
    mineFace(compartment?.mine, unsaved),
    ...modelFace(compartment, ladder),
  );
}

function marks(mine) {
  if (!mine) return false;
  return make(
    "span",
    { class: "marks" },
    mine.flagged
      ? [make("span", { class: "flagged", "aria-hidden": "true" }, "⚑"), unseen(" flagged ")]
      : false,
    mine.comment
      ? [make("span", { class: "commented", "aria-hidden": "true" }, "✎"), unseen(" commented ")]
      : false,
  );
}

function mineFace(mine, unsaved) {
  if (unsaved) {
    return make(
      "span",
      { class: "mine unsaved" },
      make("s", {}, unsaved.gradable ? gradeText(unsaved.grade) : "✕"),
      make("small", {}, " not saved"),
    );
  }
  const face = isDecided(mine) ? (mine.gradable ? gradeText(mine.grade) : "✕") : "–";
  return make(
    "span",
    { class: isDecided(mine) ? "mine" : "mine none" },
    make("span", { "aria-hidden": "true" }, face),
    unseen(`${decisionText(mine)}; `),
  );
}

function modelFace(compartment, ladder) {
  const model = compartment?.model;
  if (!model) return [make("span", { class: "model hidden_model" }, hiddenText(compartment?.mine))];
  if (model.grade === null) {
    return [make("span", { class: "model withheld" }, model.reason || statusWords(model.status))];
  }
  return [
    make(
      "span",
      { class: "model" },
      "model ",
      make("b", {}, gradeText(model.grade)),
      setText(model),
    ),
    bars(model, ladder),
    make("span", { class: "extent" }, extentText(model)),
  ];
}

/** In independent mode a section's model grades may come only with its last decision. */
export function hiddenText(mine) {
  return isDecided(mine)
    ? "model hidden until all four are graded"
    : "model hidden until you grade";
}

function setText(model) {
  if (model.grade_low === null || model.grade_low === undefined) return "";
  if (model.grade_low === model.grade_high) return "";
  return ` (${gradeText(model.grade_low)}–${gradeText(model.grade_high)})`;
}

export function extentText(model) {
  if (model.lesion_extent === null || model.lesion_extent === undefined) return "not measured";
  if (model.lesion_extent === 0) return "no erosion";
  const implied = model.implied_grade === null ? "" : ` → ${gradeText(model.implied_grade)}`;
  return `eroded ${percent(model.lesion_extent)}${implied}`;
}

/** Probabilities over the rungs as small bars; the model's grade is the filled one. */
function bars(model, ladder) {
  const row = make("span", { class: "bars", "aria-hidden": "true" });
  ladder.rungs.forEach((rung, i) => {
    const bar = make("i", { class: rung === model.grade ? "its" : "" });
    bar.style.height = `${Math.max(4, 100 * (model.probabilities?.[i] ?? 0))}%`;
    row.append(bar);
  });
  return row;
}

/** Words for who listens instead of looks. */
function unseen(words) {
  return make("span", { class: "unseen" }, words);
}
