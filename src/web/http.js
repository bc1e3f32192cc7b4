// SPDX-License-Identifier: Apache-2.0
import { AuthenticationRequiredError, UnavailableError, errorOf } from "./errors.js";

/** Longer than the server itself ever waits. */
const PATIENCE_MS = 30_000;

/**
 * @typedef {{method?: string, body?: object, headers?: Record<string, string>, signal?: AbortSignal}} Request
 *
 * @param {URL} url
 * @param {Request} request
 * @returns {Promise<any>} the JSON of a successful answer
 */
export async function ask(url, { method = "GET", body, headers = {}, signal } = {}) {
  const response = await send(url, {
    method,
    headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "manual", // logins redirect to their form, often on another host: that is not an answer
    signal: inTime(signal),
  });
  const said = await read(response);
  if (response.type === "opaqueredirect" || (response.ok && said === null)) {
    throw new AuthenticationRequiredError("Not signed in.", {
      code: "USER_AUTHENTICATION_REQUIRED",
      status: response.status || 401,
    });
  }
  if (!response.ok) throw errorOf(response.status, said);
  return said;
}

/** What ends a request: whoever asked, or patience. @param {AbortSignal} [signal] @returns {AbortSignal} */
function inTime(signal) {
  // @ts-ignore: newer than what checks the types
  return AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])]);
}

/** @param {URL} url @param {RequestInit} request */
async function send(url, request) {
  try {
    return await fetch(url, request);
  } catch (cause) {
    throw unanswered(cause);
  }
}

/** The JSON of an answer, or null where it is something else. @param {Response} response */
async function read(response) {
  try {
    if (!(response.headers.get("Content-Type") ?? "").includes("json")) return null;
    return await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) return null;
    throw unanswered(cause);
  }
}

/** @param {any} cause */
function unanswered(cause) {
  if (cause?.name === "AbortError") return cause;
  return Object.assign(new UnavailableError("The server cannot be reached.", { code: "NETWORK_ERROR" }), { cause });
}
