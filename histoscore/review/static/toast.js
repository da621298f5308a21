/** A short sentence over the picture that goes away by itself. */

import { at, say } from "./dom.js";

const SECONDS = 4;
let timer = 0;

/** Takes the sentence away. */
export function quiet() {
  at("toast").hidden = true;
}

/** Shows and says the words. */
export function toast(words) {
  say(words);
  const line = at("toast");
  line.textContent = words;
  line.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(quiet, SECONDS * 1000);
}
