// SPDX-License-Identifier: Apache-2.0
import { ApiKeyError, ApiKeys } from "./apikeys.js";
import { h, newId, select } from "./dom.js";
import { strings } from "./strings.js";

const api = new ApiKeys();
const list = h("api-keys");
const who = h("p.who");
const choice = h("div.choice");
const title = h("h1", {}, h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }), strings.pageTitle);

/** Whose keys the address names, as it is written after `#`: `team=blue`, `all=`, or nothing. */
function chosen() {
  const named = new URLSearchParams(location.hash.slice(1));
  if (named.has("all")) return "all=";
  return named.has("team") ? teamValue(named.get("team")) : "";
}

const teamValue = (team) => new URLSearchParams({ team }).toString();

/** Shows the keys the address names. */
function follow() {
  const named = new URLSearchParams(chosen());
  for (const attribute of ["team", "all"]) {
    if (named.has(attribute)) list.setAttribute(attribute, named.get(attribute));
    else list.removeAttribute(attribute);
  }
}

/** Offers the owners there are, unless there is only oneself. */
function offer(me, teams) {
  const named = new URLSearchParams(chosen()).get("team");
  const all = named === null || teams.includes(named) ? teams : [...teams, named];
  const options = [
    ["", strings.ownerYou(me.userId)],
    ...all.map((team) => [teamValue(team), strings.ownerTeam(team)]),
    ...(me.admin ? [["all=", strings.ownerAll]] : []),
  ];
  if (options.length < 2) return;
  const id = newId();
  const owners = select(options, { id });
  owners.value = chosen();
  owners.addEventListener("change", () => (location.hash = owners.value));
  addEventListener("hashchange", () => (owners.value = chosen()));
  choice.replaceChildren(h("label", { for: id }, strings.keysOf), owners);
}

document.title = strings.pageTitle;
document.documentElement.lang = strings.language;
addEventListener("hashchange", follow);
follow();
document.body.append(
  h("header", {}, h("div.bar", {}, title, choice, who)),
  h("main", {}, list),
);
try {
  const me = await api.me();
  who.textContent = strings.signedInAs(me.userId);
  offer(me, me.teamKeys ? await api.teams() : []);
} catch (error) {
  if (!(error instanceof ApiKeyError)) throw error; // else the element says the same, and better
}
