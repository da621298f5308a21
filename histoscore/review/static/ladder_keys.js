/** Digits that become grades: at once on a simple ladder, gathered in a buffer on any other. */

import { at } from "./dom.js";
import { gradeText } from "./words.js";

const SHORT_CUT = 0.5;

/** Whether one key is enough for every grade: whole grades of one digit, and 0.5 on the point. */
export function isSimple(ladder) {
  return ladder.rungs.every(
    (rung) => rung === SHORT_CUT || (Number.isInteger(rung) && rung >= 0 && rung <= 9),
  );
}

/** What was typed so far towards a grade. */
export class TypedGrade {
  constructor(ladder, { grade, refuse }) {
    this.ladder = ladder;
    this.grade = grade;
    this.refuse = refuse;
    this.text = "";
  }

  /** Takes a digit or a point. */
  type(key) {
    if (isSimple(this.ladder)) return this.commit(key === "." ? String(SHORT_CUT) : key);
    return this.show(this.text + key);
  }

  /** Takes Enter: true where something was typed. */
  enter() {
    if (!this.text) return false;
    this.commit(this.text);
    return true;
  }

  back() {
    if (this.text) this.show(this.text.slice(0, -1));
  }

  /** Takes Escape: true where something was typed. */
  clear() {
    const was = this.text;
    this.show("");
    return was !== "";
  }

  commit(text) {
    this.show("");
    const rung = this.ladder.rungs.find((one) => one === Number(text));
    if (rung === undefined || text === ".")
      return this.refuse(text, this.ladder.rungs.map(gradeText).join(", "));
    return this.grade(rung);
  }

  show(text) {
    this.text = text;
    at("typed").hidden = !text;
    at("typed").textContent = text ? `grade ${text} – Enter` : "";
  }
}
