/** The end of a review: how far everyone is, sign-off, unblinding, tables. */

import * as api from "./api.js";
import { make } from "./dom.js";
import { openDialog, tellInDialog } from "./dialogs.js";
import { plural } from "./words.js";

/** Shows where the review stands and what can be done next; resolves to a command or null. */
export function openFinish({ review, scorer, queue }) {
  const open = queue.expected - queue.decided;
  const body = [
    make(
      "p",
      {},
      open
        ? `${plural(open, "compartment")} of ${queue.expected} still undecided.`
        : `All ${queue.expected} compartments are decided.`,
    ),
    scorerTable(review.scorers, scorer.name),
    make("p", { class: "soft" }, nextStep(review, scorer)),
  ];
  return openDialog({
    title: "State of the review",
    name: "finish",
    wide: true,
    body,
    buttons: choices(review, scorer, open),
  });
}

function choices(review, scorer, open) {
  const allSigned = review.scorers.length > 0 && review.scorers.every(({ signed }) => signed);
  const command = (words, name, extra = {}) => ({
    words,
    value: () => name,
    id: `do_${name}`,
    ...extra,
  });
  return [
    { words: "Close", key: "Esc", value: () => null },
    open && !scorer.signed ? command("Next unscored", "nextUnscored", { primary: true }) : null,
    command("Other scorer", "leave"),
    command("Write tables", "tables"),
    allSigned && review.scorers.length > 1
      ? command("Differences", "differences", { primary: true })
      : null,
    allSigned && review.blinded ? command("Unblind…", "unblind") : null,
    !scorer.signed && !review.closed ? command("Sign off…", "sign", { primary: !open }) : null,
  ].filter(Boolean);
}

function scorerTable(scorers, me) {
  const row = ({ name, mode, decided, expected, signed }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name === me ? `${name} (you)` : name),
      make("td", {}, mode),
      make("td", { class: "n" }, `${decided} of ${expected}`),
      make("td", {}, signed ? "signed off" : "at work"),
    );
  return make(
    "table",
    {},
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        ["scorer", "mode", "decided", "state"].map((words) => make("th", { scope: "col" }, words)),
      ),
    ),
    make("tbody", {}, scorers.map(row)),
  );
}

function nextStep(review, scorer) {
  const waiting = review.scorers.filter(({ signed }) => !signed).map(({ name }) => name);
  if (review.closed && !review.blinded)
    return "The review is closed and unblinded: everything can be looked at, nothing changed.";
  if (review.closed) return "This review can be looked at, not changed.";
  if (!scorer.signed) return "When you are through, sign off: after that you can change nothing.";
  if (waiting.length) return `You have signed off. Waiting for ${waiting.join(", ")}.`;
  if (review.scorers.length === 1) return "You have signed off: unblind when you are ready.";
  return "Everyone has signed off. Settle the differences, then unblind.";
}

/** Asks for the sign-off; resolves to "person", "model" or null. */
export function askSignOff({ scorer, queue }) {
  const open = queue.expected - queue.decided;
  const flagged = queue.order.filter((one) => one.flagged).length;
  const choice = (value, words, checked) => {
    const input = make("input", { type: "radio", name: "counting", value });
    input.checked = checked;
    return { input, row: make("label", { class: "choice" }, input, make("span", {}, words)) };
  };
  const both = [
    choice("person", "the scorers' grades; where no one graded, the model's", true),
    choice("model", "the model's grades; the scorers' stand beside them", false),
  ];
  const signature = make("input", {
    type: "text",
    id: "signature",
    autocomplete: "off",
    spellcheck: "false",
    "data-first": true,
  });
  const missing = make("p", { class: "missing", role: "alert" });
  const answer = () => {
    if (signature.value.trim() === scorer.name)
      return both.find(({ input }) => input.checked).input.value;
    missing.textContent = `Write ${scorer.name} to sign.`;
    return undefined;
  };
  return openDialog({
    title: `Sign off as ${scorer.name}`,
    name: "sign",
    body: [
      open
        ? make(
            "p",
            { class: "notice" },
            `${plural(open, "compartment")} of ${queue.expected} ${open === 1 ? "is" : "are"} not decided. They stay without your grade.`,
          )
        : make("p", {}, `All ${queue.expected} compartments are decided.`),
      flagged
        ? make("p", { class: "notice" }, `${plural(flagged, "section")} still flagged.`)
        : false,
      make(
        "fieldset",
        {},
        make("legend", {}, "Whose grades count for animals and groups"),
        both.map(({ row }) => row),
      ),
      make(
        "p",
        {},
        make("b", {}, "This cannot be taken back: "),
        "after signing off you can change nothing in this review.",
      ),
      make("label", { for: "signature" }, `Write your name, ${scorer.name}, to sign`),
      signature,
      missing,
    ],
    buttons: [
      { words: "Cancel", key: "Esc", value: () => null },
      { words: "Sign off", primary: true, key: "Enter", id: "sign_now", value: answer },
    ],
  });
}

/** Asks before the key is opened; resolves to true or null. */
export function askUnblind() {
  return openDialog({
    title: "Unblind",
    name: "unblind",
    body: [
      make(
        "p",
        {},
        "Animals, groups and file names appear beside the codes. The moment and your name go on record.",
      ),
      make(
        "p",
        {},
        make("b", {}, "This cannot be taken back, "),
        "and nothing can be decided after it.",
      ),
    ],
    buttons: [
      { words: "Cancel", key: "Esc", value: () => null },
      { words: "Unblind", id: "unblind_now", value: () => true },
    ],
  });
}

/** Has tables, workbook and report made anew and lists them. */
export async function writeTables() {
  try {
    const { files } = await api.writeTables();
    await openDialog({
      title: "Tables written",
      name: "tables",
      wide: true,
      body: [
        make("p", {}, "Made anew in the run folder, with the decisions so far:"),
        make(
          "ul",
          { class: "files" },
          files.map((name) => make("li", {}, name)),
        ),
      ],
      buttons: [{ words: "Close", key: "Esc", primary: true, value: () => null }],
    });
  } catch (refused) {
    await tellInDialog("Tables not written", refused.message);
  }
}
