// SPDX-License-Identifier: Apache-2.0
// The body of a function that looks at what can be seen, inside an open dialog if there is one, and says what is bad.

const bad = [];
const all = (root) => [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
const everything = all(document);
const dialog = everything.find((e) => e.matches("dialog[open]"));
const parent = (e) => e.parentElement ?? e.getRootNode().host;
const within = (e) => !dialog || (e && (e === dialog || within(parent(e))));
const seen = everything.filter((e) => within(e) && e.checkVisibility({ visibilityProperty: true }) && !e.closest(".sr"));
const name = (e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute("class") ?? ""}"> ${e.textContent.trim().slice(0, 40)}`;

// Contrast, WCAG 1.4.3, of text that is not switched off.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
function rgba(color) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
const luminance = (color) => {
  const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
function ground(e) {
  for (; e; e = parent(e)) {
    const color = rgba(getComputedStyle(e).backgroundColor);
    if (color[3] === 255) return color;
  }
  return rgba("Canvas");
}
let looked = 0;
for (const e of seen) {
  const text = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const field = e.matches("input:not([type=checkbox]), select, textarea");
  if ((!text && !field) || e.matches("option, :disabled") || e.closest("option")) continue;
  looked++;
  const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}: ${name(e)}`);
}

// Targets, WCAG 2.5.8; a checkbox is as large as its label.
for (const e of seen.filter((e) => e.matches("button, input, select, textarea, a"))) {
  const { width, height } = (e.closest("label") ?? e).getBoundingClientRect();
  if (width < 24 || height < 24) bad.push(`${width} by ${height}: ${name(e)}`);
}

// Width, WCAG 1.4.10: nothing beside the window.
if (document.documentElement.scrollWidth > innerWidth) bad.push(`${document.documentElement.scrollWidth} wide`);
for (const e of seen) {
  const { left, right } = e.getBoundingClientRect();
  if (right > innerWidth + 0.5 || left < -0.5) bad.push(`from ${left} to ${right}: ${name(e)}`);
}

// Structure.
for (const e of everything) {
  const root = e.getRootNode();
  for (const attribute of ["for", "aria-labelledby", "aria-describedby"]) {
    for (const id of (e.getAttribute(attribute) ?? "").split(" ").filter(Boolean)) {
      if (!root.getElementById(id)) bad.push(`${attribute} ${id} leads nowhere: ${name(e)}`);
    }
  }
  if (e.id && root.querySelectorAll(`#${CSS.escape(e.id)}`).length > 1) bad.push(`id ${e.id} twice`);
}
let level = dialog ? 1 : 0;
for (const e of seen.filter((e) => e.matches("h1, h2, h3, h4"))) {
  if (Number(e.tagName[1]) > level + 1) bad.push(`heading level skipped: ${name(e)}`);
  level = Number(e.tagName[1]);
}
for (const table of seen.filter((e) => e.matches("table"))) {
  const heads = table.tHead.rows[0].cells.length;
  for (const row of table.tBodies[0].rows) if (row.cells.length !== heads) bad.push("cells and headers differ in number");
  for (const [tag, role] of [["tr", "row"], ["td", "cell"], ["th", "columnheader"], ["thead, tbody", "rowgroup"]]) {
    for (const e of table.querySelectorAll(tag)) if (!e.getAttribute("role").endsWith(role) && e.getAttribute("role") !== "rowheader") bad.push(`role of ${name(e)}`);
  }
}
if (!document.documentElement.lang || !document.title) bad.push("no language, or no title");

return { bad, looked, dark: luminance(ground(document.body)) < 0.2 };
