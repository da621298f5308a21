/** What the server is asked; every refusal is a `Refused` with the server's own sentence. */

/** A request that was not granted; `status` 0: the server did not answer. */
class Refused extends Error {
  constructor(status, words, body = {}) {
    super(words);
    this.status = status;
    this.body = body;
  }
}

const GONE =
  "The server does not answer. Is the terminal in which histoscore review runs still open? " +
  "Start it again with the same line; everything that was saved is still there.";

const WAIT = "Wait a few seconds, then try again.";
const LONGEST_PLAIN_ANSWER = 300;

export const review = () => get("/api/review");
export const register = (name, mode) => post("/api/scorers", { name, mode });
export const queue = (scorer) => get("/api/queue", { scorer });
export const section = (code, scorer) =>
  get(`/api/sections/${encodeURIComponent(code)}`, { scorer });
export const overlay = (code, scorer) =>
  get(`/api/sections/${encodeURIComponent(code)}/overlay`, { scorer });
export const decide = (decision) => post("/api/decisions", decision);
export const undo = (scorer) => post("/api/undo", { scorer });
export const differences = (scorer) => get("/api/differences", { scorer });
export const agree = (consensus) => post("/api/consensus", consensus);
export const sign = (scorer, counting) => post("/api/sign", { scorer, counting });
export const unblind = (scorer) => post("/api/unblind", { scorer });
export const writeTables = () => post("/api/tables", {});

/** Address of a tile of the section's picture, or of its label map. */
export function tileUrl(code, level, column, row, labelsOf = null) {
  const place = `${encodeURIComponent(code)}/${level}/${column}_${row}`;
  if (labelsOf === null) return `/tiles/${place}.jpg`;
  return `/labels/${place}.png?${new URLSearchParams({ scorer: labelsOf })}`;
}

function get(path, query = null) {
  return ask(query ? `${path}?${new URLSearchParams(query)}` : path, { cache: "no-store" });
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, GONE);
  }
  const body = read(await response.text());
  if (response.ok) return body;
  const words = sentence(body.error || `The server answered ${response.status}.`);
  throw new Refused(response.status, response.status === 429 ? `${words} ${WAIT}` : words, body);
}

/** An answer as an object; a short plain text is what went wrong. */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.length < LONGEST_PLAIN_ANSWER ? text : "" };
  }
}

/** The words with a capital and a full stop. */
export function sentence(words) {
  const text = words.trim();
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
