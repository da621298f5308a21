/** Closing a review: its state, sign-off, unblinding. */

import * as api from "./api.js";
import { tellInDialog } from "./dialogs.js";
import { askSignOff, askUnblind, openFinish, writeTables } from "./finish.js";
import { tab } from "./memory.js";
import { Queue } from "./queue.js";

/** What is done at the end; works on the desk's review. */
export class Ending {
  constructor(desk) {
    this.desk = desk;
  }

  /** Shows where the review stands, and does what is chosen there. */
  async open() {
    const { desk } = this;
    if (desk.grading.isHeldBack()) return;
    await this.refresh();
    const commands = {
      nextUnscored: () => desk.nextUnscored(),
      tables: writeTables,
      leave: () => this.leave(),
      differences: () => desk.differences.open(),
      unblind: () => this.unblind(),
      sign: () => this.sign(),
    };
    await commands[await openFinish(desk)]?.();
  }

  /** Lets somebody else score in this tab. */
  leave() {
    tab.scorer = null;
    window.location.reload();
  }

  /** Asks anew who has done what. */
  async refresh() {
    const { desk } = this;
    desk.review = await api.review();
    desk.scorer = desk.review.scorers.find(({ name }) => name === desk.scorer.name) ?? desk.scorer;
    desk.queue = await Queue.of(desk.scorer.name);
    desk.draw();
  }

  async sign() {
    const { desk } = this;
    const counting = await askSignOff(desk);
    if (!counting) return;
    if (!(await done("Not signed off", () => api.sign(desk.scorer.name, counting)))) return;
    await this.refresh();
    await desk.again();
    await this.open();
  }

  async unblind() {
    const { desk } = this;
    if (!(await askUnblind())) return;
    if (!(await done("Not unblinded", () => api.unblind(desk.scorer.name)))) return;
    desk.shelf.clear();
    await this.refresh();
    if (desk.differences.isOpen) desk.differences.close();
    await desk.open(desk.section.code);
  }
}

/** Whether the server did it; says why not. */
async function done(title, action) {
  try {
    await action();
    return true;
  } catch (refused) {
    await tellInDialog(title, refused.message);
    return false;
  }
}
