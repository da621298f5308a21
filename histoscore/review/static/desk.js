/** The desk: one scorer, one section at a time, and everything a key or a button can do there. */

import { sentence } from "./api.js";
import { drawAbout } from "./about.js";
import { drawBar } from "./bar.js";
import { drawCompartment } from "./compartment_panel.js";
import { tellInDialog } from "./dialogs.js";
import { Differences } from "./differences.js";
import { at, fill, keepFocus, make, say } from "./dom.js";
import { Ending } from "./ending.js";
import { GradePictures } from "./grade_pictures.js";
import { Grading } from "./grading.js";
import { openHelp } from "./help.js";
import { drawJoint } from "./joint_map.js";
import { TypedGrade } from "./ladder_keys.js";
import { Layers } from "./layers.js";
import { Line } from "./line.js";
import { tab } from "./memory.js";
import { Overlay } from "./overlay.js";
import { Queue } from "./queue.js";
import { ScaleBar } from "./scale_bar.js";
import { Shelf } from "./shelf.js";
import { toast } from "./toast.js";
import { SlideViewer } from "./viewer.js";
import { COMPARTMENTS, decisionText, isDecided } from "./words.js";

export class Desk {
  constructor(review, scorer) {
    this.review = review;
    this.scorer = scorer;
    this.section = null;
    this.active = COMPARTMENTS[0];
    this.line = new Line((trouble) => tellInDialog("That did not work", trouble.message));
    this.shelf = new Shelf(scorer.name);
    this.viewer = new SlideViewer();
    this.overlay = new Overlay(at("overlay"), this.viewer);
    this.scaleBar = new ScaleBar(this.viewer);
    this.layers = new Layers(() => this.drawLayers());
    this.pictures = new GradePictures(review, () => this.overlay.draw());
    this.grading = new Grading(this);
    this.differences = new Differences(this);
    this.ending = new Ending(this);
    this.typed = new TypedGrade(review.ladder, {
      grade: (rung) => this.does.grade(rung),
      refuse: (text, rungs) => this.tell(`${text} is not a grade here (${rungs}).`),
    });
    this.does = this.commands();
    this.viewer.onClick((x, y) => this.line.add(() => this.pick(this.overlay.compartmentAt(x, y))));
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
    if (!code)
      return tellInDialog("Nothing to review", "This run has no section that could be shown.");
    return this.line.add(() => this.open(code));
  }

  /** What keys and buttons do. */
  commands() {
    return { ...this.decidingCommands(), ...this.movingCommands(), ...this.lookingCommands() };
  }

  decidingCommands() {
    const { grading, differences } = this;
    const either = (grade, differ) =>
      this.inLine((argument) => (differences.isOpen ? differ(argument) : grade(argument)));
    return {
      type: (key) => this.typed.type(key),
      point: () => this.typed.type("."),
      back: () => this.typed.back(),
      grade: either(
        (rung) => grading.grade(rung),
        (rung) => differences.settle(rung),
      ),
      cannotGrade: either(
        () => grading.cannotGrade(),
        () => differences.settle(null),
      ),
      accept: this.inLine(() => grading.accept()),
      enter: () => this.typed.enter() || this.line.add(() => this.enter()),
      escape: () => this.typed.clear() || this.line.add(() => this.escape()),
      retry: this.inLine(() => grading.retry()),
      discard: this.inLine(() => grading.discard()),
      flag: this.inLine(() => grading.flag()),
      comment: this.inLine(() => grading.comment()),
      undo: this.inLine(() => grading.undo()),
    };
  }

  movingCommands() {
    return {
      compartment: this.inLine((by) => this.stepCompartment(by)),
      section: this.inLine((by) => this.stepSection(by)),
      nextUnscored: this.inLine(() => this.nextUnscored()),
      list: this.inLine(() => this.list()),
      finish: this.inLine(() => this.ending.open()),
      help: () => openHelp(this.review.ladder),
    };
  }

  lookingCommands() {
    const { viewer, layers, pictures } = this;
    return {
      whole: () => viewer.whole(),
      lookAtActive: () => viewer.look(this.compartment?.box),
      oneToOne: () => viewer.oneToOne(),
      zoom: (steps) => viewer.zoom(steps),
      pan: ([across, down]) => viewer.pan(across, down),
      overlay: () => layers.toggle(),
      dim: (steps) => layers.dim(steps),
      references: () => pictures.toggle(),
      reference: (by) => pictures.step(by),
    };
  }

  /** A command that waits for the one before it, and sees what that left. */
  inLine(action) {
    return (argument) => this.line.add(() => action(argument));
  }

  enter() {
    if (this.grading.unsaved) return this.grading.enterUnsaved();
    return this.differences.isOpen ? this.differences.next() : this.grading.enter();
  }

  escape() {
    if (this.grading.unsaved) return this.grading.discard();
    return this.differences.isOpen ? this.differences.close() : undefined;
  }

  /** Opens a section; `name`: the compartment to look at, null: the first undecided, all in view. */
  async open(code, name = null) {
    const asked = this.shelf.take(code);
    this.section = await asked.section;
    this.active = name ?? this.undecided() ?? COMPARTMENTS[0];
    tab.code = code;
    this.overlay.contours(null);
    this.layers.section(null);
    this.draw();
    this.drawProblem();
    const box = name && this.compartment?.box;
    await Promise.all([
      this.viewer.open(code, this.section.image, box),
      this.takeOverlay(code, asked.overlay),
    ]);
    document.body.dataset.shown = code;
    say(
      `Section ${code}, ${this.section.position} of ${this.section.of}. ${this.active} is active.`,
    );
    this.shelf.putAhead(this.queue.nextUnscored(code) ?? this.section.next);
  }

  /** Asks again for the section shown: what the scorer may see of it has changed. */
  async again() {
    const { code } = this.section;
    const asked = this.shelf.ask(code);
    this.section = await asked.section;
    this.draw();
    this.viewer.dropLabels();
    await this.takeOverlay(code, asked.overlay);
  }

  /** Shows a section for the differences: the compartment large. */
  async visit(code, name) {
    if (this.section?.code !== code) return this.open(code, name);
    return this.select(name);
  }

  async takeOverlay(code, asked) {
    const overlay = await asked;
    if (this.section.code !== code) return;
    this.overlay.contours(overlay);
    this.layers.section(overlay);
    this.drawLayers();
    if (overlay.problem) this.tell(`No contours: ${overlay.problem}`);
  }

  /** The first undecided compartment after this one, round the end; undefined: none. */
  undecided(after = null) {
    const start = COMPARTMENTS.indexOf(after) + 1;
    const turned = [...COMPARTMENTS.slice(start), ...COMPARTMENTS.slice(0, start)];
    return turned.find(
      (name) => this.section.compartments[name] && !isDecided(this.section.compartments[name].mine),
    );
  }

  /** Makes a compartment the active one; `look`: the view goes there. */
  select(name, look = true) {
    this.typed.clear();
    this.active = name;
    this.draw();
    if (look) this.viewer.look(this.compartment?.box);
    say(`${name}, ${decisionText(this.compartment?.mine)}`);
  }

  /** A click on the picture: the compartment there, the view stays. */
  pick(name) {
    if (name && name !== this.active && !this.differences.isOpen) this.select(name, false);
  }

  stepCompartment(by) {
    if (this.differences.isOpen) return this.differences.step(by);
    const i = COMPARTMENTS.indexOf(this.active) + by;
    return this.select(COMPARTMENTS[(i + COMPARTMENTS.length) % COMPARTMENTS.length]);
  }

  stepSection(by) {
    if (this.grading.isHeldBack()) return undefined;
    const code = by < 0 ? this.section.previous : this.section.next;
    if (!code)
      return this.tell(by < 0 ? "This is the first section." : "This is the last section.");
    return this.open(code);
  }

  nextUnscored() {
    if (this.grading.isHeldBack()) return undefined;
    const code = this.queue.nextUnscored(this.section.code);
    if (code === this.section.code) return this.tell("This is the only section left.");
    return code ? this.open(code) : this.ending.open();
  }

  async list() {
    if (this.grading.isHeldBack()) return;
    const code = await this.queue.choose(this.section.code);
    if (code) await this.open(code);
  }

  tell(words) {
    toast(words);
  }

  draw() {
    if (this.section) keepFocus(() => this.drawAll());
  }

  drawAll() {
    const { section, active, scorer, does, may } = this;
    const { ladder } = this.review;
    const left = COMPARTMENTS.filter((name) => !isDecided(section.compartments[name]?.mine)).length;
    Object.assign(document.body.dataset, {
      code: section.code,
      active,
      mode: scorer.mode,
      may: String(may),
      left: String(left),
    });
    drawBar(this);
    const select = this.inLine((name) => this.select(name));
    drawJoint({ section, active, ladder, unsaved: this.grading.unsaved?.decision, select });
    at("compartment").hidden = this.differences.isOpen;
    drawCompartment({ section, active, ladder, mode: scorer.mode, may, does });
    drawAbout(section, this.review);
    this.overlay.frames(section.compartments, active);
  }

  drawProblem() {
    const { image, image_problem: problem } = this.section;
    at("no_image").hidden = Boolean(image);
    fill(
      at("no_image"),
      make("p", {}, make("b", {}, "No picture. "), sentence(problem || "the slide cannot be read")),
    );
  }

  drawLayers() {
    const { shown, opacity, labelsThere } = this.layers;
    this.overlay.set(shown, opacity);
    this.viewer.showLabels(this.scorer.name, shown.labels && labelsThere ? opacity : 0);
  }
}
