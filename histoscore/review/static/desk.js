/** The desk: one scorer, one section at a time, and everything a key or a button can do there. */

import * as api from "./api.js";
import { drawAbout } from "./about.js";
import { drawBar } from "./bar.js";
import { drawCompartment } from "./compartment_panel.js";
import { askComment, askUngradable } from "./decision_dialogs.js";
import { decisionOn, send, withReason } from "./decisions.js";
import { tellInDialog } from "./dialogs.js";
import { Differences } from "./differences.js";
import { at, fill, make, say } from "./dom.js";
import { askSignOff, askUnblind, openFinish, writeTables } from "./finish.js";
import { openHelp } from "./help.js";
import { drawJoint } from "./joint_map.js";
import { TypedGrade } from "./ladder_keys.js";
import { Layers } from "./layers.js";
import { Line } from "./line.js";
import { tab } from "./memory.js";
import { Overlay } from "./overlay.js";
import { Queue } from "./queue.js";
import { References } from "./references.js";
import { showFailure, showSaved } from "./saving.js";
import { ScaleBar } from "./scale_bar.js";
import { Shelf } from "./shelf.js";
import { toast } from "./toast.js";
import { SlideViewer } from "./viewer.js";
import { COMPARTMENTS, decisionText, gradeText, isDecided } from "./words.js";

export class Desk {
  constructor(review, scorer) {
    this.review = review;
    this.scorer = scorer;
    this.section = null;
    this.active = COMPARTMENTS[0];
    this.unsaved = null;
    this.saving = showSaved;
    this.line = new Line((trouble) => this.tell(trouble.message));
    this.shelf = new Shelf(scorer.name);
    this.viewer = new SlideViewer();
    this.overlay = new Overlay(at("overlay"), this.viewer);
    this.scaleBar = new ScaleBar(this.viewer);
    this.layers = new Layers(() => this.drawLayers());
    this.references = new References(review, () => this.overlay.draw());
    this.differences = new Differences(this);
    this.typed = new TypedGrade(review.ladder, {
      grade: (rung) => this.does.grade(rung),
      refuse: (text, rungs) => this.tell(`${text} is not a grade here (${rungs}).`),
    });
    this.does = this.commands();
  }

  /** Whether this scorer can decide anything now. */
  get may() {
    return !this.review.closed && !this.scorer.signed;
  }

  get compartment() {
    return this.section.compartments[this.active];
  }

  async start() {
    this.queue = await Queue.of(this.scorer.name);
    const known = this.queue.order.some(({ code }) => code === tab.code);
    const code = known ? tab.code : (this.queue.nextUnscored() ?? this.queue.order[0]?.code);
    document.body.dataset.view = "grading";
    if (!code) return tellInDialog("Nothing to review", "This run has no section that could be shown.");
    return this.open(code);
  }

  /** What keys and buttons do. Those in the line wait for the one before, and see what it left. */
  commands() {
    const inLine = (action) => (argument) => this.line.add(() => action.call(this, argument));
    const { viewer } = this;
    return {
      type: (key) => this.typed.type(key),
      point: () => this.typed.type("."),
      back: () => this.typed.back(),
      grade: inLine(this.grade),
      accept: inLine(this.accept),
      enter: () => this.typed.enter() || this.line.add(() => this.enter()),
      escape: () => this.typed.clear() || this.line.add(() => this.escape()),
      retry: inLine(this.retry),
      discard: inLine(this.discard),
      cannotGrade: inLine(this.cannotGrade),
      flag: inLine(this.flag),
      comment: inLine(this.comment),
      undo: inLine(this.undo),
      compartment: inLine(this.stepCompartment),
      section: inLine(this.stepSection),
      nextUnscored: inLine(this.nextUnscored),
      list: inLine(this.list),
      finish: inLine(this.finish),
      whole: () => viewer.whole(),
      lookAtActive: () => viewer.look(this.compartment?.box),
      oneToOne: () => viewer.oneToOne(),
      zoom: (steps) => viewer.zoom(steps),
      pan: ([across, down]) => viewer.pan(across, down),
      overlay: () => this.layers.toggle(),
      dim: (steps) => this.layers.dim(steps),
      references: () => this.references.toggle(),
      reference: (by) => this.references.step(by),
      help: () => openHelp(this.review.ladder),
    };
  }

  // Going about

  /** Opens a section; `name`: the compartment to look at, null: the first undecided, all in view. */
  async open(code, name = null) {
    const asked = this.shelf.take(code);
    const section = await asked.section;
    this.section = section;
    this.active = name ?? this.firstUndecided() ?? COMPARTMENTS[0];
    tab.code = code;
    this.overlay.contours(null);
    this.layers.section(null);
    this.draw();
    this.showProblem(section.image_problem);
    const shown = this.viewer.open(code, section.image, name ? section.compartments[name]?.box : null);
    await Promise.all([shown, this.takeOverlay(code, asked.overlay)]);
    document.body.dataset.shown = code;
    say(`Section ${code}, ${section.position} of ${section.of}. ${this.active} is active.`);
    this.shelf.putAhead(this.queue.nextUnscored(code) ?? section.next);
  }

  /** Shows a section for the differences: the compartment large. */
  async visit(code, name) {
    if (this.section?.code !== code) return this.open(code, name);
    return this.select(name, true);
  }

  async takeOverlay(code, asked) {
    const overlay = await asked;
    if (this.section.code !== code) return;
    this.overlay.contours(overlay);
    this.layers.section(overlay);
    this.drawLayers();
  }

  showProblem(words) {
    at("no_image").hidden = Boolean(this.section.image);
    fill(at("no_image"), make("p", {}, make("b", {}, "No picture. "), words || "The slide cannot be read."));
  }

  firstUndecided(after = null) {
    const start = COMPARTMENTS.indexOf(after) + 1;
    const turned = [...COMPARTMENTS.slice(start), ...COMPARTMENTS.slice(0, start)];
    return turned.find((name) => this.section.compartments[name] && !isDecided(this.section.compartments[name].mine));
  }

  /** Makes a compartment the active one; the view goes along, unless the whole is in view. */
  select(name, look = true) {
    this.typed.clear();
    this.active = name;
    this.draw();
    if (look) this.viewer.look(this.compartment?.box);
    say(`${name}, ${decisionText(this.compartment?.mine)}`);
  }

  stepCompartment(by) {
    if (this.differences.isOpen) return this.differences.step(by);
    const i = COMPARTMENTS.indexOf(this.active) + by;
    return this.select(COMPARTMENTS[(i + COMPARTMENTS.length) % COMPARTMENTS.length]);
  }

  stepSection(by) {
    if (this.isHeldBack()) return undefined;
    const code = by < 0 ? this.section.previous : this.section.next;
    if (!code) return this.tell(by < 0 ? "This is the first section." : "This is the last section.");
    return this.open(code);
  }

  nextUnscored() {
    if (this.isHeldBack()) return undefined;
    const code = this.queue.nextUnscored(this.section.code);
    if (code === this.section.code) return this.tell("This is the only section left.");
    return code ? this.open(code) : this.finish();
  }

  async list() {
    if (this.isHeldBack()) return;
    const code = await this.queue.choose(this.section.code);
    if (code) await this.open(code);
  }

  // Deciding

  async grade(rung) {
    if (this.differences.isOpen) return this.differences.settle(rung);
    const { mine } = this.compartment;
    if (mine?.gradable && mine.grade === rung && !this.unsaved) return this.advance();
    return this.decide({ grade: rung, gradable: true }) ;
  }

  accept() {
    const { model, mine } = this.compartment;
    if (isDecided(mine)) return undefined;
    if (!model || model.grade === null) return this.tell(`The model gives no grade for ${this.active}: grade it yourself, or X.`);
    return this.grade(model.grade);
  }

  enter() {
    if (this.unsaved) return this.unsaved.mayRetry ? this.retry() : this.isHeldBack();
    if (this.differences.isOpen) return this.differences.next();
    if (!this.firstUndecided()) return this.nextUnscored();
    if (!this.may) return this.nextUnscored();
    if (isDecided(this.compartment.mine)) return this.advance();
    if (this.scorer.mode === "assist") return this.accept();
    return this.tell(`Grade ${this.active} first, or X if it cannot be graded.`);
  }

  async cannotGrade() {
    if (this.differences.isOpen) return this.differences.settle(null);
    if (!this.mayDecide()) return undefined;
    const reason = await askUngradable(this.active);
    return reason === null ? this.line.empty() : this.decide({ grade: null, gradable: false, reason });
  }

  flag() {
    return this.decide({ flagged: !this.compartment.mine?.flagged }, false);
  }

  async comment() {
    if (!this.mayDecide()) return undefined;
    const comment = await askComment(this.active, this.compartment.mine?.comment ?? "");
    return comment === null ? undefined : this.decide({ comment }, false);
  }

  /** Decides on the active compartment, and goes on to the next where `moves`. */
  async decide(change, moves = true) {
    if (!this.mayDecide()) return;
    const { code } = this.section;
    const { compartment, active: name } = this;
    const decision = decisionOn({ scorer: this.scorer.name, code, name, compartment, change });
    const reasoned = await withReason(compartment, decision);
    if (!reasoned) return this.line.empty();
    await this.save(compartment, reasoned, moves);
  }

  async save(compartment, decision, moves) {
    showSaved("saving");
    try {
      const answer = await send(compartment, decision);
      this.unsaved = null;
      showSaved("saved");
      showFailure(null);
      if (!answer) return this.draw();
      this.take(decision.code, decision.compartment, answer);
      say(`${decision.compartment} ${decisionText(answer.compartment.mine)}, saved.`);
      if (moves) this.advance();
    } catch (refused) {
      this.keepUnsaved(decision, refused, moves);
    }
  }

  /** Takes what the server now holds of a compartment. */
  take(code, name, { compartment, queue }) {
    this.queue.update(queue);
    this.shelf.clear();
    if (this.section.code !== code) return;
    const wasHidden = !this.section.compartments[name].model;
    this.section.compartments[name] = compartment;
    this.draw();
    if (wasHidden !== !compartment.model) this.takeOverlay(code, this.shelf.ask(code).overlay);
    if (!this.firstUndecided()) this.shelf.putAhead(this.queue.nextUnscored(code));
  }

  /** To the next undecided compartment; the view goes along when it is near. */
  advance() {
    const next = this.firstUndecided(this.active);
    if (next) return this.select(next, !this.viewer.showsWhole);
    return this.tell(this.queue.nextUnscored(this.section.code) ? "All four decided. Enter: next section." : "Every section is decided. Enter: sign-off.");
  }

  async undo() {
    if (this.unsaved) return this.discard();
    if (!this.mayDecide()) return undefined;
    showSaved("saving");
    try {
      const answer = await api.undo(this.scorer.name);
      showSaved("saved");
      this.take(answer.code, answer.name, answer);
      await this.visitUndone(answer);
      return this.tell(`Taken back: ${answer.code} ${answer.name} is now ${decisionText(answer.compartment.mine)}.`);
    } catch (refused) {
      showSaved("saved");
      return refused.status === 404 ? this.tell("Nothing to undo.") : tellInDialog("Not undone", refused.message);
    }
  }

  visitUndone({ code, name }) {
    if (this.section.code !== code) return this.open(code, name);
    return this.select(name, !this.viewer.showsWhole);
  }

  // When a decision did not reach the disk

  keepUnsaved(decision, refused, moves) {
    this.line.empty();
    const newest = refused.body.compartment;
    if (newest) this.take(decision.code, decision.compartment, { compartment: newest });
    const mayRetry = refused.status !== 409 || Boolean(newest);
    this.unsaved = { decision, moves, words: refused.message, now: newest && decisionText(newest.mine), mayRetry };
    showSaved("failed", `${decision.compartment} ${decision.grade === null ? "" : gradeText(decision.grade)}`);
    showFailure(this.unsaved, this.does);
    this.draw();
  }

  async retry() {
    if (!this.unsaved) return;
    const { decision, moves } = this.unsaved;
    const compartment = this.section.compartments[decision.compartment];
    const reasoned = await withReason(compartment, { ...decision, seen: compartment.seen });
    if (reasoned) await this.save(compartment, reasoned, moves);
  }

  discard() {
    this.unsaved = null;
    showSaved("saved");
    showFailure(null);
    this.draw();
    this.tell("Discarded: the grade on record stays.");
  }

  escape() {
    if (this.unsaved) return this.discard();
    return this.differences.isOpen ? this.differences.close() : undefined;
  }

  /** Whether something unsaved keeps the page here; says so. */
  isHeldBack() {
    if (!this.unsaved) return false;
    this.tell(`${this.unsaved.decision.compartment} is not saved yet: ${this.unsaved.mayRetry ? "Enter tries again, " : ""}Esc discards it.`);
    at("failed").scrollIntoView({ block: "nearest" });
    return true;
  }

  mayDecide() {
    if (!this.may) {
      this.tell(this.scorer.signed ? "You have signed off: nothing can be changed." : "This review is closed: nothing can be changed.");
      return false;
    }
    if (this.unsaved && this.unsaved.decision.compartment !== this.active) return !this.isHeldBack();
    return true;
  }

  // The end

  async finish() {
    if (this.isHeldBack()) return;
    await this.refresh();
    const command = await openFinish(this);
    const commands = {
      nextUnscored: () => this.nextUnscored(), tables: writeTables, differences: () => this.differences.open(),
      unblind: () => this.unblind(), sign: () => this.sign(),
    };
    await commands[command]?.();
  }

  async refresh() {
    this.review = await api.review();
    this.scorer = this.review.scorers.find(({ name }) => name === this.scorer.name) ?? this.scorer;
    this.queue = await Queue.of(this.scorer.name);
    this.draw();
  }

  async sign() {
    const counting = await askSignOff(this);
    if (!counting) return;
    await this.orTell("Not signed off", () => api.sign(this.scorer.name, counting));
    await this.finish();
  }

  async unblind() {
    if (!(await askUnblind())) return;
    await this.orTell("Not unblinded", () => api.unblind(this.scorer.name));
    this.shelf.clear();
    await this.refresh();
    if (this.differences.isOpen) this.differences.close();
    await this.open(this.section.code);
  }

  async orTell(title, action) {
    try {
      await action();
    } catch (refused) {
      await tellInDialog(title, refused.message);
    }
  }

  // Drawing

  tell(words) {
    toast(words);
  }

  draw() {
    if (!this.section) return;
    const { section, active, scorer, does, may } = this;
    const { ladder } = this.review;
    Object.assign(document.body.dataset, { code: section.code, active, mode: scorer.mode, may: String(may) });
    drawBar(this);
    drawJoint({ section, active, ladder, unsaved: this.unsaved?.decision, select: (name) => this.line.add(() => this.select(name)) });
    at("compartment").hidden = this.differences.isOpen;
    drawCompartment({ section, active, ladder, mode: scorer.mode, may, does });
    drawAbout(section, this.review);
    this.overlay.frames(section.compartments, active);
  }

  drawLayers() {
    const { shown, opacity, labelsThere } = this.layers;
    this.overlay.set(shown, opacity);
    this.viewer.showLabels(this.scorer.name, shown.labels && labelsThere ? opacity : 0);
  }
}
