/** The bar on top: where one is, who scores, whether all is saved. */

import { at, button, fill, make } from "./dom.js";

/** Draws the bar; buttons are made once, so that focus stays on them. */
export function drawBar({ review, scorer, section, queue, does }) {
  at("code").textContent = section.code;
  at("position").textContent = `${section.position} of ${section.of}`;
  document.title = `${section.code} – histoscore review`;
  at("banner").hidden = !review.model?.banner;
  at("banner").textContent = review.model?.banner ?? "";
  at("banner").title = review.model?.banner ?? "";
  drawWho(scorer, queue);
  at("progress").style.width = `${(100 * queue.decided) / Math.max(1, queue.expected)}%`;
  if (!at("steps").childElementCount) buildButtons(does);
}

function drawWho({ name, mode, signed }, queue) {
  fill(
    at("who"),
    make("b", {}, name),
    ` · ${mode}${signed ? " · signed off" : ""}`,
    make(
      "span",
      { class: "done", title: "compartments decided" },
      ` ${queue.decided}/${queue.expected}`,
    ),
  );
}

function buildButtons(does) {
  fill(
    at("steps"),
    button("", "←", () => does.section(-1), {
      "aria-label": "section before",
      title: "section before",
    }),
    button("", "→", () => does.section(1), { "aria-label": "next section", title: "next section" }),
    button("Next unscored", "N", () => does.nextUnscored()),
    button("List", "Q", () => does.list()),
  );
  fill(
    at("tools"),
    button("References", "R", () => does.references()),
    button("Sign-off", "S", () => does.finish()),
    button("Help", "?", () => does.help()),
  );
}
