/** The keyboard: every key of the page, what it does, and how the help says it. */

import { isDialogOpen } from "./dialogs.js";
import { quiet } from "./toast.js";

const DIGITS = [..."0123456789"];

/** [keys as the browser names them, as the help shows them, words, command, argument] by group. */
export const KEYS = {
  Grade: [
    [DIGITS, "0–6", "grade the active compartment; saved at once", "type"],
    [[".", ","], ".", "grade 0.5", "point"],
    [["x"], "X", "cannot be graded", "cannotGrade"],
    [
      ["Enter"],
      "Enter",
      "accept the model's grade (assist); when all are decided, the next unscored section",
      "enter",
    ],
    [["u"], "U", "undo my newest decision", "undo"],
    [["f"], "F", "flag, to be looked at again", "flag"],
    [["c"], "C", "comment", "comment"],
    [["Escape"], "Esc", "close, or discard what could not be saved", "escape"],
  ],
  Move: [
    [["ArrowUp"], "↑", "compartment before", "compartment", -1],
    [["ArrowDown"], "↓", "next compartment", "compartment", 1],
    [["ArrowLeft"], "←", "section before", "section", -1],
    [["ArrowRight"], "→", "next section", "section", 1],
    [["n"], "N", "next unscored section", "nextUnscored"],
    [["q"], "Q", "list of all sections", "list"],
  ],
  Look: [
    [["h"], "H", "whole section", "whole"],
    [["b"], "B", "the active compartment", "lookAtActive"],
    [["z"], "Z", "1:1, one image pixel a screen pixel", "oneToOne"],
    [["+", "="], "+", "closer", "zoom", 1],
    [["-"], "−", "farther", "zoom", -1],
    [["Shift+ArrowUp"], "Shift ↑ ↓ ← →", "pan", "pan", [0, -1]],
    [["Shift+ArrowDown"], "", "", "pan", [0, 1]],
    [["Shift+ArrowLeft"], "", "", "pan", [-1, 0]],
    [["Shift+ArrowRight"], "", "", "pan", [1, 0]],
  ],
  Show: [
    [["o"], "O", "overlay on or off", "overlay"],
    [["["], "[", "overlay weaker", "dim", -1],
    [["]"], "]", "overlay stronger", "dim", 1],
    [["r"], "R", "reference pictures", "references"],
    [["PageDown"], "Page ↓", "next reference below the section", "reference", 1],
    [["PageUp"], "Page ↑", "reference before", "reference", -1],
    [["s"], "S", "state of the review, sign-off", "finish"],
    [["?"], "?", "this help", "help"],
  ],
};

const OWN_ENTER = "button, a, summary, [role=button]";
const OWN_ARROWS = "input[type=range], input[type=radio]";

/** Sends key presses to `does`, unless a dialog or a field wants them. */
export function listen(does) {
  const commands = new Map();
  for (const [keys, , , command, argument] of Object.values(KEYS).flat()) {
    for (const key of keys) commands.set(key, { command, argument: argument ?? key });
  }
  document.addEventListener("keydown", (event) => {
    const found =
      commands.get(keyName(event)) ?? (event.key === "Backspace" ? { command: "back" } : null);
    if (!found || isTaken(event)) return;
    event.preventDefault();
    quiet();
    does[found.command](found.argument);
  });
  document.addEventListener("click", leaveAfterPointer);
}

function keyName(event) {
  // Where the row of digits needs Shift (AZERTY), a grade is the key that a digit stands on.
  if (!event.shiftKey && /^Digit\d$/.test(event.code)) return event.code.at(-1);
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
}

function isTaken(event) {
  if (isDialogOpen() || event.isComposing || event.metaKey) return true;
  if ((event.ctrlKey || event.altKey) && !"[]".includes(event.key)) return true;
  const { target } = event;
  if (!(target instanceof Element)) return false;
  if (target.matches("textarea, select, input:not([type=checkbox], [type=range], [type=radio])"))
    return true;
  if (event.key === "Enter" && target.matches(OWN_ENTER)) return true;
  return event.key.startsWith("Arrow") && !event.shiftKey && target.matches(OWN_ARROWS);
}

/** After a click the keyboard belongs to the page again, not to the button that was clicked. */
function leaveAfterPointer(event) {
  if (event.detail === 0 || isDialogOpen()) return;
  const held = document.activeElement;
  if (
    held instanceof HTMLElement &&
    held.matches("button, input[type=checkbox], input[type=range]")
  ) {
    document.getElementById("stage").focus({ preventScroll: true });
  }
}
