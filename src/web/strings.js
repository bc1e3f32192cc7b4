// SPDX-License-Identifier: Apache-2.0
/**
 * Every text that is shown. A translation replaces what it likes before the element is in the page:
 *
 *     import { setStrings } from "/keys/apikeys.js";
 *     setStrings({ language: "de", newKey: "Neuer Schlüssel" });
 */

/** @param {number} n @param {string} one @param {string} many */
const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

const english = {
  language: "en",

  // Head
  yourKeys: "Your API keys",
  keysOfTeam: (team) => `API keys of team ${team}`,
  keysOfUser: (user) => `API keys of ${user}`,
  keysOfAll: "All API keys",
  intro: "A key lets a program act for you. Treat it like a password.",
  introTeam: "A key lets a program act for the team. Treat it like a password.",
  introAll: "Keys of every user and team on this server.",
  newKey: "New key",

  // Tools above the table
  search: "Search keys",
  status: "Status",
  statusAny: "All statuses",
  statusName: { valid: "Active", expired: "Expired", revoked: "Revoked" },
  ownerKind: "Owner",
  ownerKinds: { any: "Everyone", user: "User", team: "Team" },
  ownerId: { user: "User id", team: "Team id" },
  show: "Show",

  // Table
  columns: {
    description: "Description",
    owner: "Owner",
    status: "Status",
    key: "Key",
    expires: "Expires",
    created: "Created",
    used: "Last used",
    actions: "Actions",
  },
  endsIn: "ends in",
  never: "Never",
  neverUsed: "Never",
  revokedOn: (when) => `Revoked on ${when}`,
  noDescription: "No description",
  publicKey: "Public",
  scopes: "Scopes",
  userOwner: (id) => id,
  teamOwner: (id) => `Team ${id}`,
  edit: "Edit",
  rotate: "Rotate",
  revoke: "Revoke",
  actionOn: (action, name) => `${action} ${name}`,
  shown: (n, total) => (n === total ? count(n, "key", "keys") : `${n} of ${count(total, "key", "keys")}`),
  shownSoFar: (n, total) => `${n} of the newest ${count(total, "key", "keys")}`,
  showMore: "Show more",
  loadMore: "Load older keys",

  // States
  loading: "Loading keys…",
  emptyTitle: "No keys yet",
  emptyText: "Create a key to call our API from a script, a server or a tool.",
  emptyAll: "No key matches.",
  noMatchTitle: "Nothing found",
  noMatchText: "No key matches your search and filter.",
  clearFilters: "Clear search and filter",
  signedOutTitle: "You are signed out",
  signedOutText: "Sign in to see and manage keys.",
  signIn: "Sign in",
  unavailableTitle: "Keys cannot be shown right now",
  unavailableText: "The server did not answer as it should. Your keys keep working as before.",
  forbiddenTitle: "You may not manage keys here",
  noTeamTitle: "No such team",
  noTeamText: "Either it does not exist, or you may not manage its keys.",
  offTitle: "Keys of this kind are switched off",
  offText: "Whoever runs this site has switched them off. Existing keys are not accepted either.",
  tryAgain: "Try again",

  // Dialogs
  cancel: "Cancel",
  done: "Done",
  create: "Create key",
  createTitle: "New API key",
  description: "Description",
  descriptionHint: "What uses it, and where: “Backup on db1”.",
  descriptionMissing: "Say what the key is for.",
  descriptionLong: (n) => `At most ${n} characters.`,
  expires: "Expires",
  lifetimes: { 1: "In 1 day", 7: "In 7 days", 30: "In 30 days", 90: "In 90 days", 365: "In 1 year" },
  lifetimeDate: "On a date…",
  lifetimeNever: "Never",
  lastDay: "Last day",
  lastDayMissing: "Choose the last day the key works.",
  expiresOn: (when) => `Works until ${when}.`,
  expiresNever: "Works until somebody revokes it. Prefer a date where you can.",
  scopesHint: "What the key may do. Give it no more than it needs.",
  otherScopes: "Scopes, with spaces between",
  ownerMissing: "Say whose key it is.",

  secretTitle: "Save your new key",
  secretText: "This is the only time it is shown. Keep it where you keep passwords.",
  secretLabel: "API key",
  secretUse: "Programs send it like this:",
  copy: "Copy",
  copied: "Copied to the clipboard.",
  copyFailed: "Copying did not work. The key is selected: press Ctrl+C or ⌘C.",
  saved: "I have saved this key",

  revokeTitle: "Revoke this key?",
  revokeText: (name) => `Programs that use ${name} are refused from now on. This cannot be undone.`,
  revokeTick: "Nothing I need still uses this key",
  revokeNow: "Revoke key",

  rotateTitle: "Rotate this key?",
  rotateText: (name) => `You get a new secret for ${name}. Description, scopes and expiry stay as they are.`,
  grace: "The old secret keeps working for",
  graceNames: { 0: "No time: it stops now", 3600: "1 hour", 86400: "24 hours", 604800: "7 days", 2592000: "30 days" },
  rotateNow: "Rotate key",

  editTitle: "Edit description",
  save: "Save",

  // What is announced when it has happened
  created: (name) => `Created ${name}.`,
  revoked: (name) => `Revoked ${name}.`,
  rotated: (name) => `Rotated ${name}.`,
  updated: "Description saved.",

  // What goes wrong
  failed: {
    API_KEY_NOT_FOUND: "This key no longer exists.",
    NETWORK_ERROR: "The server did not answer. Close this and see whether it happened before you try again.",
    OUTCOME_UNKNOWN: "The server cannot tell whether this was done. Close this and see before you try again.",
  },
  failedUnavailable: "The server cannot do this right now. Try again in a moment.",
  failedSignedOut: "You are signed out. Sign in in another tab, then try again.",

  // The page around the element
  pageTitle: "API keys",
  signedInAs: (user) => `Signed in as ${user}`,
  keysOf: "Keys of",
  ownerYou: (user) => `${user} (you)`,
  ownerTeam: (team) => `Team ${team}`,
  ownerAll: "Everyone",
};

/** @type {typeof english} */
export const strings = { ...english };

/**
 * Replaces texts, those of a group (`columns`, say) one by one.
 * @param {{[name in keyof typeof english]?: Partial<typeof english[name]>}} texts
 */
export function setStrings(texts) {
  for (const [name, text] of Object.entries(texts)) {
    strings[name] = typeof text === "object" ? { ...strings[name], ...text } : text;
  }
}
