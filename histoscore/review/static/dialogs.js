/** Dialogs: one promise each, Escape for no, focus goes back to where it was. */

import { at, make } from "./dom.js";

let count = 0;

/**
 * Opens a modal dialog and resolves to what a button's `value()` gives, or to null on Escape.
 *
 * A `value()` of undefined keeps the dialog open: something is missing. `keys(event)` may take a
 * key press first (true: taken). The primary button answers Enter outside buttons and lists.
 */
export function openDialog({ title, body, buttons, keys = () => false, wide = false, name = "" }) {
  const id = `dialog_${(count += 1)}`;
  const dialog = make("dialog", {
    "aria-labelledby": id,
    class: wide ? "wide" : "",
    data: { dialog: name },
  });
  const before = document.activeElement;
  return new Promise((resolve) => {
    let answer = null;
    const finish = (value) => {
      if (value === undefined) return;
      answer = value;
      dialog.close();
    };
    dialog.append(
      make("h2", { id }, title),
      make("div", { class: "body", tabindex: "-1" }, body),
      make(
        "div",
        { class: "buttons" },
        buttons.map((one) => face(one, finish)),
      ),
    );
    dialog.addEventListener("keydown", (event) => onKey(event, { keys, buttons, finish }));
    dialog.addEventListener("close", () => {
      dialog.remove();
      giveBack(before);
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (
      dialog.querySelector("[data-first]") ??
      dialog.querySelector(".buttons .primary") ??
      dialog.querySelector(".buttons button")
    ).focus();
  });
}

/** Shows words and waits until they are closed. */
export function tellInDialog(title, ...words) {
  const close = { words: "Close", key: "Esc", value: () => null, primary: true };
  return openDialog({ title, body: words.map((text) => make("p", {}, text)), buttons: [close] });
}

export const isDialogOpen = () => document.querySelector("dialog[open]") !== null;

function face({ words, key, value, primary = false, disabled = false, id = null }, finish) {
  return make(
    "button",
    {
      type: "button",
      id,
      class: primary ? "primary" : "",
      disabled,
      onclick: () => finish(value()),
    },
    words,
    key ? make("kbd", { "aria-hidden": "true" }, key) : false,
  );
}

function onKey(event, { keys, buttons, finish }) {
  event.stopPropagation();
  if (keys(event)) return event.preventDefault();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return undefined;
  if (event.target.matches("button, a, summary")) return undefined;
  const primary = buttons.find((one) => one.primary && !one.disabled);
  if (!primary) return undefined;
  event.preventDefault();
  return finish(primary.value());
}

function giveBack(before) {
  const there = before instanceof HTMLElement && before.isConnected && before !== document.body;
  (there ? before : at("stage")).focus({ preventScroll: true });
}
