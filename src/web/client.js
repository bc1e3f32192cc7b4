// SPDX-License-Identifier: Apache-2.0
import { ask } from "./http.js";
import { ApiKey } from "./key.js";

export { ApiKey };
export * from "./errors.js";

/**
 * Whose keys. Neither: one's own. Administrators may name any user.
 * @typedef {{team?: string, user?: string}} Owner
 *
 * @typedef {object} NewApiKey
 * @property {string} description
 * @property {Date | number | null} expiresAt the moment, in a Date or milliseconds since 1970; null: never
 * @property {string[]} [scopes]
 * @property {boolean} [isPublic] meant to be seen, as part of a page or an app
 *
 * @typedef {object} Me
 * @property {string} userId
 * @property {boolean} admin whether every key may be managed
 * @property {boolean} userKeys whether users may have keys
 * @property {boolean} teamKeys whether teams may
 * @property {string[]} scopes those that may be given to a key
 * @property {{maxKeys: number, descriptionChars: number, maxGraceSeconds: number}} limits
 */

/** The API of one server, under the address where its handler is mounted. */
export class ApiKeys {
  #base;
  #skew = 0;

  /** @param {string | URL} [base] without it, where this module came from */
  constructor(base = new URL(".", import.meta.url)) {
    this.#base = new URL(base, globalThis.document?.baseURI);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#base.username = this.#base.password = this.#base.search = this.#base.hash = "";
  }

  /** The server's time, as far as it is known: clocks of visitors are often wrong. */
  now() {
    return Date.now() + this.#skew;
  }

  /**
   * A request below the base.
   * @param {string} path
   * @param {import("./http.js").Request & {query?: object}} options
   */
  request(path, { query = {}, ...options } = {}) {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    return ask(url, options);
  }

  /**
   * Creates a key. The `value` of what is returned is the whole key, which nobody can ask for again.
   * @param {NewApiKey & Owner} key
   * @returns {Promise<ApiKey>}
   */
  async create({ description, expiresAt, scopes, isPublic, team, user }) {
    if (expiresAt === undefined) throw new TypeError("expiresAt is missing; null means never");
    const body = {
      ...ownerOf({ team, user }),
      description,
      expires_at_millis: expiresAt === null ? null : new Date(expiresAt).getTime(),
      ...(scopes && { scopes }),
      ...(isPublic !== undefined && { is_public: isPublic }),
    };
    if (Number.isNaN(body.expires_at_millis)) throw new TypeError("expiresAt is not a date");
    return new ApiKey(this, await this.request(folderOf({ team }), { method: "POST", body }));
  }

  /**
   * All keys of an owner, newest first, with those that were revoked or have expired.
   * @param {Owner} [owner]
   * @returns {Promise<ApiKey[]>}
   */
  async list(owner = {}) {
    const keys = [];
    for await (const page of this.pages(owner)) keys.push(...page);
    return keys;
  }

  /**
   * The same in portions.
   * @param {Owner & {limit?: number, signal?: AbortSignal}} options
   * @returns {AsyncGenerator<ApiKey[], void>}
   */
  pages({ team, user, ...options } = {}) {
    return this.#pages(folderOf({ team }), ownerOf({ team, user }), options);
  }

  /**
   * Every key there is, for administrators, in portions.
   * @param {Owner & {status?: string, limit?: number, signal?: AbortSignal}} options
   * @returns {AsyncGenerator<ApiKey[], void>}
   */
  allPages({ status, team, user, ...options } = {}) {
    return this.#pages("keys", { status, ...(team || user ? ownerOf({ team, user }) : {}) }, options);
  }

  /**
   * @param {string} id
   * @param {Owner} owner says whether it is a team's key
   */
  async get(id, { team } = {}) {
    return new ApiKey(this, await this.request(`${folderOf({ team })}/${encodeURIComponent(id)}`));
  }

  /** Who asks, and what they may do. @param {{signal?: AbortSignal}} [options] @returns {Promise<Me>} */
  async me(options) {
    const said = await this.request("me", options);
    if (said.now_millis) this.#skew = said.now_millis - Date.now();
    return {
      userId: said.user_id,
      admin: said.manage === "admin",
      userKeys: said.user_keys,
      teamKeys: said.team_keys,
      scopes: said.scopes ?? [],
      limits: {
        maxKeys: said.limits.max_keys,
        descriptionChars: said.limits.description_chars,
        maxGraceSeconds: said.limits.max_grace_seconds,
      },
    };
  }

  /** Ids of the teams whose keys may be managed. @returns {Promise<string[]>} */
  async teams() {
    return (await this.request("teams")).items.map((team) => team.team_id);
  }

  /** @param {string} path @param {object} query @param {{limit?: number, signal?: AbortSignal}} options */
  async *#pages(path, query, { limit = 500, signal }) {
    let cursor;
    do {
      const said = await this.request(path, { query: { ...query, limit, cursor }, signal });
      yield said.items.map((item) => new ApiKey(this, item));
      cursor = said.next_cursor;
    } while (cursor);
  }
}

/** @param {Owner} owner */
function folderOf({ team }) {
  return team === undefined ? "user-api-keys" : "team-api-keys";
}

/** @param {Owner} owner */
function ownerOf({ team, user = "me" }) {
  return team === undefined ? { user_id: user } : { team_id: team };
}

const here = new ApiKeys();

/**
 * Creates a key on the server this module came from.
 * @param {NewApiKey & Owner} key
 * @returns {Promise<ApiKey>}
 */
export const createApiKey = (key) => here.create(key);

/**
 * Lists keys of the server this module came from.
 * @param {Owner} [owner]
 * @returns {Promise<ApiKey[]>}
 */
export const listApiKeys = (owner) => here.list(owner);
