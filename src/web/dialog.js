// SPDX-License-Identifier: Apache-2.0
import { h, newId, setText } from "./dom.js";
import { ApiKeyError, AuthenticationRequiredError, UnavailableError } from "./errors.js";
import { strings } from "./strings.js";

/**
 * What is said about something that went wrong. What nobody foresaw is reported as well.
 * @param {unknown} error
 */
export function explain(error) {
  if (!(error instanceof ApiKeyError)) {
    reportError(error);
    return strings.failedUnavailable;
  }
  if (Object.hasOwn(strings.failed, error.code)) return strings.failed[error.code];
  if (error instanceof AuthenticationRequiredError) return strings.failedSignedOut;
  return error instanceof UnavailableError ? strings.failedUnavailable : error.message;
}

/** A control with its label above, a hint below, and room for a complaint. */
export class Field {
  #error = h("p.error", { id: newId() });

  /** @param {string} label @param {HTMLInputElement | HTMLSelectElement} control @param {string} [hint] */
  constructor(label, control, hint = "") {
    const id = newId();
    const note = h("p.hint", { id: newId() }, hint);
    control.id = id;
    control.setAttribute("aria-describedby", `${this.#error.id} ${note.id}`);
    this.control = control;
    this.element = h("div.field", {}, h("label", { for: id }, label), control, note, this.#error);
    this.hint = (text) => setText(note, text);
    control.addEventListener("input", () => this.complain(""));
  }

  get value() {
    return this.control.value;
  }

  /** Shows a complaint, or takes it back with an empty one. @param {string} text @returns {this} */
  complain(text) {
    setText(this.#error, text);
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
    return this;
  }
}

/** @param {string} label */
export function tick(label) {
  const box = h("input", { type: "checkbox" });
  return { box, element: h("label.tick", {}, box, h("span", {}, label)) };
}

const ABANDONED = "api-keys-abandoned";

/**
 * Asks something in a modal dialog and does it.
 * @template T
 * @param {ParentNode & Node} root
 * @param {object} form
 * @param {string} form.title
 * @param {string} [form.text]
 * @param {(Node | null)[]} [form.content]
 * @param {string} form.submit what the button says
 * @param {boolean} [form.danger]
 * @param {{box: HTMLInputElement, element: HTMLElement}} [form.consent] to be ticked first
 * @param {boolean} [form.sticky] no way out but the button
 * @param {() => Field | undefined} [form.check] complains and says where
 * @param {() => T | Promise<T>} form.act what the button does; the dialog stays when it fails
 * @returns {Promise<T | undefined | null>} what `act` returned; undefined when nothing was done, null when it was
 *   tried and failed: then the server may know more than we do
 */
export function openDialog(root, { title, text, content = [], submit, danger, consent, sticky, check, act }) {
  const titleId = newId();
  const problem = h("p.problem", { role: "alert" });
  const go = h(`button.${danger ? "danger" : "primary"}`, { type: "submit" }, submit);
  const cancel = sticky ? null : h("button", { type: "button", onclick: () => dialog.close() }, strings.cancel);
  const form = h(
    "form",
    { novalidate: true },
    h("h2", { id: titleId }, title),
    text ? h("p", {}, text) : null,
    ...content,
    consent?.element,
    problem,
    h("div.buttons", {}, cancel, go),
  );
  const dialog = h("dialog", { "aria-labelledby": titleId, closedby: sticky ? "none" : "closerequest" }, form);
  let outcome;
  let done = false;
  let busy = false;

  const arm = () => (go.disabled = busy || (consent && !consent.box.checked));
  const work = (now) => {
    busy = now;
    form.setAttribute("aria-busy", String(now));
    if (cancel) cancel.disabled = now;
    arm();
  };
  consent?.box.addEventListener("change", arm);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = busy ? undefined : check?.();
    if (field) field.control.focus();
    if (busy || field) return;
    work(true);
    setText(problem, "");
    try {
      outcome = await act();
      done = true;
      dialog.close();
    } catch (error) {
      outcome = null;
      setText(problem, explain(error));
    } finally {
      work(false);
      if (!done) go.focus();
    }
  });
  // While something is under way, or a secret is not saved yet, Escape does nothing. Where the browser
  // insists (a second Escape) the dialog comes back.
  const mayClose = () => done || !(busy || sticky);
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && !mayClose() && event.preventDefault());
  dialog.addEventListener("cancel", (event) => mayClose() || event.preventDefault());
  arm();
  root.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    const end = () => {
      dialog.remove();
      resolve(outcome);
    };
    dialog.addEventListener("close", () => (mayClose() ? end() : dialog.showModal()));
    dialog.addEventListener(ABANDONED, end);
  });
}

/** Ends what is asked in a part of a page that is taken away. @param {ParentNode} root */
export function abandonDialogs(root) {
  for (const dialog of root.querySelectorAll("dialog")) dialog.dispatchEvent(new Event(ABANDONED));
}
