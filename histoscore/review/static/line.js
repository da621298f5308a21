/** Actions one after the other, so that quick typing grades what it meant to grade. */
export class Line {
  constructor(report) {
    this.report = report;
    this.waiting = [];
    this.isBusy = false;
  }

  /** Does it now, or after those that wait. */
  async add(action) {
    this.waiting.push(action);
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.waiting.length) await this.one(this.waiting.shift());
    this.isBusy = false;
  }

  async one(action) {
    try {
      await action();
    } catch (trouble) {
      this.empty();
      await this.report(trouble);
    }
  }

  /** Forgets those that wait: what they built on did not happen. */
  empty() {
    this.waiting.length = 0;
  }
}
