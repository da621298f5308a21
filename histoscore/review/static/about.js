/** What is known about the section itself, and whose slide it is once that may be known. */

import { at, fill, make } from "./dom.js";

/** Draws the foot of the panel. */
export function drawAbout(section, review) {
  fill(
    at("about"),
    section.slide ? identity(section.slide) : false,
    make("p", { class: "soft" }, foot(section, review)),
  );
}

function identity({ slide, section, animal, group }) {
  const rows = { animal, group, slide: `${slide}, section ${section}` };
  const pairs = Object.entries(rows).filter(([, words]) => words);
  return make(
    "dl",
    { class: "identity" },
    pairs.map(([term, words]) => [make("dt", {}, term), make("dd", {}, words)]).flat(),
  );
}

function foot({ image }, { histoscore, model, ladder }) {
  const scale = image?.mpp ? `${image.mpp} µm/px` : "pixel size unknown";
  return `${scale} · histoscore ${histoscore} · model ${model?.name ?? "none"} · ${ladder.name.replaceAll("_", " ")}`;
}
