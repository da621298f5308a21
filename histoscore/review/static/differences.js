/** Where scorers differ by more than one rung: look together, settle on a grade, say why. */

import * as api from "./api.js";
import { at, button, fill, keepFocus, make, say } from "./dom.js";
import { askConsensusReason } from "./decision_dialogs.js";
import { tellInDialog } from "./dialogs.js";
import { showSaved } from "./saving.js";
import { COMPARTMENT_WORDS, gradeText } from "./words.js";

/** The list of differences and the one being settled. `desk` shows its section. */
export class Differences {
  constructor(desk) {
    this.desk = desk;
    this.items = [];
    this.now = 0;
  }

  get isOpen() {
    return document.body.dataset.view === "differences";
  }

  get item() {
    return this.items[this.now] ?? null;
  }

  /** Asks for the differences and goes to the first that is not settled. */
  async open() {
    const found = await api.differences(this.desk.scorer.name);
    if (!found.open)
      return tellInDialog("No differences yet", found.why || "All scorers must have signed off.");
    this.items = found.items;
    document.body.dataset.view = "differences";
    at("differences").hidden = false;
    const open = this.items.findIndex(({ consensus }) => !consensus);
    return this.go(Math.max(0, open));
  }

  close() {
    document.body.dataset.view = "grading";
    at("differences").hidden = true;
    this.desk.draw();
  }

  async go(i) {
    this.now = Math.min(this.items.length - 1, Math.max(0, i));
    this.draw();
    if (!this.item) return;
    await this.desk.visit(this.item.code, this.item.name);
    say(`${this.item.code} ${this.item.name}: ${this.item.grades.map(gradeOf).join(", ")}`);
    at("differences").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    return this.go(this.now + by);
  }

  /** Enter: the next that is not settled. */
  next() {
    const turned = this.items.map((_, i) => (this.now + 1 + i) % this.items.length);
    const open = turned.find((i) => !this.items[i].consensus);
    if (open === undefined) return this.desk.tell("All differences are settled.");
    return this.go(open);
  }

  /** Settles the item on a grade; null: it cannot be graded. */
  async settle(grade) {
    const { item, desk } = this;
    if (!item) return;
    if (desk.review.closed) return desk.tell("The review is closed: nothing can be changed.");
    const to = grade === null ? "cannot be graded" : `grade ${gradeText(grade)}`;
    const reason = await askConsensusReason(`${item.code} ${item.name}`, to);
    if (reason === null) return;
    await this.save(item, grade, reason);
  }

  async save(item, grade, reason) {
    const { scorer } = this.desk;
    showSaved("saving");
    try {
      const asked = {
        scorer: scorer.name,
        code: item.code,
        compartment: item.name,
        grade,
        gradable: grade !== null,
        reason,
        seen: item.seen,
      };
      this.keep((await api.agree(asked)).item);
      showSaved("saved");
    } catch (refused) {
      if (refused.body.item) this.keep(refused.body.item);
      showSaved("failed");
      await tellInDialog("Consensus not saved", refused.message);
      showSaved("saved");
    }
  }

  keep(item) {
    this.items = this.items.map((one) =>
      one.code === item.code && one.name === item.name ? item : one,
    );
    this.draw();
  }

  draw() {
    keepFocus(() => this.drawAll());
  }

  drawAll() {
    const settled = this.items.filter(({ consensus }) => consensus).length;
    fill(
      at("differences"),
      make(
        "div",
        { class: "head" },
        make("h2", {}, `Differences: ${settled} of ${this.items.length} settled`),
        button("Back", "Esc", () => this.close()),
      ),
      this.items.length
        ? make(
            "ol",
            { class: "differences" },
            this.items.map((item, i) => this.row(item, i)),
          )
        : make("p", {}, "No compartment where scorers differ by more than one rung."),
      this.item ? this.detail(this.item) : false,
    );
  }

  row({ code, name, grades, consensus }, i) {
    const face = make(
      "button",
      {
        type: "button",
        "aria-current": i === this.now ? "true" : null,
        data: { difference: `${code} ${name}`, settled: String(Boolean(consensus)) },
        onclick: () => this.go(i),
      },
      make("b", {}, code),
      make("span", {}, name),
      make("span", { class: "soft" }, grades.map(shortly).join(" · ")),
      make(
        "span",
        { class: "settled" },
        consensus ? `✓ ${consensus.gradable ? gradeText(consensus.grade) : "✕"}` : "",
      ),
    );
    return make("li", {}, face);
  }

  detail({ code, name, grades, consensus }) {
    const rows = grades.map((one) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, one.scorer),
        make("td", { class: "big" }, shortly(one)),
        make("td", {}, one.comment),
      ),
    );
    const { ladder, closed } = this.desk.review;
    const rungs = ladder.rungs.map((rung) =>
      make(
        "button",
        {
          type: "button",
          class: "rung",
          disabled: closed,
          data: { consensus: gradeText(rung) },
          "aria-pressed": String(consensus?.grade === rung),
          "aria-label": `consensus grade ${gradeText(rung)}`,
          onclick: () => this.settle(rung),
        },
        make("b", {}, gradeText(rung)),
      ),
    );
    const row = make(
      "div",
      { class: "ladder", role: "group", "aria-label": "consensus grade" },
      rungs,
    );
    row.style.setProperty("--rungs", Math.min(ladder.rungs.length, 9));
    return make(
      "div",
      { class: "detail" },
      make("h3", {}, `${code} · ${name} ${COMPARTMENT_WORDS[name]}`),
      make("table", {}, make("tbody", {}, rows)),
      make("p", { class: "soft" }, "Consensus: a grade key, then the reason"),
      row,
      make(
        "div",
        { class: "actions" },
        button("Cannot grade", "X", () => this.settle(null), { disabled: closed }),
        button("Next open", "Enter", () => this.next()),
      ),
      consensus
        ? make(
            "p",
            { class: "consensus" },
            `${consensus.gradable ? `Grade ${gradeText(consensus.grade)}` : "Cannot be graded"}, ${consensus.reason} (${consensus.by})`,
          )
        : false,
    );
  }
}

const shortly = ({ grade, gradable }) => (gradable === false ? "✕" : gradeText(grade));
const gradeOf = (one) => `${one.scorer} ${shortly(one)}`;
