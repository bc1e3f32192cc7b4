// SPDX-License-Identifier: Apache-2.0

/** @typedef {import("./client.js").ApiKeys} ApiKeys */

/** @param {number | undefined} millis @returns {Date | null} */
const date = (millis) => (millis === undefined || millis === null ? null : new Date(millis));

/** A key as the server last described it. */
export class ApiKey {
  #api;

  /** @param {ApiKeys} api @param {any} said */
  constructor(api, said) {
    this.#api = api;
    this.#learn(said);
  }

  /** @param {any} said */
  #learn(said) {
    /** @type {string} */
    this.id = said.id;
    /** @type {"user" | "team"} */
    this.type = said.type;
    /** @type {string | null} */
    this.userId = said.user_id ?? null;
    /** @type {string | null} */
    this.teamId = said.team_id ?? null;
    /** @type {string} */
    this.description = said.description;
    /** @type {boolean} */
    this.isPublic = said.is_public ?? false;
    /** @type {string[]} */
    this.scopes = said.scopes ?? [];
    /** @type {Date} */
    this.createdAt = new Date(said.created_at_millis);
    /** Null: never. @type {Date | null} */
    this.expiresAt = date(said.expires_at_millis);
    /** Null: not revoked. @type {Date | null} */
    this.manuallyRevokedAt = date(said.manually_revoked_at_millis);
    /** Null: never used. @type {Date | null} */
    this.lastUsedAt = date(said.last_used_at_millis);
    /**
     * The whole key as text where it has just been made (createApiKey, rotate), else its last four characters.
     * @type {string | {lastFour: string}}
     */
    this.value = typeof said.value === "string" ? said.value : { lastFour: said.value.last_four };
  }

  /** Whether the key is accepted now. */
  isValid() {
    return this.whyInvalid() === null;
  }

  /** @returns {"manually-revoked" | "expired" | null} */
  whyInvalid() {
    if (this.manuallyRevokedAt) return "manually-revoked";
    if (this.expiresAt && this.expiresAt.getTime() < this.#api.now()) return "expired";
    return null;
  }

  /** Ends the key for good, at once. */
  async revoke() {
    await this.#change({ revoked: true });
  }

  /** @param {{description?: string}} changes */
  async update({ description }) {
    await this.#change({ description });
  }

  /**
   * Makes a new secret for the same key; the old one goes on for a while.
   * @param {{graceSeconds?: number, idempotencyKey?: string}} options without `graceSeconds` a day; with an
   *   `idempotencyKey` a repeated request makes no second secret
   * @returns {Promise<ApiKey>} the key with the new secret as its `value`
   */
  async rotate({ graceSeconds, idempotencyKey } = {}) {
    const said = await this.#api.request(`${this.#path()}/rotate`, {
      method: "POST",
      body: graceSeconds === undefined ? {} : { grace_seconds: graceSeconds },
      headers: idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
    });
    const made = new ApiKey(this.#api, said);
    this.#learn({ ...said, value: { last_four: said.value.slice(-4) } });
    return made;
  }

  /** @param {object} body */
  async #change(body) {
    const said = await this.#api.request(this.#path(), { method: "PATCH", body });
    // Whoever holds the whole key goes on holding it.
    this.#learn(typeof this.value === "string" ? { ...said, value: this.value } : said);
  }

  #path() {
    return `${this.type}-api-keys/${encodeURIComponent(this.id)}`;
  }
}
