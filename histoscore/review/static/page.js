/** The review page: who scores, then the desk. */

import * as api from "./api.js";
import { Desk } from "./desk.js";
import { tellInDialog } from "./dialogs.js";
import { listen } from "./keys.js";
import { tab } from "./memory.js";
import { chooseScorer } from "./start.js";

async function start() {
  const review = await api.review();
  const known = review.scorers.find(
    ({ name, mode }) => name === tab.scorer && (review.mode ?? mode) === mode,
  );
  const scorer = known ?? (await chooseScorer(review));
  tab.scorer = scorer.name;
  const desk = new Desk(await api.review(), scorer);
  hooks(desk);
  listen(desk.does);
  window.addEventListener(
    "beforeunload",
    (event) => desk.grading.unsaved && event.preventDefault(),
  );
  await desk.start();
}

/** For tests: the viewer, and where an image pixel lies on the screen. */
function hooks(desk) {
  window.histoscore = {
    viewer: desk.viewer.osd,
    imageToScreen: (x, y) => desk.viewer.imageToScreen(x, y),
  };
}

async function main() {
  try {
    await start();
  } catch (trouble) {
    document.body.dataset.view = "broken";
    await tellInDialog(
      "The page could not start",
      trouble.message,
      "Reload the page to try again.",
    );
  }
}

main();
