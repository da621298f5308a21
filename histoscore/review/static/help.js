/** The help: all keys, in groups. */

import { make } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { KEYS } from "./keys.js";
import { gradeText } from "./words.js";
import { isSimple } from "./ladder_keys.js";

/** Opens the list of keys. */
export function openHelp(ladder) {
  const groups = Object.entries(KEYS).map(([name, keys]) => group(name, keys, ladder));
  return openDialog({
    title: "Keys",
    name: "help",
    wide: true,
    body: [
      make("div", { class: "keys" }, groups),
      make(
        "p",
        { class: "soft" },
        "Mouse: drag to pan, wheel or double click to zoom, click a compartment to grade it. Every grade is on the disk before the " +
          "page says saved; nothing is overwritten, a changed grade stands beside the old one with its reason.",
      ),
    ],
    buttons: [{ words: "Close", key: "Esc", primary: true, value: () => null }],
    keys: (event) => event.key === "?" && closest(event)?.close() === undefined,
  });
}

function closest(event) {
  return event.target.closest("dialog");
}

function group(name, keys, ladder) {
  const rows = keys
    .filter(([, shown]) => shown)
    .map((row) => keyRow(row, ladder))
    .filter(Boolean);
  return make("section", {}, make("h3", {}, name), make("dl", {}, rows.flat()));
}

function keyRow([, shown, words, command], ladder) {
  if (command === "point" && (!isSimple(ladder) || !ladder.rungs.includes(0.5))) return null;
  let key = shown;
  if (command === "type") key = digits(ladder);
  const more = command === "type" && !isSimple(ladder) ? "; Enter commits what was typed" : "";
  return [make("dt", {}, make("kbd", {}, key)), make("dd", {}, words + more)];
}

function digits(ladder) {
  const whole = ladder.rungs.filter((rung) => rung !== 0.5 || !isSimple(ladder));
  return `${gradeText(whole[0])}–${gradeText(whole[whole.length - 1])}`;
}
