/** Decisions: what is sent, when a reason is due, what happens when one is not saved. */

import * as api from "./api.js";
import { askReason } from "./decision_dialogs.js";
import { decisionText, gradeText, isDecided } from "./words.js";

/** A compartment's whole state for the server: as it is, with these changes. */
export function decisionOn({ scorer, code, name, compartment, change }) {
  const {
    grade = null,
    gradable = true,
    flagged = false,
    comment = "",
    reason = "",
  } = compartment.mine ?? {};
  const now = { grade, gradable, flagged, comment, ...change };
  const isSame = now.grade === grade && now.gradable === gradable;
  return {
    scorer,
    code,
    compartment: name,
    reason: isSame ? reason : "",
    seen: compartment.seen,
    ...now,
  };
}

/** Why a reason is due for this decision: "model", "mine", or null. */
function reasonDue(compartment, decision) {
  const { mine, model } = compartment;
  const isOther =
    isDecided(mine) && (mine.grade !== decision.grade || mine.gradable !== decision.gradable);
  if (isOther && (decision.grade !== null || !decision.gradable)) return "mine";
  const isModels =
    !model || model.grade === null || decision.grade === null || model.grade === decision.grade;
  if (isModels || (isDecided(mine) && !isOther)) return null;
  return "model";
}

/** Asks for the reason where one is due; null when the person leaves it. */
export async function withReason(compartment, decision, due = reasonDue(compartment, decision)) {
  if (!due || decision.reason) return decision;
  const from =
    due === "mine"
      ? `you said ${decisionText(compartment.mine)}`
      : `the model says ${gradeText(compartment.model?.grade)}`;
  const reason = await askReason({
    compartment: decision.compartment,
    from,
    to: decisionText(decision),
    againstModel: due === "model",
  });
  return reason === null ? null : { ...decision, reason };
}

/** Sends a decision; asks for a reason if the server wants one that the page did not foresee. */
export async function send(compartment, decision) {
  try {
    return await api.decide(decision);
  } catch (refused) {
    if (refused.status !== 422 || refused.body.needs !== "reason") throw refused;
    const due = isDecided(compartment.mine) ? "mine" : "model";
    const reasoned = await withReason(compartment, { ...decision, reason: "" }, due);
    if (!reasoned) return null;
    return api.decide(reasoned);
  }
}
