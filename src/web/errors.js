// SPDX-License-Identifier: Apache-2.0

/** An answer that says no. `code` is the API's word for it, `status` that of HTTP (0: no answer came). */
export class ApiKeyError extends Error {
  /**
   * @param {string} message
   * @param {{code: string, status?: number, details?: object}} facts
   */
  constructor(message, { code, status = 0, details }) {
    super(message);
    this.name = new.target.name;
    /** @type {string} */
    this.code = code;
    /** @type {number} */
    this.status = status;
    /** @type {object | undefined} */
    this.details = details;
  }
}

/** 401 or a login page: whoever asks is not signed in, or not any more. */
export class AuthenticationRequiredError extends ApiKeyError {}
/** 403: signed in, but not allowed to do this. */
export class ForbiddenError extends ApiKeyError {}
/** 404: there is no such key, or no such team for whoever asks. */
export class NotFoundError extends ApiKeyError {}
/** 400: the request is not as it should be; the message says what. */
export class SchemaError extends ApiKeyError {}
/** A team's key where a user's was meant, or the reverse; see `details`. */
export class WrongApiKeyTypeError extends ApiKeyError {}
/** The key has been revoked. */
export class ApiKeyRevokedError extends ApiKeyError {}
/** The key has expired. */
export class ApiKeyExpiredError extends ApiKeyError {}
/** No answer, or one that has nothing to do with the question: worth another try later. */
export class UnavailableError extends ApiKeyError {}

const byCode = {
  USER_AUTHENTICATION_REQUIRED: AuthenticationRequiredError,
  API_KEY_NOT_FOUND: NotFoundError,
  WRONG_API_KEY_TYPE: WrongApiKeyTypeError,
  API_KEY_REVOKED: ApiKeyRevokedError,
  API_KEY_EXPIRED: ApiKeyExpiredError,
  SCHEMA_ERROR: SchemaError,
};
const byStatus = { 401: AuthenticationRequiredError, 403: ForbiddenError, 404: NotFoundError };

/**
 * The exception for an answer that is not a success.
 * @param {number} status
 * @param {{code?: string, error?: string, details?: object} | null} body what the answer said, if it was JSON
 * @returns {ApiKeyError}
 */
export function errorOf(status, body) {
  const code = body?.code ?? (status === 401 ? "USER_AUTHENTICATION_REQUIRED" : `HTTP_${status}`);
  const Class = byCode[code] ?? byStatus[status] ?? (status >= 500 ? UnavailableError : ApiKeyError);
  return new Class(body?.error ?? `The server answered with status ${status}.`, {
    code,
    status,
    details: body?.details,
  });
}
