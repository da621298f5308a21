/** The words of the field: compartments, grades, flags, modes. */

export const COMPARTMENTS = ["MFC", "MTP", "LFC", "LTP"];

export const COMPARTMENT_WORDS = {
  MFC: "medial femoral condyle",
  MTP: "medial tibial plateau",
  LFC: "lateral femoral condyle",
  LTP: "lateral tibial plateau",
};

export const MODE_WORDS = {
  independent: "The model's grades stay hidden until you have graded. For validation.",
  assist: "The model's grades are shown from the start; you accept or change them.",
};

const FLAG_WORDS = {
  touches_edge: "the section reaches the edge of the scan",
  many_sections: "more pieces on the slide than expected",
  medial_side_from_model: "medial side as the model saw it: no one stated it",
  medial_side_contradicts_model: "the model sees medial on the other side than the sheet says",
  out_of_focus: "out of focus",
  uneven_light: "unevenly lit",
  unreadable_tiles: "parts of the slide's file cannot be read",
  pixel_size_assumed: "no pixel size known: nothing in µm is given",
  extent_disagrees: "measured extent and model grade disagree",
  area_unusual: "cartilage area outside the usual range",
  thickness_unusual: "cartilage thickness outside the usual range",
  interrupted: "the cartilage was found in pieces",
  obscured: "partly covered (bubble, fold, pen or dirt)",
  blurred: "blurred here",
  measure_missing: "a measurement could not be made",
  wide_set: "the model is unsure: many grades are possible",
};

const STATUS_WORDS = {
  scored: "scored",
  scored_with_warnings: "scored with warnings",
  needs_review: "grade withheld",
  no_tissue: "no tissue",
  failed: "failed",
  skipped: "excluded",
};

export const flagWords = (flag) => FLAG_WORDS[flag] ?? flag.replaceAll("_", " ");
export const statusWords = (status) => STATUS_WORDS[status] ?? status.replaceAll("_", " ");

/** A grade as people write it: 0, 0.5, 3. */
export function gradeText(grade) {
  return grade === null || grade === undefined ? "–" : String(Number(grade));
}

/** What a grade means, where the ladder says. */
export function gradeWords(ladder, grade) {
  return ladder.words?.[gradeText(grade)] ?? "";
}

/** A fraction in per cent, without false precision. */
export function percent(fraction) {
  const value = fraction * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Whether a decision settles its compartment: a grade, or that it cannot be graded. */
export function isDecided(decision) {
  return Boolean(decision) && (decision.grade !== null || !decision.gradable);
}

/** A decision in one word: its grade, "cannot be graded", or nothing yet. */
export function decisionText(decision) {
  if (!isDecided(decision)) return "not graded";
  return decision.gradable ? `grade ${gradeText(decision.grade)}` : "cannot be graded";
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
