/** A picture of each grade beside the section. */

import { at, fill, keepFocus, make, say } from "./dom.js";
import { preference, prefer } from "./memory.js";
import { gradeText, gradeWords } from "./words.js";

/** A column of all grades beside the section; one of them may stand large below it. */
export class GradePictures {
  constructor(review, resized) {
    this.pictures = review.references ?? [];
    this.note = review.references_note ?? "";
    this.ladder = review.ladder;
    this.resized = resized;
    this.isOpen = preference("references", false) && this.pictures.length > 0;
    this.large = null;
    this.draw();
  }

  toggle() {
    if (!this.pictures.length) return say("There are no reference pictures.");
    this.isOpen = !this.isOpen;
    if (!this.isOpen) this.large = null;
    prefer("references", this.isOpen);
    this.draw();
    return say(this.isOpen ? "reference pictures shown" : "reference pictures hidden");
  }

  /** Puts this grade's picture beside the section, or takes it away. */
  enlarge(grade) {
    this.large = this.large === grade ? null : grade;
    this.draw();
  }

  /** The next picture up or down the ladder; opens the first. */
  step(by) {
    if (!this.pictures.length) return;
    const now = this.pictures.findIndex(({ grade }) => grade === this.large);
    const next = now < 0 ? 0 : Math.min(this.pictures.length - 1, Math.max(0, now + by));
    this.isOpen = true;
    this.large = this.pictures[next].grade;
    say(`reference of grade ${gradeText(this.large)}`);
    this.draw();
  }

  draw() {
    keepFocus(() => this.drawAll());
  }

  drawAll() {
    const strip = at("references");
    strip.hidden = !this.isOpen;
    document.body.dataset.references = this.isOpen ? "on" : "off";
    fill(
      strip,
      this.isOpen
        ? [
            this.head(),
            make(
              "div",
              { class: "strip" },
              this.pictures.map((one) => this.item(one)),
            ),
          ]
        : [],
    );
    this.drawLarge();
    this.resized();
  }

  head() {
    return make(
      "p",
      { class: "note" },
      make("b", {}, this.note || "reference pictures"),
      " ",
      make("kbd", {}, "R"),
      " hides, ",
      make("kbd", {}, "Page ↓"),
      " puts the next below the section",
    );
  }

  item({ grade, url }) {
    const text = gradeText(grade);
    const words = gradeWords(this.ladder, grade);
    return make(
      "button",
      {
        type: "button",
        data: { reference: text },
        "aria-pressed": String(this.large === grade),
        onclick: () => this.enlarge(grade),
      },
      make("b", {}, text),
      make("img", { src: url, alt: "" }),
      make(
        "span",
        {},
        words,
        make("span", { class: "unseen" }, " reference picture, put it below the section"),
      ),
    );
  }

  drawLarge() {
    const beside = at("beside");
    const picture = this.pictures.find(({ grade }) => grade === this.large);
    beside.hidden = !picture;
    if (!picture) return fill(beside);
    const words = gradeWords(this.ladder, picture.grade);
    const said = `grade ${gradeText(picture.grade)}${words ? `: ${words}` : ""}`;
    return fill(
      beside,
      make("img", { src: picture.url, alt: `reference of ${said}` }),
      make(
        "figcaption",
        {},
        make("b", {}, gradeText(picture.grade)),
        ` ${words}`,
        this.note ? make("small", {}, this.note) : false,
      ),
    );
  }
}
