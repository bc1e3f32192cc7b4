// SPDX-License-Identifier: Apache-2.0
import { h, setText } from "./dom.js";
import { strings } from "./strings.js";

/** The visitor's own way of writing dates, if it is the language of the texts. */
function locale() {
  const own = (navigator.languages ?? []).find((tag) => tag.split("-")[0] === strings.language.split("-")[0]);
  return own ?? strings.language;
}

/**
 * @type {{locale?: string, moment?: Intl.DateTimeFormat, plain?: Intl.RelativeTimeFormat,
 *   now?: Intl.RelativeTimeFormat}}
 */
let made = {};

/** Formats of the present language, made once: making them takes longer than using them. */
function formats() {
  const wanted = locale();
  if (made.locale !== wanted) {
    made = {
      locale: wanted,
      moment: new Intl.DateTimeFormat(wanted, { dateStyle: "long", timeStyle: "short" }),
      plain: new Intl.RelativeTimeFormat(wanted),
      now: new Intl.RelativeTimeFormat(wanted, { numeric: "auto" }),
    };
  }
  return made;
}

/**
 * Up to how many of a unit are told in it: 90 days say more than 3 months.
 * @type {[Intl.RelativeTimeFormatUnit, number, number][]}
 */
const units = [
  ["minute", 60, 59],
  ["hour", 3600, 47],
  ["day", 86400, 99],
  ["month", 30.44 * 86400, 23],
  ["year", 365.25 * 86400, Infinity],
];

/** “3 hours ago”, “in 29 days”, “now”. @param {Date} when @param {number} now milliseconds */
export function relative(when, now) {
  const seconds = (when.getTime() - now) / 1000;
  if (Math.abs(seconds) < 45) return formats().now.format(0, "second");
  const [unit, length] = units.find(([, length, most]) => Math.round(Math.abs(seconds) / length) <= most);
  return formats().plain.format(Math.round(seconds / length), unit);
}

/** Day and time, to the minute. @param {Date} when */
export function exact(when) {
  return formats().moment.format(when);
}

/** A moment as it is shown: relative, the exact one on hover. */
export function time(when, now) {
  const element = h("time", { datetime: when.toISOString(), title: exact(when) });
  refresh(element, now);
  return element;
}

/** @param {HTMLTimeElement} element @param {number} now */
export function refresh(element, now) {
  setText(element, relative(new Date(element.dateTime), now));
}
