/** What a person is asked about one compartment: a reason, a comment, why it cannot be graded. */

import { make } from "./dom.js";
import { openDialog } from "./dialogs.js";

const AGAINST_MODEL = [
  "the model missed a lesion",
  "the model saw a lesion that is not there",
  "extent judged otherwise",
  "Safranin O loss judged otherwise",
  "artefact (fold, tear, dirt, stain)",
];
const AGAINST_MYSELF = [
  "mistyped",
  "looked again at higher zoom",
  "compared with the reference pictures",
  "extent judged otherwise",
  "artefact (fold, tear, dirt, stain)",
];
const UNGRADABLE = [
  "torn or folded here",
  "not on the section",
  "out of focus",
  "cut obliquely: the surface cannot be followed",
  "stain unreadable",
];
const FOR_CONSENSUS = [
  "agreed after looking together",
  "median of the grades",
  "a lesion was overlooked",
  "extent measured again",
  "artefact was taken for a lesion",
];

/** Why a grade changes: a sentence, or null when the person leaves it. */
export function askReason({ compartment, from, to, againstModel }) {
  const reasons = againstModel ? AGAINST_MODEL : AGAINST_MYSELF;
  const intro = `${compartment}: ${from}, now ${to}. Both stay on record with your reason.`;
  return pick({ title: "Why this grade?", intro, reasons, name: "reason", save: "Save" });
}

/** Why a compartment cannot be graded, or null. */
export function askUngradable(compartment) {
  const intro = `${compartment} then counts as decided, without a grade.`;
  return pick({
    title: "Why can it not be graded?",
    intro,
    reasons: UNGRADABLE,
    name: "ungradable",
    save: "Save",
  });
}

/** Why the scorers settle on a grade, or null. */
export function askConsensusReason(compartment, to) {
  const intro = `${compartment}: consensus ${to}. Every scorer's own grade stays as it is.`;
  return pick({
    title: "Reason for the consensus",
    intro,
    reasons: FOR_CONSENSUS,
    name: "consensus",
    save: "Save",
  });
}

/** The comment on a compartment, changed; null when the person leaves it. */
export function askComment(compartment, comment) {
  const field = make("textarea", {
    rows: 4,
    "aria-label": `comment on ${compartment}`,
    "data-first": true,
    maxlength: 2000,
  });
  field.value = comment;
  return openDialog({
    title: `Comment on ${compartment}`,
    name: "comment",
    body: [field, make("p", { class: "soft" }, "Shift + Enter starts a new line.")],
    buttons: [
      cancel(),
      { words: "Save", key: "Enter", primary: true, value: () => field.value.trim() },
    ],
  });
}

/** One of some reasons by its number, or one in the person's own words. */
function pick({ title, intro, reasons, name, save }) {
  const radios = reasons.map((text) =>
    make("input", { type: "radio", name: "reason", value: text }),
  );
  radios[0].dataset.first = "";
  const own = make("textarea", { rows: 2, id: "own_reason", maxlength: 500 });
  const missing = make("p", { class: "missing", role: "alert" });
  const answer = () => own.value.trim() || radios.find((radio) => radio.checked)?.value;
  const value = () => {
    if (!answer()) missing.textContent = "Choose one by its number, or write one.";
    return answer() || undefined;
  };
  return openDialog({
    title,
    name,
    body: [
      make("p", {}, intro),
      choices(title, radios),
      make("label", { for: "own_reason" }, "or in your own words"),
      own,
      missing,
    ],
    buttons: [cancel(), { words: save, key: "Enter", primary: true, value }],
    keys: (event) => byNumber(event, radios, own),
  });
}

function choices(title, radios) {
  const rows = radios.map((radio, i) =>
    make(
      "label",
      { class: "choice" },
      radio,
      make("kbd", {}, String(i + 1)),
      make("span", {}, radio.value),
    ),
  );
  return make("div", { role: "radiogroup", "aria-label": title, class: "choices" }, rows);
}

function byNumber(event, radios, own) {
  if (event.target === own || event.ctrlKey || event.metaKey || event.altKey) return false;
  const radio = radios[Number(event.key) - 1];
  if (!radio || !/^[1-9]$/.test(event.key)) return false;
  radio.checked = true;
  radio.focus();
  return true;
}

const cancel = () => ({ words: "Cancel", key: "Esc", value: () => null });
