/** The sections in the scorer's own order: what is done, what comes next. */

import * as api from "./api.js";
import { make } from "./dom.js";
import { openDialog } from "./dialogs.js";

/** A scorer's queue; entries are {code, decided, expected, flagged}. */
export class Queue {
  constructor({ order }) {
    this.order = order;
  }

  static async of(scorer) {
    return new Queue(await api.queue(scorer));
  }

  /** Takes what the server says about one section now. */
  update(entry) {
    const i = this.order.findIndex(({ code }) => code === entry?.code);
    if (i >= 0) this.order[i] = entry;
  }

  isDone(code) {
    const entry = this.order.find((one) => one.code === code);
    return Boolean(entry) && entry.decided >= entry.expected;
  }

  /** The first section after this one that is not wholly decided, round the end; null: none. */
  nextUnscored(code = null) {
    const start = this.order.findIndex((one) => one.code === code) + 1;
    const turned = [...this.order.slice(start), ...this.order.slice(0, start)];
    return turned.find(({ decided, expected }) => decided < expected)?.code ?? null;
  }

  get decided() {
    return this.order.reduce((sum, one) => sum + one.decided, 0);
  }

  get expected() {
    return this.order.reduce((sum, one) => sum + one.expected, 0);
  }

  /** Lets the person choose a section; resolves to its code or null. */
  choose(current) {
    let chosen = null;
    const items = this.order.map((one, i) =>
      this.item(one, i, current, (code) => {
        chosen = code;
        items[0].closest("dialog").close();
      }),
    );
    const title = `Sections: ${this.decided} of ${this.expected} compartments decided`;
    return openDialog({
      title,
      name: "sections",
      wide: true,
      body: make("ol", { class: "queue" }, items),
      buttons: [{ words: "Close", key: "Esc", value: () => null }],
      keys: (event) => walk(event),
    }).then(() => chosen);
  }

  item({ code, decided, expected, flagged }, i, current, choose) {
    const state = decided >= expected ? "done" : decided ? "begun" : "open";
    const words = decided >= expected ? "decided" : `${decided} of ${expected}`;
    return make(
      "li",
      {},
      make(
        "button",
        {
          type: "button",
          class: state,
          data: { queued: code },
          "data-first": code === current,
          "aria-current": code === current ? "true" : null,
          onclick: () => choose(code),
        },
        make("span", { class: "number" }, String(i + 1)),
        make("b", {}, code),
        make("span", { class: "soft" }, words),
        flagged
          ? make(
              "span",
              { class: "flagged", title: "flagged" },
              "⚑",
              make("span", { class: "unseen" }, " flagged"),
            )
          : false,
      ),
    );
  }
}

/** Arrows walk through the list. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const list = event.target.closest("dialog");
  if (!step || !list) return false;
  const faces = [...list.querySelectorAll(".queue button")];
  const now = faces.indexOf(document.activeElement);
  faces[Math.min(faces.length - 1, Math.max(0, now + step))].focus();
  return true;
}
