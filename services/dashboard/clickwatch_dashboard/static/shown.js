// Names that came from outside, made safe to show: the rules of clickwatch_service/shown.py, which a test holds it to.

import { el } from "./page.js";

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/u;
const MARK = /[\p{Mn}\p{Me}]/u;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const MOST_MARKS = 4;
const SHORT_ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
/** A longer name is shortened in a table; its title has all of it. */
const MOST_LETTERS = 80;

function escape(char) {
  const hex = char.codePointAt(0).toString(16);
  return SHORT_ESCAPES[char] ?? (hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`);
}

/** The name in pieces that must not be cut: an escape, or a letter with its accents. */
function pieces(name) {
  const chars = [...name];
  const found = [];
  let marks = 0;
  chars.forEach((char, place) => {
    const isPadding = char === " " && (place === 0 || place === chars.length - 1 || chars[place - 1] === " " || chars[place + 1] === " ");
    if (char === "\\" || UNSEEN.test(char) || isPadding) {
      found.push(escape(char));
      marks = MOST_MARKS;
    } else if (MARK.test(char) && (marks >= MOST_MARKS || !found.length)) {
      found.push(escape(char));
    } else if (MARK.test(char)) {
      found[found.length - 1] += char;
      marks += 1;
    } else {
      found.push(char);
      marks = 0;
    }
  });
  return found;
}

/** As many of the first pieces as fit. */
function fitting(all, room) {
  const taken = [];
  let length = 0;
  for (const piece of all) {
    length += piece.length;
    if (length > room) break;
    taken.push(piece);
  }
  return taken;
}

function escaped(name, most) {
  const all = pieces(String(name));
  const text = all.join("");
  if (text.length <= most) return text;
  const end = fitting([...all].reverse(), Math.floor((most - 1) / 3)).reverse();
  return [...fitting(all, most - 1 - end.join("").length), "…", ...end].join("");
}

/** A name for a text that is no element's own: an attribute, a notification, an option. */
export function shown(name, most = Infinity) {
  const text = escaped(name, most);
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

/** A name as an element that keeps what it turns around to itself; a long one is shortened, its title has all of it. */
export function named(name, most = MOST_LETTERS) {
  const text = escaped(name, most);
  const all = escaped(name, Infinity);
  return el("bdi", { title: text === all ? null : shown(name) }, text);
}
