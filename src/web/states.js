// SPDX-License-Identifier: Apache-2.0
import { explain } from "./dialog.js";
import { AuthenticationRequiredError, ForbiddenError, NotFoundError } from "./errors.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { strings } from "./strings.js";

/**
 * What there is to see instead of keys, or "" where there are keys.
 * @param {object} facts
 * @param {import("./client.js").Me | null} facts.me
 * @param {unknown} facts.error
 * @param {boolean} facts.loading
 * @param {import("./client.js").Owner | null} facts.owner
 * @param {number} facts.count of all keys
 * @param {number} facts.found of those that match
 * @param {boolean} facts.filtered
 */
export function stateOf({ me, error, loading, owner, count, found, filtered }) {
  if (error) return ofError(error, me, owner);
  if (loading && !count) return "loading";
  if (count && found) return "";
  if (filtered) return "no-match";
  return owner ? "empty" : "empty-all";
}

function ofError(error, me, owner) {
  if (error instanceof AuthenticationRequiredError) return "signed-out";
  if (me && owner && (owner.team === undefined ? !me.userKeys : !me.teamKeys)) return "off";
  if (error instanceof ForbiddenError) return "forbidden";
  return error instanceof NotFoundError && owner?.team !== undefined ? "no-team" : "unavailable";
}

const signIn = () => location.reload();

/** Picture, title, text, and what can be done about it. */
const looks = {
  empty: ({ create }) => ["key", strings.emptyTitle, strings.emptyText, [strings.newKey, create]],
  "empty-all": () => ["search", strings.noMatchTitle, strings.emptyAll],
  "no-match": ({ clear }) => ["search", strings.noMatchTitle, strings.noMatchText, [strings.clearFilters, clear]],
  "signed-out": () => ["lock", strings.signedOutTitle, strings.signedOutText, [strings.signIn, signIn]],
  forbidden: ({ error }) => ["lock", strings.forbiddenTitle, explain(error)],
  off: () => ["lock", strings.offTitle, strings.offText],
  "no-team": () => ["lock", strings.noTeamTitle, strings.noTeamText],
  unavailable: ({ retry }) => ["alert", strings.unavailableTitle, strings.unavailableText, [strings.tryAgain, retry]],
};

const problems = new Set(["signed-out", "forbidden", "off", "no-team", "unavailable"]);

/** Grey bars where rows will be. */
const skeleton = () => [
  h("p.sr", { role: "status" }, strings.loading),
  ...Array.from({ length: 4 }, () => h("div.bar", { "aria-hidden": "true" }, h("i"), h("i"), h("i"))),
];

/**
 * Fills the panel below the tools.
 * @param {HTMLElement} panel
 * @param {string} state
 * @param {{error: any, retry: () => void, clear: () => void, create: () => void}} means
 */
export function statePanel(panel, state, means) {
  if (panel.dataset.state === state) return;
  panel.dataset.state = state;
  panel.hidden = !state;
  if (!state) return panel.replaceChildren();
  if (state === "loading") return panel.replaceChildren(...skeleton());
  const [picture, title, text, action] = looks[state](means);
  const look = state === "empty" ? "primary" : "plain";
  panel.replaceChildren(
    h(
      "div.notice",
      { role: problems.has(state) ? "alert" : null },
      icon(picture),
      h("h3", {}, title),
      h("p", {}, text),
      action ? h(`button.${look}`, { type: "button", onclick: action[1] }, action[0]) : null,
    ),
  );
}
