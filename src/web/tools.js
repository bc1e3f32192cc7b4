// SPDX-License-Identifier: Apache-2.0
import { h, newId, select, setText } from "./dom.js";
import { icon } from "./icons.js";
import { strings } from "./strings.js";

/** Search and filters above the table. Of everybody's keys, status and owner are asked for; else filtering is here. */
export class Tools {
  #search = h("input", {
    type: "search", placeholder: strings.search, "aria-label": strings.search, autocomplete: "off",
  });
  #status = select([["", strings.statusAny], ...Object.entries(strings.statusName)], { "aria-label": strings.status });
  #kind = select(Object.entries(strings.ownerKinds), { "aria-label": strings.ownerKind });
  #id = h("input", { type: "text", id: newId(), autocomplete: "off", spellcheck: "false" });
  #idLabel = h("label", { for: this.#id.id });
  #onQuery;

  /** @param {{withOwner: boolean, onFilter: () => void, onQuery: (query: object) => void}} options */
  constructor({ withOwner, onFilter, onQuery }) {
    this.#onQuery = withOwner ? onQuery : null;
    this.#search.addEventListener("input", onFilter);
    this.#status.addEventListener("change", () => (withOwner ? this.#ask() : onFilter()));
    this.element = h(
      "div.tools",
      { role: "search" },
      h("span.search", {}, icon("search"), this.#search),
      this.#status,
      withOwner ? this.#ownerForm() : null,
    );
  }

  get search() {
    return this.#search.value.trim();
  }

  get status() {
    return this.#status.value;
  }

  /** Whether something may be hidden. */
  get filtering() {
    return Boolean(this.search || this.status || this.#id.value);
  }

  clear() {
    const asked = this.#onQuery && (this.status || this.#id.value);
    this.#search.value = this.#status.value = this.#id.value = "";
    this.#kind.value = "any";
    this.#showId();
    if (asked) this.#ask();
  }

  focus() {
    this.#search.focus();
  }

  #ownerForm() {
    const show = h("button", { type: "submit" }, strings.show);
    const whose = h("span.whose", { hidden: true }, this.#idLabel, this.#id, show);
    const form = h("form.owners", {}, this.#kind, whose);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    this.#kind.addEventListener("change", () => {
      this.#id.value = "";
      this.#showId();
      if (this.#kind.value === "any") this.#ask();
      else this.#id.focus();
    });
    this.whose = whose;
    return form;
  }

  #showId() {
    if (this.whose) this.whose.hidden = this.#kind.value === "any";
    setText(this.#idLabel, strings.ownerId[this.#kind.value] ?? "");
  }

  #ask() {
    const owner = this.#id.value ? { [this.#kind.value]: this.#id.value } : {};
    this.#onQuery({ ...(this.status && { status: this.status }), ...owner });
  }
}
