/** Elements made by hand: text goes in as text, never as markup. */

/** An element with properties and children; strings become text, null and false are left out. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== false));
  return element;
}

/** Replaces what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== false),
  );
  return element;
}

/** The element of the page with this id. */
export function at(id) {
  return document.getElementById(id);
}

/** A button with its key beside the words. */
export function button(words, key, onclick, properties = {}) {
  const { label = words, ...rest } = properties;
  const face = make(
    "button",
    { type: "button", onclick, ...rest },
    label ? make("span", {}, label) : false,
  );
  if (key) {
    face.append(make("kbd", { "aria-hidden": "true" }, key));
    face.setAttribute("aria-keyshortcuts", ARIA_KEYS[key] ?? key);
  }
  return face;
}

/** Draws, and leaves the focus on what takes the place of the element that had it. */
export function keepFocus(draw) {
  const held = document.activeElement;
  const place = held && address(held);
  draw();
  if (place && !held.isConnected) document.querySelector(place)?.focus({ preventScroll: true });
}

/** A selector that finds an element again after it was drawn anew; null without one. */
function address({ id, dataset }) {
  if (id) return `#${CSS.escape(id)}`;
  const name = ["compartment", "rung", "difference", "consensus", "reference"].find(
    (one) => one in dataset,
  );
  return name ? `[data-${name}="${CSS.escape(dataset[name])}"]` : null;
}

/** Tells a screen reader, once. */
export function say(words) {
  at("said").textContent = words;
}

const ARIA_KEYS = { "←": "ArrowLeft", "→": "ArrowRight", "↑": "ArrowUp", "↓": "ArrowDown" };

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "class") element.className = value;
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else element.setAttribute(name, value === true ? "" : value);
}
