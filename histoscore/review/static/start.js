/** The first thing seen: who scores, and in which mode. */

import * as api from "./api.js";
import { make } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { MODE_WORDS, statusWords } from "./words.js";

const NEW = "\u0000new";

/** Asks until someone scores; resolves to the scorer. */
export async function chooseScorer(review) {
  let trouble = "";
  let asked = { name: "", mode: review.mode ?? "independent" };
  for (;;) {
    const answer = await startDialog(review, asked, trouble);
    if (!answer) continue;
    asked = answer;
    try {
      return await api.register(answer.name, answer.mode);
    } catch (refused) {
      trouble = refused.message;
    }
  }
}

function startDialog(review, asked, trouble) {
  const form = new StartForm(review, asked, trouble);
  return openDialog({
    title: "Review",
    name: "start",
    body: form.body,
    buttons: [{ words: "Begin", key: "Enter", primary: true, value: () => form.answer() }],
  });
}

/** Names to choose from, a field for a new one, and the two modes. */
class StartForm {
  constructor(review, asked, trouble) {
    this.review = review;
    this.name = make("input", {
      type: "text",
      id: "new_name",
      maxlength: 60,
      autocomplete: "off",
      spellcheck: "false",
    });
    this.name.value = review.scorers.some(({ name }) => name === asked.name) ? "" : asked.name;
    this.who = review.scorers.map((scorer) => radio("who", scorer.name));
    this.someoneNew = radio("who", NEW);
    this.modes = Object.keys(MODE_WORDS).map((mode) => radio("mode", mode));
    this.missing = make("p", { class: "missing", role: "alert" }, trouble);
    this.pick(asked);
    this.body = [this.intro(), this.names(), this.modeChoice(), this.missing];
    this.follow();
  }

  pick({ name, mode }) {
    const chosen = this.who.find((one) => one.value === name) ?? this.who[0] ?? this.someoneNew;
    (name && !this.who.some((one) => one.value === name) ? this.someoneNew : chosen).checked = true;
    for (const one of this.modes) one.checked = one.value === (this.review.mode ?? mode);
    const first = this.someoneNew.checked ? this.name : chosen;
    first.dataset.first = "";
    for (const one of [...this.who, this.someoneNew])
      one.addEventListener("change", () => this.follow());
    this.name.addEventListener("input", () => {
      this.someoneNew.checked = true;
      this.follow();
    });
  }

  intro() {
    const { model, sections, left_out: out, blinded } = this.review;
    const gone = Object.entries(out ?? {})
      .filter(([, count]) => count)
      .map(([status, count]) => `${count} ${statusWords(status)}`);
    return [
      model?.banner ? make("p", { class: "banner", role: "note" }, model.banner) : false,
      make(
        "p",
        {},
        `${sections} sections${gone.length ? ` (slides left out: ${gone.join(", ")})` : ""}, ` +
          `model ${model?.name ?? "none"}. ${blinded ? "Blinded: sections have code names, in an order of your own." : "Unblinded."}`,
      ),
    ];
  }

  names() {
    const rows = this.review.scorers.map((scorer, i) => this.nameRow(scorer, this.who[i]));
    const label = make("label", { for: "new_name" }, rows.length ? "someone else" : "your name");
    const last = make(
      "div",
      { class: "choice new" },
      rows.length ? this.someoneNew : false,
      label,
      this.name,
    );
    this.someoneNew.setAttribute("aria-label", "someone else");
    return make("fieldset", {}, make("legend", {}, "Who scores"), rows, last);
  }

  nameRow({ name, mode, decided, expected, signed }, input) {
    const state = signed ? "signed off" : `${decided} of ${expected} graded`;
    return make(
      "label",
      { class: "choice" },
      input,
      make("b", {}, name),
      make("span", { class: "soft" }, `${mode}, ${state}`),
    );
  }

  modeChoice() {
    const rows = this.modes.map((input) =>
      make(
        "label",
        { class: "choice" },
        input,
        make(
          "span",
          {},
          make("b", {}, input.value),
          make("br"),
          make("span", { class: "soft" }, MODE_WORDS[input.value]),
        ),
      ),
    );
    const fixed = this.review.mode
      ? make("p", { class: "soft" }, "Set by the person who started the review.")
      : false;
    this.held = make("p", { class: "soft" });
    return make("fieldset", {}, make("legend", {}, "Mode"), rows, fixed, this.held);
  }

  /** Keeps the modes to what the chosen scorer may take. */
  follow() {
    const known = this.review.scorers.find(({ name }) =>
      this.who.some((one) => one.checked && one.value === name),
    );
    if (known && !this.review.mode)
      for (const one of this.modes) one.checked = one.value === known.mode;
    for (const one of this.modes) {
      const held = known?.mode === "assist" && one.value === "independent";
      one.disabled = this.review.mode ? one.value !== this.review.mode : held;
    }
    const held = known?.mode === "assist" && !this.review.mode;
    this.held.textContent = held
      ? `${known.name} has seen the model's grades: independent is no longer possible.`
      : "";
  }

  answer() {
    const who = this.who.find((one) => one.checked)?.value;
    const name = who ?? this.name.value.trim();
    const mode = this.modes.find((one) => one.checked)?.value;
    if (!name) this.missing.textContent = "Give a name: it stands beside every grade.";
    else if (!mode) this.missing.textContent = "Choose a mode.";
    return name && mode ? { name, mode } : undefined;
  }
}

function radio(name, value) {
  return make("input", { type: "radio", name, value });
}
