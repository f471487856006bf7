"use strict";
/* Numbers as people read them; the same digits as the terminal's tables. */

const MISSING = "–";

function isNumber(x) {
  return typeof x === "number" && Number.isFinite(x);
}

/* A share that is not whole is never shown as 100: one lost request in a
   million is what the reader looks for. */
function percent(share) {
  if (!isNumber(share)) return MISSING;
  const p = 100 * share;
  if (p >= 100) return "100.0";
  return Math.min(p, 99.99).toFixed(2);
}

function amount(x) {
  if (!isNumber(x)) return MISSING;
  const a = Math.abs(x);
  return x.toFixed(a < 9.995 ? 2 : a < 99.95 ? 1 : 0);
}

function whole(x) {
  return isNumber(x) ? Math.round(x).toLocaleString("en-US") : MISSING;
}

/* The shortest text that says the number: 1.2, 0.05, 40. */
function plain(x) {
  return isNumber(x) ? String(Number(x.toPrecision(6))) : MISSING;
}

function seconds(s) {
  return s >= 120 ? plain(Math.round(s / 6) / 10) + " min" : plain(s) + " s";
}

function milliseconds(ms) {
  return ms >= 1000 ? plain(ms / 1000) + " s"
    : ms >= 1 ? plain(ms) + " ms" : plain(ms * 1000) + " µs";
}

function count(n, one, many) {
  return `${whole(n)} ${n === 1 ? one : many || one + "s"}`;
}

function list(words) {
  return words.length < 2 ? words.join("")
    : words.slice(0, -1).join(", ") + " and " + words[words.length - 1];
}

/* Too long for a label: its beginning. The whole name stands in the legend. */
function short(name, length) {
  return name.length <= length ? name : name.slice(0, length - 1) + "…";
}

/* Seeds as "1–5", or "1, 4, 9". */
function seedsText(seeds) {
  const run = seeds.every((s, i) => i === 0 || s === seeds[i - 1] + 1);
  return seeds.length > 1 && run ? `${seeds[0]}–${seeds[seeds.length - 1]}` : seeds.join(", ");
}
