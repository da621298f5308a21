/** What the browser remembers: who scores in this tab, and how the person likes the page. */

/** This tab's scorer and section; a reload goes on there. */
export const tab = {
  get scorer() {
    return read("sessionStorage", "histoscore.scorer");
  },
  set scorer(name) {
    write("sessionStorage", "histoscore.scorer", name);
  },
  get code() {
    return read("sessionStorage", "histoscore.code");
  },
  set code(code) {
    write("sessionStorage", "histoscore.code", code);
  },
};

/** Settings of the page (overlays, references), kept between sessions. */
export function preference(name, fallback) {
  const value = read("localStorage", `histoscore.${name}`);
  return value === null || typeof value !== typeof fallback ? fallback : value;
}

export function prefer(name, value) {
  write("localStorage", `histoscore.${name}`, value);
}

function read(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing: the page works, it only forgets.
  }
}
