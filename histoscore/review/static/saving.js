/** Whether everything is on the disk: always visible, unmistakable when it is not. */

import { at, button, fill, make } from "./dom.js";
import { decisionText, isDecided } from "./words.js";

const WORDS = { saved: "saved", saving: "saving…", failed: "NOT SAVED" };

/** The light in the bar. */
export function showSaved(state, detail = "") {
  document.body.dataset.saved = state;
  at("saved").querySelector(".words").textContent = detail
    ? `${WORDS[state]} ${detail}`
    : WORDS[state];
}

/** What was not saved and what can be done; `unsaved` null: nothing. */
export function showFailure(unsaved, does) {
  const box = at("failed");
  box.hidden = !unsaved;
  if (!unsaved) return fill(box);
  const { decision, words, now, mayRetry } = unsaved;
  return fill(
    box,
    make(
      "h2",
      {},
      `Not saved: ${decision.compartment} ${isDecided(decision) ? decisionText(decision) : "flag or comment"}`,
    ),
    make("p", {}, words),
    now ? make("p", {}, `On record now: ${now}.`) : false,
    make(
      "div",
      { class: "actions" },
      mayRetry
        ? button(now ? "Save mine" : "Try again", "Enter", does.retry, {
            class: "primary",
            id: "retry",
          })
        : false,
      button("Discard", "Esc", does.discard, { id: "discard" }),
    ),
  );
}
