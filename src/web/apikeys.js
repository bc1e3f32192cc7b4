// SPDX-License-Identifier: Apache-2.0
/**
 * API keys of users and teams: functions for programs, and the element `<api-keys>` for pages.
 *
 *     import { createApiKey, listApiKeys } from "/keys/apikeys.js";
 *     const key = await createApiKey({ description: "Backup", expiresAt: new Date("2030-01-01") });
 *     console.log(key.value); // the whole key, this once
 *
 * @module apikeys
 */
export * from "./client.js";
export { setStrings } from "./strings.js";
export { ApiKeysElement } from "./element.js";
