/** The active compartment: the ladder, what the model and the ruler say, what the person did. */

import { at, button, fill, make } from "./dom.js";
import {
  COMPARTMENT_WORDS,
  flagWords,
  gradeText,
  gradeWords,
  isDecided,
  percent,
  statusWords,
} from "./words.js";
import { extentText, hiddenText } from "./joint_map.js";

/** Draws the panel; `does` holds what the buttons do, `may` whether anything can be decided. */
export function drawCompartment({ section, active, ladder, mode, may, does }) {
  const compartment = section.compartments[active] ?? { box: null, model: null, mine: null };
  fill(
    at("compartment"),
    make("h2", {}, make("b", {}, active), ` ${COMPARTMENT_WORDS[active]}`),
    compartment.box ? false : make("p", { class: "soft" }, "not found in the picture by the model"),
    ladderRow(compartment, ladder, may, does),
    wordsLine(compartment, ladder),
    actions(compartment, mode, may, does),
    decided(compartment.mine),
    measured(compartment.model),
  );
}

function ladderRow({ model, mine }, ladder, may, does) {
  const row = make("div", {
    class: model ? "ladder" : "ladder veiled",
    role: "group",
    "aria-label": "grade",
  });
  row.style.setProperty("--rungs", Math.min(ladder.rungs.length, 9));
  ladder.rungs.forEach((rung, i) =>
    row.append(rungButton(rung, i, { model, mine, ladder, may, does })),
  );
  if (!model) row.append(make("p", { class: "veil" }, hiddenText(mine)));
  return row;
}

function rungButton(rung, i, { model, mine, ladder, may, does }) {
  const text = gradeText(rung);
  const isMine = Boolean(mine?.gradable) && mine.grade === rung;
  const isModels = model?.grade === rung;
  const words = gradeWords(ladder, rung);
  return make(
    "button",
    {
      type: "button",
      class: "rung",
      data: { rung: text, mine: String(isMine), model: String(isModels) },
      disabled: !may,
      "aria-pressed": String(isMine),
      "aria-label": [`grade ${text}`, words, isModels ? "the model's grade" : ""]
        .filter(Boolean)
        .join(": "),
      title: words || null,
      onclick: () => does.grade(rung),
      onmouseenter: () => showWords(ladder, rung),
      onfocus: () => showWords(ladder, rung),
      onmouseleave: () => showWords(ladder, mine?.grade ?? null),
    },
    probability(model, rung, i),
    make("b", {}, text),
  );
}

/** The rung's share of the model's probability as a column; empty where the model is hidden. */
function probability(model, rung, i) {
  const share = model?.probabilities?.[i] ?? 0;
  const column = make("span", { class: "chance", "aria-hidden": "true" });
  if (!model) return column;
  const bar = make("i", {});
  bar.style.height = `${100 * share}%`;
  column.append(bar);
  const inSet = model.grade_low !== null && rung >= model.grade_low && rung <= model.grade_high;
  if (inSet) column.classList.add("in_set");
  if (model.implied_grade === rung)
    column.append(make("em", { title: "implied by the measured extent" }, "▾"));
  return column;
}

function wordsLine({ mine }, ladder) {
  const line = make("p", { class: "rung_words", id: "rung_words" });
  line.textContent = lineFor(ladder, mine?.grade ?? null);
  return line;
}

function showWords(ladder, rung) {
  const line = at("rung_words");
  if (line) line.textContent = lineFor(ladder, rung);
}

function lineFor(ladder, rung) {
  if (rung === null) return "";
  const words = gradeWords(ladder, rung);
  return words ? `${gradeText(rung)}: ${words}` : "";
}

function actions({ model, mine }, mode, may, does) {
  const canAccept = may && mode === "assist" && !isDecided(mine) && model && model.grade !== null;
  const accept = canAccept
    ? button(`Accept ${gradeText(model.grade)}`, "Enter", does.accept, {
        class: "primary",
        id: "accept",
      })
    : button("Next", "Enter", does.enter, { id: "enter" });
  const off = { disabled: !may };
  return make(
    "div",
    { class: "actions" },
    accept,
    button("Cannot grade", "X", does.cannotGrade, { ...off, id: "cannot_grade" }),
    button(mine?.flagged ? "Unflag" : "Flag", "F", does.flag, {
      ...off,
      id: "flag",
      "aria-pressed": String(Boolean(mine?.flagged)),
    }),
    button("Comment", "C", does.comment, { ...off, id: "comment" }),
    button("Undo", "U", does.undo, { ...off, id: "undo" }),
  );
}

function decided(mine) {
  if (!mine) return false;
  const lines = [];
  if (!mine.gradable) lines.push(["cannot be graded", mine.reason || mine.comment]);
  else if (mine.reason) lines.push(["reason", mine.reason]);
  if (mine.comment) lines.push(["comment", mine.comment]);
  if (mine.flagged) lines.push(["flag", "to be looked at again"]);
  if (!lines.length) return false;
  return make("dl", { class: "mine_words" }, lines.flatMap(pair));
}

function measured(model) {
  if (!model)
    return make("p", { class: "soft" }, "What was measured is shown after you have graded.");
  const flags = (model.flags ?? []).map((flag) => make("li", {}, flagWords(flag)));
  return make(
    "div",
    { class: "measured" },
    model.grade === null
      ? make(
          "p",
          { class: "notice" },
          `Model: ${statusWords(model.status)}${model.reason ? `, ${model.reason}` : ""}`,
        )
      : make("p", { class: "model_words" }, ...modelSentence(model)),
    flags.length ? make("ul", { class: "flags", "aria-label": "flags" }, flags) : false,
    make("dl", { class: "measures" }, measures(model).flatMap(pair)),
  );
}

function modelSentence(model) {
  const parts = ["model ", make("b", {}, gradeText(model.grade))];
  if (model.grade_low !== null && model.grade_low !== undefined) {
    const set =
      model.grade_low === model.grade_high
        ? gradeText(model.grade_low)
        : `${gradeText(model.grade_low)} to ${gradeText(model.grade_high)}`;
    parts.push(` · 90 % set ${set}`);
  }
  if (isNumber(model.expected_grade)) parts.push(` · expected ${model.expected_grade.toFixed(2)}`);
  return parts;
}

function measures(model) {
  const rows = [["erosion", extentWords(model)]];
  const add = (words, value, text) => isNumber(value) && rows.push([words, text(value)]);
  add("hyaline", model.hyaline_area_um2, (v) => `${Math.round(v).toLocaleString("en")} µm²`);
  add("calcified", model.calcified_area_um2, (v) => `${Math.round(v).toLocaleString("en")} µm²`);
  add("thickness", model.mean_thickness_um, (v) => `${v.toFixed(1)} µm`);
  add("Safranin +", model.safranin_fraction, percent);
  return rows;
}

function extentWords(model) {
  if (!model.lesion_extent) return extentText(model);
  const implied =
    model.implied_grade === null ? "" : ` ▾ implies grade ${gradeText(model.implied_grade)}`;
  return `${percent(model.lesion_extent)} of the surface${implied}`;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const pair = ([term, words]) => [make("dt", {}, term), make("dd", {}, words)];
