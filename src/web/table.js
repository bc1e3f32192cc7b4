// SPDX-License-Identifier: Apache-2.0
import { lastFour, nameOf } from "./dialogs.js";
import { h } from "./dom.js";
import { exact, refresh, time } from "./format.js";
import { strings } from "./strings.js";

/** @typedef {import("./client.js").ApiKey} ApiKey */

/** The status as the API calls it. @param {ApiKey} key @returns {"valid" | "expired" | "revoked"} */
export function statusOf(key) {
  const why = key.whyInvalid();
  return why === "manually-revoked" ? "revoked" : (why ?? "valid");
}

/** @param {ApiKey} key */
const ownerOf = (key) => (key.type === "team" ? strings.teamOwner(key.teamId) : strings.userOwner(key.userId));

/**
 * Whether a key has each word of a search somewhere, or as its id.
 * @param {ApiKey} key @param {string} search
 */
export function matches(key, search) {
  const texts = [key.description, lastFour(key), key.userId, key.teamId, ...key.scopes];
  const text = texts.join("\n").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word) || word === key.id);
}

/** What each column shows of a key. @type {Record<string, (key: ApiKey, now: number) => (Node | string)[]>} */
const cells = {
  description: (key) => [
    h("span.name", {}, key.description || h("i", {}, strings.noDescription)),
    key.isPublic || key.scopes.length
      ? h(
          "ul.chips",
          { role: "list" },
          ...(key.isPublic ? [h("li.chip.public", {}, strings.publicKey)] : []),
          ...key.scopes.map((scope) => h("li.chip", {}, scope)),
        )
      : "",
  ],
  owner: (key) => [ownerOf(key)],
  status: (key) => {
    const since = key.manuallyRevokedAt && strings.revokedOn(exact(key.manuallyRevokedAt));
    return [h(`span.badge.${statusOf(key)}`, { title: since }, strings.statusName[statusOf(key)])];
  },
  key: (key) => [
    h("span.sr", {}, strings.endsIn, " "),
    h("code", {}, h("span", { "aria-hidden": "true" }, "…"), lastFour(key)),
  ],
  expires: (key, now) => [key.expiresAt ? time(key.expiresAt, now) : strings.never],
  created: (key, now) => [time(key.createdAt, now)],
  used: (key, now) => [key.lastUsedAt ? time(key.lastUsedAt, now) : strings.neverUsed],
};

/** What can be done with a key, and with which. */
const actions = { edit: () => true, rotate: (key) => key.isValid(), revoke: (key) => key.isValid() };

/** One key. It stays the same while the key changes, and so do its buttons: one of them may have the focus. */
class Row {
  /** @param {ApiKey} key @param {(action: string, key: ApiKey) => void} onAction @param {string[]} columns */
  constructor(key, onAction, columns) {
    this.key = key;
    this.cells = Object.fromEntries(
      columns.map((name) => [name, h(`td.${name}`, { role: "cell", "data-label": strings.columns[name] })]),
    );
    this.buttons = Object.fromEntries(
      Object.keys(actions).map((name) => {
        const onclick = () => onAction(name, this.key);
        return [name, h(`button.quiet.${name}`, { type: "button", onclick }, strings[name])];
      }),
    );
    this.cells.description.setAttribute("role", "rowheader");
    this.element = h(
      "tr",
      { role: "row" },
      ...Object.values(this.cells),
      h("td.actions", { role: "cell" }, ...Object.values(this.buttons)),
    );
  }

  /** @param {ApiKey} key @param {number} now */
  show(key, now) {
    const facts = JSON.stringify([key, statusOf(key)]);
    this.key = key;
    if (facts === this.facts) return this.tick(now);
    this.facts = facts;
    for (const [name, cell] of Object.entries(this.cells)) cell.replaceChildren(...cells[name](key, now));
    this.cells.description.setAttribute("aria-label", key.description || strings.noDescription);
    for (const [name, button] of Object.entries(this.buttons)) {
      button.hidden = !actions[name](key);
      button.setAttribute("aria-label", strings.actionOn(strings[name], nameOf(key)));
    }
    this.element.classList.toggle("ended", !key.isValid());
  }

  /** @param {number} now */
  tick(now) {
    for (const shown of this.element.querySelectorAll("time")) refresh(shown, now);
  }
}

/** The table of keys. Roles are written out, since narrow pages lay its rows out as cards. */
export class KeyTable {
  #rows = new Map();
  #body = h("tbody", { role: "rowgroup" });
  #columns;
  #onAction;

  /** @param {{withOwner: boolean, labelledby: string, onAction: (action: string, key: ApiKey) => void}} options */
  constructor({ withOwner, labelledby, onAction }) {
    this.#onAction = onAction;
    this.#columns = Object.keys(cells).filter((name) => name !== "owner" || withOwner);
    const heads = [...this.#columns, "actions"].map((name) => {
      const text = strings.columns[name];
      const shown = name === "actions" ? h("span.sr", {}, text) : text;
      return h(`th.${name}`, { scope: "col", role: "columnheader" }, shown);
    });
    this.element = h(
      "table",
      { role: "table", "aria-labelledby": labelledby },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)),
      this.#body,
    );
  }

  /** Shows these keys and no others, touching only what differs. @param {ApiKey[]} keys @param {number} now */
  show(keys, now) {
    const wanted = new Set(keys.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let place = this.#body.firstChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id) ?? this.#add(key);
      row.show(key, now);
      if (row.element === place) place = place.nextSibling;
      else this.#body.insertBefore(row.element, place);
    }
  }

  /** Puts the focus on a key's button, or its first one where that is gone. @returns {boolean} whether there was one */
  focus(id, action) {
    const { buttons } = this.#rows.get(id) ?? {};
    if (!buttons) return false;
    (buttons[action]?.hidden === false ? buttons[action] : buttons.edit).focus();
    return true;
  }

  #add(key) {
    const row = new Row(key, this.#onAction, this.#columns);
    this.#rows.set(key.id, row);
    return row;
  }
}
