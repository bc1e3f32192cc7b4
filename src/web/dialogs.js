// SPDX-License-Identifier: Apache-2.0
import { Field, openDialog, tick } from "./dialog.js";
import { h, newId, select, setText } from "./dom.js";
import { exact } from "./format.js";
import { icon } from "./icons.js";
import { strings } from "./strings.js";

/** @typedef {import("./client.js").ApiKey} ApiKey */

const DAY_MS = 86_400_000;
const USUAL_DAYS = "30";

/** The end of a key, as far as it is known. @param {ApiKey} key */
export const lastFour = ({ value }) => (typeof value === "string" ? value.slice(-4) : value.lastFour);

/** How a key is called in sentences. @param {ApiKey} key */
export const nameOf = (key) => (key.description ? `“${key.description}”` : `…${lastFour(key) || key.id}`);

/** A description of a length the server takes, counted as it counts. @param {string} [value] @param {number} most */
function descriptionField(value, most) {
  const input = h("input", { type: "text", autocomplete: "off", autofocus: true, "aria-required": "true", value });
  const field = new Field(strings.description, input, strings.descriptionHint);
  const check = () => {
    if (!field.value.trim()) return field.complain(strings.descriptionMissing);
    return [...field.value.trim()].length > most ? field.complain(strings.descriptionLong(most)) : undefined;
  };
  return { field, check };
}

/** The end of a day here. @param {string} day as an `<input type="date">` has it */
const endOf = (day) => new Date(`${day}T23:59:59.999`);

/** Today and not earlier, as an `<input type="date">` has it. @param {number} now */
function today(now) {
  const local = new Date(now - new Date(now).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 10);
}

/** @param {() => number} now */
function expiryFields(now) {
  const lifetimes = Object.entries(strings.lifetimes);
  const choice = select([...lifetimes, ["date", strings.lifetimeDate], ["never", strings.lifetimeNever]]);
  choice.value = USUAL_DAYS;
  const lifetime = new Field(strings.expires, choice);
  const day = new Field(strings.lastDay, h("input", { type: "date", min: today(now()), max: "9999-12-30" }));
  const when = () => {
    if (lifetime.value === "never") return null;
    if (lifetime.value !== "date") return new Date(now() + Number(lifetime.value) * DAY_MS);
    return day.control.validity.valid && day.value ? endOf(day.value) : undefined;
  };
  const tell = () => {
    const chosen = when();
    day.element.hidden = lifetime.value !== "date";
    lifetime.hint(chosen ? strings.expiresOn(exact(chosen)) : chosen === null ? strings.expiresNever : "");
  };
  for (const { control } of [lifetime, day]) control.addEventListener("input", tell);
  tell();
  const check = () => (when() === undefined ? day.complain(strings.lastDayMissing) : undefined);
  return { elements: [lifetime.element, day.element], when, check };
}

/** @param {import("./client.js").Me} me */
function scopeFields(me) {
  const ticks = me.scopes.map((scope) => ({ scope, ...tick(scope) }));
  const other = me.admin ? new Field(strings.otherScopes, h("input", { type: "text", autocomplete: "off" })) : null;
  const hintId = newId();
  const group = h(
    "fieldset.scopes",
    { "aria-describedby": hintId },
    h("legend", {}, strings.scopes),
    h("p.hint", { id: hintId }, strings.scopesHint),
    h("div.ticks", {}, ...ticks.map(({ element }) => element)),
  );
  const chosen = () => [
    ...new Set([
      ...ticks.filter(({ box }) => box.checked).map(({ scope }) => scope),
      ...(other?.value.split(/\s+/).filter(Boolean) ?? []),
    ]),
  ];
  return { elements: [ticks.length ? group : null, other?.element], chosen };
}

/** For administrators, whose key it is to be. */
function ownerFields() {
  const { ownerKinds, ownerKind, ownerId } = strings;
  const kind = new Field(ownerKind, select([["user", ownerKinds.user], ["team", ownerKinds.team]]));
  const id = new Field(ownerId.user, h("input", { type: "text", autocomplete: "off", spellcheck: "false" }));
  kind.control.addEventListener("input", () => setText(id.element.firstChild, ownerId[kind.value]));
  return {
    elements: [h("div.pair", {}, kind.element, id.element)],
    owner: () => ({ [kind.value]: id.value }),
    check: () => (id.value.trim() ? undefined : id.complain(strings.ownerMissing)),
  };
}

/**
 * Asks for a new key and creates it.
 * @param {ParentNode & Node} root
 * @param {object} about
 * @param {import("./client.js").ApiKeys} about.api
 * @param {import("./client.js").Me} about.me
 * @param {import("./client.js").Owner | null} about.owner null: it is asked for
 * @returns {Promise<ApiKey | undefined | null>} the key with its secret
 */
export function createDialog(root, { api, me, owner }) {
  const description = descriptionField("", me.limits.descriptionChars);
  const expiry = expiryFields(() => api.now());
  const scopes = scopeFields(me);
  const whose = owner ? null : ownerFields();
  return openDialog(root, {
    title: strings.createTitle,
    content: [...(whose?.elements ?? []), description.field.element, ...expiry.elements, ...scopes.elements],
    submit: strings.create,
    check: () => whose?.check() ?? description.check() ?? expiry.check(),
    act: () =>
      api.create({
        ...(owner ?? whose.owner()),
        description: description.field.value.trim(),
        expiresAt: expiry.when(),
        scopes: scopes.chosen(),
      }),
  });
}

/** Copies what a field holds. The modern way needs https, the old one does not. @param {HTMLTextAreaElement} field */
async function copy(field) {
  field.focus();
  field.select();
  if (!navigator.clipboard) return document.execCommand("copy");
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return document.execCommand("copy"); // refused by a permission, mostly; the answer says whether this worked
  }
}

const warnBeforeLeaving = (event) => event.preventDefault();

/** Shows a secret, once, until it is said to be saved. @param {ParentNode & Node} root @param {string} secret */
export async function secretDialog(root, secret) {
  const text = h("textarea.secret", {
    readonly: true, rows: 2, spellcheck: "false", autocomplete: "off", id: newId(), onfocus: () => text.select(),
  });
  text.value = secret;
  const told = h("p.hint", { role: "status" });
  const copyIt = async () => setText(told, (await copy(text)) ? strings.copied : strings.copyFailed);
  const button = h("button", { type: "button", autofocus: true, onclick: copyIt }, icon("copy"), strings.copy);
  addEventListener("beforeunload", warnBeforeLeaving);
  await openDialog(root, {
    title: strings.secretTitle,
    text: strings.secretText,
    content: [
      h("div.field", {}, h("label", { for: text.id }, strings.secretLabel), text),
      h("div.copying", {}, button, told),
      h("p.hint", {}, strings.secretUse, " ", h("code", {}, `Authorization: Bearer ${secret.slice(0, 7)}…`)),
    ],
    consent: tick(strings.saved),
    submit: strings.done,
    sticky: true,
    act: () => undefined,
  });
  text.value = "";
  removeEventListener("beforeunload", warnBeforeLeaving);
}

/** @param {ParentNode & Node} root @param {ApiKey} key @returns {Promise<boolean | undefined | null>} */
export function revokeDialog(root, key) {
  return openDialog(root, {
    title: strings.revokeTitle,
    text: strings.revokeText(nameOf(key)),
    consent: tick(strings.revokeTick),
    submit: strings.revokeNow,
    danger: true,
    act: async () => {
      await key.revoke();
      return true;
    },
  });
}

/**
 * @param {ParentNode & Node} root @param {ApiKey} key @param {number} mostSeconds
 * @returns {Promise<ApiKey | undefined | null>} the key with its new secret
 */
export function rotateDialog(root, key, mostSeconds) {
  const choices = Object.entries(strings.graceNames).filter(([seconds]) => Number(seconds) <= mostSeconds);
  const grace = new Field(strings.grace, select(choices));
  grace.control.value = "86400";
  if (!grace.value) grace.control.value = choices.at(-1)[0];
  // The same for every try of this dialog: an answer that got lost makes no second secret.
  const random = crypto.getRandomValues(new Uint8Array(16));
  const idempotencyKey = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return openDialog(root, {
    title: strings.rotateTitle,
    text: strings.rotateText(nameOf(key)),
    content: [grace.element],
    submit: strings.rotateNow,
    act: () => key.rotate({ graceSeconds: Number(grace.value), idempotencyKey }),
  });
}

/**
 * @param {ParentNode & Node} root @param {ApiKey} key @param {number} most characters
 * @returns {Promise<boolean | undefined | null>}
 */
export function editDialog(root, key, most) {
  const { field, check } = descriptionField(key.description, most);
  return openDialog(root, {
    title: strings.editTitle,
    content: [field.element],
    submit: strings.save,
    check,
    act: async () => {
      await key.update({ description: field.value.trim() });
      return true;
    },
  });
}
