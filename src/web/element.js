// SPDX-License-Identifier: Apache-2.0
import { ApiKeys } from "./client.js";
import { abandonDialogs } from "./dialog.js";
import { createDialog, editDialog, nameOf, revokeDialog, rotateDialog, secretDialog } from "./dialogs.js";
import { h, newId, setText } from "./dom.js";
import { KeyStore } from "./keys.js";
import { stateOf, statePanel } from "./states.js";
import { strings } from "./strings.js";
import { KeyTable, matches, statusOf } from "./table.js";
import { Tools } from "./tools.js";

/** Rows shown at first, and more with each press of a button. */
const PORTION = 50;
const MINUTE_MS = 60_000;
const TOAST_MS = 6_000;
/** States without the button for a new key above: it is in the middle there, or would not work. */
const withoutNew = new Set(["empty", "signed-out", "no-team", "forbidden", "off"]);

/**
 * `<api-keys base="…" [team="…"]>`: the keys of the visitor, or of a team, with all that can be done to them.
 * `base` is where the handler is mounted; without it, where this module came from. For administrators, `user="…"`
 * shows somebody's keys and `all` everybody's. Colours follow the page's `color-scheme`.
 */
export class ApiKeysElement extends HTMLElement {
  static observedAttributes = ["base", "team", "user", "all"];

  #root = this.attachShadow({ mode: "open" });
  #holder = h("div", { hidden: true });
  #store;
  #shown = PORTION;
  #planned = false;
  #toastTimer;
  #clock;

  constructor() {
    super();
    // By a link, as a strict CSP wants it. Until it is there nothing shows.
    const show = () => (this.#holder.hidden = false);
    const href = new URL("./element.css", import.meta.url).href;
    this.#root.append(h("link", { rel: "stylesheet", href, onload: show, onerror: show }), this.#holder);
  }

  connectedCallback() {
    this.#clock = setInterval(() => this.#render(), MINUTE_MS);
    this.#plan();
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
    clearTimeout(this.#toastTimer);
    this.#store?.stop();
    abandonDialogs(this.#root);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#plan();
  }

  /** Asks the server again. */
  reload() {
    this.#store.load();
  }

  /** One start for several attributes that are set together. */
  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.isConnected) this.#start();
    });
  }

  #start() {
    this.#store?.stop();
    const api = new ApiKeys(this.getAttribute("base") ?? undefined);
    this.#store = new KeyStore(api, this.#owner(), () => this.#render());
    this.#build();
    this.reload();
  }

  /** Null: everybody. */
  #owner() {
    if (this.hasAttribute("all")) return null;
    if (this.hasAttribute("team")) return { team: this.getAttribute("team") };
    return this.hasAttribute("user") ? { user: this.getAttribute("user") } : {};
  }

  #build() {
    const owner = this.#owner();
    const [title, intro] = headOf(owner);
    this.heading = h("h2", { id: newId(), tabindex: "-1" }, title);
    this.create = h("button.primary.new", { type: "button", onclick: () => this.#create() }, strings.newKey);
    this.tools = new Tools({
      withOwner: !owner,
      onFilter: () => this.#filter(),
      onQuery: (query) => this.#store.load(query),
    });
    this.table = new KeyTable({
      withOwner: !owner,
      labelledby: this.heading.id,
      onAction: (action, key) => this.#act(action, key),
    });
    this.panel = h("div.panel");
    this.count = h("p.count", { role: "status" });
    this.more = h("button", { type: "button", onclick: () => this.#more() });
    this.toast = h("p.toast", { role: "status" });
    this.main = h(
      "section.keys",
      { "aria-labelledby": this.heading.id },
      h("div.head", {}, h("div", {}, this.heading, h("p.intro", {}, intro)), this.create),
      this.tools.element,
      this.table.element,
      this.panel,
      h("div.foot", {}, this.count, this.more),
      this.toast,
    );
    this.#holder.replaceChildren(this.main);
  }

  #filter() {
    this.#shown = PORTION;
    this.#render();
  }

  #render() {
    if (!this.#store) return;
    const { keys, me, loading, error, api } = this.#store;
    const found = keys.filter((key) => this.#wants(key));
    const shown = found.slice(0, this.#shown);
    const state = stateOf({ ...this.#store.facts(), found: found.length, filtered: this.tools.filtering });
    this.main.dataset.state = state;
    this.main.setAttribute("aria-busy", String(loading));
    this.create.hidden = !me || !this.#allowed() || withoutNew.has(state);
    this.tools.element.hidden = !keys.length && !this.tools.filtering && this.#owner() !== null;
    this.table.element.hidden = !shown.length || error !== null;
    this.table.show(shown, api.now());
    statePanel(this.panel, state, {
      error,
      retry: () => this.reload(),
      clear: () => this.#clear(),
      create: () => this.#create(),
    });
    this.#foot(shown.length, found.length);
  }

  #wants(key) {
    const { search, status } = this.tools;
    return (!status || statusOf(key) === status) && matches(key, search);
  }

  #foot(shown, found) {
    const { keys, whole, loading, error } = this.#store;
    const texts = whole ? strings.shown(found, keys.length) : strings.shownSoFar(found, keys.length);
    setText(this.count, error || !keys.length ? "" : texts);
    setText(this.more, shown < found ? strings.showMore : strings.loadMore);
    const active = this.#root.activeElement === this.more;
    this.more.hidden = error !== null || (loading && !active) || (shown === found && whole);
    if (active && this.more.hidden) this.heading.focus();
  }

  #more() {
    this.#shown += PORTION * 2;
    this.#render();
    if (!this.#store.whole && !this.#store.loading) this.#store.more();
  }

  #clear() {
    this.tools.clear();
    this.#filter();
    this.tools.focus();
  }

  /** Whether this kind of key is switched on. */
  #allowed() {
    const { me } = this.#store;
    const owner = this.#owner();
    return owner === null ? me.userKeys || me.teamKeys : owner.team === undefined ? me.userKeys : me.teamKeys;
  }

  async #create() {
    const store = this.#store;
    this.#say("");
    const key = await createDialog(this.#root, { api: store.api, me: store.me, owner: this.#owner() });
    if (key === null) this.reload();
    if (!key) return;
    await this.#reveal(key);
    store.add(key);
    this.create.focus();
    this.#say(strings.created(nameOf(key)));
  }

  /** Shows a new secret and forgets it. */
  async #reveal(key) {
    const secret = key.value;
    key.value = { lastFour: secret.slice(-4) };
    await secretDialog(this.#root, secret);
  }

  async #act(action, key) {
    const { limits } = this.#store.me;
    this.#say("");
    const dialogs = {
      edit: () => editDialog(this.#root, key, limits.descriptionChars),
      rotate: () => rotateDialog(this.#root, key, limits.maxGraceSeconds),
      revoke: () => revokeDialog(this.#root, key),
    };
    const done = await dialogs[action]();
    if (done && action === "rotate") await this.#reveal(done);
    this.#render();
    if (!this.table.focus(key.id, action)) this.heading.focus();
    if (done === null) this.reload();
    if (!done) return;
    const name = nameOf(key);
    this.#say({ edit: strings.updated, rotate: strings.rotated(name), revoke: strings.revoked(name) }[action]);
  }

  /** Says what has happened, to eyes for a moment. */
  #say(text) {
    clearTimeout(this.#toastTimer);
    setText(this.toast, text);
    this.#toastTimer = setTimeout(() => setText(this.toast, ""), TOAST_MS);
  }
}

function headOf(owner) {
  if (!owner) return [strings.keysOfAll, strings.introAll];
  if (owner.team !== undefined) return [strings.keysOfTeam(owner.team), strings.introTeam];
  return owner.user === undefined ? [strings.yourKeys, strings.intro] : [strings.keysOfUser(owner.user), ""];
}

if (!customElements.get("api-keys")) customElements.define("api-keys", ApiKeysElement);
