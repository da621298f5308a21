/** Grading the active compartment: accept, change, flag, comment, undo, and what if it is not saved. */

import * as api from "./api.js";
import { askComment, askUngradable } from "./decision_dialogs.js";
import { decisionOn, send, withReason } from "./decisions.js";
import { tellInDialog } from "./dialogs.js";
import { at, say } from "./dom.js";
import { showFailure, showSaved } from "./saving.js";
import { decisionText, gradeText, isDecided } from "./words.js";

/** What a scorer does at the desk; `unsaved` is the decision that did not reach the disk, or null. */
export class Grading {
  constructor(desk) {
    this.desk = desk;
    this.unsaved = null;
  }

  /** A grade for the active compartment; the same again only goes on. */
  async grade(rung) {
    const { mine } = this.desk.compartment;
    if (mine?.gradable && mine.grade === rung && !this.unsaved) return this.advance();
    return this.decide({ grade: rung, gradable: true });
  }

  /** The model's grade, where it is shown and nothing is decided yet. */
  accept() {
    const { compartment, active } = this.desk;
    const { model, mine } = compartment;
    if (isDecided(mine)) return undefined;
    if (model && model.grade !== null) return this.grade(model.grade);
    return this.desk.tell(`The model gives no grade for ${active}: grade it yourself, or X.`);
  }

  /** Enter: what is due next. */
  enter() {
    const { desk } = this;
    if (!desk.may || !desk.undecided()) return desk.nextUnscored();
    if (isDecided(desk.compartment.mine)) return this.advance();
    if (desk.scorer.mode === "assist") return this.accept();
    return desk.tell(`Grade ${desk.active} first, or X if it cannot be graded.`);
  }

  async cannotGrade() {
    if (!this.mayDecide()) return undefined;
    const reason = await askUngradable(this.desk.active);
    if (reason === null) return this.desk.line.empty();
    return this.decide({ grade: null, gradable: false, reason });
  }

  flag() {
    return this.decide({ flagged: !this.desk.compartment.mine?.flagged }, false);
  }

  async comment() {
    if (!this.mayDecide()) return undefined;
    const comment = await askComment(this.desk.active, this.desk.compartment.mine?.comment ?? "");
    return comment === null ? this.desk.line.empty() : this.decide({ comment }, false);
  }

  /** Decides on the active compartment, and goes on to the next where `moves`. */
  async decide(change, moves = true) {
    if (!this.mayDecide()) return;
    const { compartment, active: name, scorer, section } = this.desk;
    const decision = decisionOn({
      scorer: scorer.name,
      code: section.code,
      name,
      compartment,
      change,
    });
    const reasoned = await withReason(compartment, decision);
    if (reasoned) await this.save(compartment, reasoned, moves);
    else this.desk.line.empty();
  }

  async save(compartment, decision, moves) {
    showSaved("saving");
    try {
      const answer = await send(compartment, decision);
      this.settle();
      if (!answer) return this.desk.line.empty();
      await this.take(decision.code, decision.compartment, answer);
      say(`${decision.compartment} ${decisionText(answer.compartment.mine)}, saved.`);
      return moves ? this.advance() : undefined;
    } catch (refused) {
      return this.keepUnsaved(decision, refused, moves);
    }
  }

  /** Nothing is unsaved any more. */
  settle() {
    this.unsaved = null;
    showSaved("saved");
    showFailure(null);
    this.desk.draw();
  }

  /** Takes what the server now holds of a compartment. */
  async take(code, name, { compartment, queue }) {
    const { desk } = this;
    desk.queue.update(queue);
    desk.shelf.clear();
    if (desk.section.code !== code) return;
    const before = desk.section.compartments[name];
    desk.section.compartments[name] = compartment;
    desk.draw();
    if (Boolean(before.model) !== Boolean(compartment.model)) await desk.again();
    desk.shelf.putAhead(desk.queue.nextUnscored(code));
  }

  /** To the next undecided compartment; the view goes along unless the whole section is in view. */
  advance() {
    const { desk } = this;
    const next = desk.undecided(desk.active);
    if (next) return desk.select(next, !desk.viewer.showsWhole);
    const more = desk.queue.nextUnscored(desk.section.code);
    return desk.tell(
      more
        ? "All four decided. Enter: next section."
        : "Every section is decided. Enter: sign-off.",
    );
  }

  /** Takes the scorer's newest decision back, wherever it was. */
  async undo() {
    if (this.unsaved) return this.discard();
    if (!this.mayDecide()) return undefined;
    showSaved("saving");
    try {
      const answer = await api.undo(this.desk.scorer.name);
      showSaved("saved");
      return await this.showUndone(answer);
    } catch (refused) {
      showSaved("saved");
      if (refused.status === 404) return this.desk.tell(refused.message);
      return tellInDialog("Not undone", refused.message);
    }
  }

  async showUndone(answer) {
    const { code, name, compartment } = answer;
    const { desk } = this;
    await this.take(code, name, answer);
    if (desk.section.code === code) desk.select(name, !desk.viewer.showsWhole);
    else await desk.open(code, name);
    desk.tell(`Taken back: ${code} ${name} is now ${decisionText(compartment.mine)}.`);
  }

  async keepUnsaved(decision, refused, moves) {
    this.desk.line.empty();
    const newest = refused.body?.compartment;
    if (newest) await this.take(decision.code, decision.compartment, { compartment: newest });
    const mayRetry = refused.status !== 409 || Boolean(newest);
    this.unsaved = {
      decision,
      moves,
      words: refused.message,
      now: newest && decisionText(newest.mine),
      mayRetry,
    };
    showSaved(
      "failed",
      `${decision.compartment} ${decision.grade === null ? "" : gradeText(decision.grade)}`,
    );
    showFailure(this.unsaved, this.desk.does);
    this.desk.draw();
  }

  /** Enter while something is unsaved. */
  enterUnsaved() {
    return this.unsaved.mayRetry ? this.retry() : this.isHeldBack();
  }

  async retry() {
    if (!this.unsaved) return;
    const { decision, moves } = this.unsaved;
    const compartment = this.desk.section.compartments[decision.compartment];
    const reasoned = await withReason(compartment, { ...decision, seen: compartment.seen });
    if (reasoned) await this.save(compartment, reasoned, moves);
  }

  discard() {
    this.settle();
    this.desk.tell("Discarded: what is on record stays.");
  }

  /** Whether something unsaved keeps the page here; says so. */
  isHeldBack() {
    if (!this.unsaved) return false;
    const way = this.unsaved.mayRetry ? "Enter tries again, " : "";
    this.desk.tell(`${this.unsaved.decision.compartment} is not saved yet: ${way}Esc discards it.`);
    at("failed").scrollIntoView({ block: "nearest" });
    return true;
  }

  mayDecide() {
    const { desk } = this;
    if (!desk.may) {
      desk.tell(
        desk.scorer.signed
          ? "You have signed off: nothing can be changed."
          : "This review is closed: nothing can be changed.",
      );
      return false;
    }
    if (this.unsaved && this.unsaved.decision.compartment !== desk.active)
      return !this.isHeldBack();
    return true;
  }
}
