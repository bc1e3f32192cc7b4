// SPDX-License-Identifier: Apache-2.0

/**
 * Makes an element. Text only ever becomes text: there is no way to pass markup.
 * @param {string} tag a tag's name, with classes: "span.badge.quiet"
 * @param {Record<string, any>} [set] attributes, without those that are null; `on…`: listeners
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, set = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(set)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let ids = 0;

/** An id for a label to point at. */
export const newId = () => `ak-${++ids}`;

/** Replaces text only where it has changed, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A choice.
 * @param {[string, string][]} options value and text
 * @param {Record<string, any>} [set]
 */
export function select(options, set = {}) {
  return h("select", set, ...options.map(([value, text]) => h("option", { value }, text)));
}
