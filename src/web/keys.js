// SPDX-License-Identifier: Apache-2.0
import { ApiKeyError } from "./errors.js";

/** Of one owner at most this many are fetched without being asked for; of everybody, one portion. */
const MOST = 5_000;
const PORTION = 500;

/** The keys an element shows, as far as they have been fetched. */
export class KeyStore {
  #abort = new AbortController();
  #pages;
  #owner;
  #query = {};
  #stale; // whether the keys are those of before, and show until the new ones are there
  #onChange;

  /**
   * @param {import("./client.js").ApiKeys} api
   * @param {import("./client.js").Owner | null} owner null: everybody
   * @param {() => void} onChange
   */
  constructor(api, owner, onChange) {
    this.api = api;
    this.#owner = owner;
    this.#onChange = onChange;
    this.#reset();
  }

  #reset() {
    this.stop();
    this.#abort = new AbortController();
    this.#stale = true;
    /** @type {import("./client.js").ApiKey[]} */
    this.keys ??= [];
    /** @type {import("./client.js").Me | null} */
    this.me ??= null;
    this.error = null;
    this.loading = false;
    this.whole = false; // whether there are no more
  }

  /** What it is like at the moment. */
  facts() {
    const { keys, me, error, loading } = this;
    return { count: keys.length, me, error, loading, owner: this.#owner };
  }

  stop() {
    this.#abort.abort();
  }

  /** Begins anew. @param {{status?: string, user?: string, team?: string}} [query] of everybody's keys, only these */
  async load(query = this.#query) {
    if (query !== this.#query) this.keys = [];
    this.#query = query;
    this.#reset();
    const { signal } = this.#abort;
    const options = { limit: PORTION, signal };
    this.#pages = this.#owner
      ? this.api.pages({ ...this.#owner, ...options })
      : this.api.allPages({ ...query, ...options });
    await this.#during(signal, async () => {
      const asked = await Promise.allSettled([this.#introduce(signal), this.#page(signal)]);
      const failed = asked.find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
      while (this.#owner && !this.whole && this.keys.length < MOST) {
        this.#onChange();
        await this.#page(signal);
      }
    });
  }

  /** Fetches the next portion. */
  async more() {
    const { signal } = this.#abort;
    await this.#during(signal, () => this.#page(signal));
  }

  /** A key that has just been made. @param {import("./client.js").ApiKey} key */
  add(key) {
    this.keys = [key, ...this.keys];
    this.#onChange();
  }

  async #introduce(signal) {
    const me = await this.api.me({ signal });
    if (!signal.aborted) this.me = me;
  }

  async #page(signal) {
    const { value = [], done } = await this.#pages.next();
    if (signal.aborted) return;
    this.keys = this.#stale ? value : [...this.keys, ...value];
    this.#stale = false;
    this.whole = done || value.length < PORTION;
  }

  /** Work that shows as loading and whose failure is kept, unless something else has begun since. */
  async #during(signal, work) {
    this.loading = true;
    this.#onChange();
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) this.error = error;
      if (!signal.aborted && !(error instanceof ApiKeyError)) reportError(error); // a fault of ours
    }
    if (signal.aborted) return;
    this.loading = false;
    this.#onChange();
  }
}
