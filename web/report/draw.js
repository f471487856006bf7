"use strict";
/* Elements, scales and the frame that every plot has. All text goes in as text:
   names from files are never read as HTML. */

const SVG_SPACE = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  for (const child of children.flat(3)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

function html(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG_SPACE, tag), attributes, children);
}

/* --- scales --------------------------------------------------------------- */

function linear(from, to, low, high) {
  const scale = (x) => low + (x - from) / (to - from) * (high - low);
  return Object.assign(scale, { from, to });
}

function logarithmic(from, to, low, high) {
  const inner = linear(Math.log(from), Math.log(to), low, high);
  return Object.assign((x) => inner(Math.log(x)), { from, to });
}

/* Round numbers, about `n` of them, from `from` to `to`. */
function ticks(from, to, n) {
  const rough = (to - from) / Math.max(n, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const first = Math.ceil(from / step - 1e-9), last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/* 1, 2, 5, 10, ...; powers of ten alone, or every second, third one of them,
   where labels would come closer than `gap` px. */
function logTicks(scale, gap) {
  const first = Math.floor(Math.log10(scale.from)), last = Math.ceil(Math.log10(scale.to));
  for (const [step, within] of [[1, [1, 2, 5]], [1, [1]], [2, [1]], [3, [1]], [4, [1]]]) {
    const all = [];
    for (let p = first; p <= last; p++) {
      if (p % step === 0) all.push(...within.map((m) => Number((m * 10 ** p).toPrecision(6))));
    }
    const inside = all.filter((x) => x >= scale.from && x <= scale.to);
    if (inside.every((x, i) => i === 0 || scale(x) - scale(inside[i - 1]) >= gap)) return inside;
  }
  return [];
}

/* From below the least of them up to the whole, so that differences show; the
   axis says where it begins. */
function shareDomain(values) {
  const least = Math.min(1, ...values.filter(isNumber));
  for (const from of [0.99, 0.98, 0.95, 0.9]) {
    if (least >= from + (1 - from) * 0.1) return [from, 1];
  }
  return [Math.max(0, Math.floor(least * 10 - 0.2) / 10), 1];
}

/* --- a plot --------------------------------------------------------------- */

let titles = 0;

/* An SVG with a title and a description for those who do not see it. */
function plot(width, height, title, description, ...children) {
  const id = `t${++titles}`;
  return svg("svg", {
    viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-labelledby": `${id} ${id}d`,
  }, svg("title", { id }, title), svg("desc", { id: `${id}d` }, description), ...children);
}

function text(x, y, words, attributes) {
  return svg("text", { x, y, ...attributes }, words);
}

/* Text is about this wide at 12 px: enough to keep labels apart. */
function textWidth(words) {
  return 6.7 * words.length;
}

/* Lines across at the y ticks; labels; `name` above, where it needs no turning
   of the head. */
function axisY(box, scale, values, label, name) {
  return svg("g", {},
    values.map((v) => [
      svg("line", { class: "rule", x1: box.left, x2: box.right, y1: scale(v), y2: scale(v) }),
      text(box.left - 8, scale(v) + 4, label(v), { "text-anchor": "end" })]),
    name && text(0, box.top - 12, name, {}));
}

function axisX(box, scale, values, label, name) {
  return svg("g", {},
    svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    values.map((v) => [
      svg("line", { class: "axis", x1: scale(v), x2: scale(v), y1: box.bottom, y2: box.bottom + 4 }),
      text(scale(v), box.bottom + 18, label(v), { "text-anchor": "middle" })]),
    name && text((box.left + box.right) / 2, box.bottom + 36, name, { "text-anchor": "middle" }));
}

function path(points) {
  return points.map((p, i) => `${i ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join("");
}

/* --- series: a colour, a mark and a dash each ----------------------------- */

const DASHES = [null, "7 4", "2 4", "9 3 2 3", "12 4"];
const MARKS = [
  (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  (r) => `M0 ${-1.3 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  (r) => `M0 ${-1.4 * r}L${1.4 * r} 0L0 ${1.4 * r}L${-1.4 * r} 0Z`,
  (r) => `M0 ${1.3 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
  (r) => `M${-r / 2.5} ${-1.2 * r}H${r / 2.5}V${-r / 2.5}H${1.2 * r}V${r / 2.5}H${r / 2.5}V${1.2 * r}H${-r / 2.5}V${r / 2.5}H${-1.2 * r}V${-r / 2.5}H${-r / 2.5}Z`,
  (r) => `M0 ${-r / 2}L${r / 2} ${-r}L${r} ${-r / 2}L${r / 2} 0L${r} ${r / 2}L${r / 2} ${r}L0 ${r / 2}L${-r / 2} ${r}L${-r} ${r / 2}L${-r / 2} 0L${-r} ${-r / 2}L${-r / 2} ${-r}Z`,
];

/* Number 7 has the colour of number 0, but another mark and another dash. */
function style(i) {
  return { colour: `s${i % 7}`, mark: MARKS[(i + Math.floor(i / 7)) % MARKS.length], dash: DASHES[i % DASHES.length] };
}

function mark(i, x, y, r) {
  return svg("path", { class: "mark", d: style(i).mark(r || 4), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
}

function series(i, ...children) {
  return svg("g", { class: `series ${style(i).colour}`, "data-series": i }, children);
}

/* --- legends -------------------------------------------------------------- */

function swatch(...children) {
  return svg("svg", { viewBox: "0 0 30 14", "aria-hidden": "true" }, children);
}

function lineSwatch(i) {
  return swatch(svg("g", { class: style(i).colour },
    svg("path", { class: "line", d: "M1 7H29", "stroke-dasharray": style(i).dash }), mark(i, 15, 7)));
}

/* Labels at `y`, moved apart so that `gap` is between any two. */
function spread(labels, gap, top, bottom) {
  const all = labels.slice().sort((a, b) => a.y - b.y);
  all.forEach((label, i) => {
    label.at = Math.max(label.y, i ? all[i - 1].at + gap : top);
  });
  for (let i = all.length - 1; i >= 0; i--) {
    all[i].at = Math.min(all[i].at, i === all.length - 1 ? bottom : all[i + 1].at - gap);
  }
  return all;
}

/* --- hatching, for fills that are told apart without colour --------------- */

const HATCHES = [
  [],
  [svg("path", { class: "hatch", d: "M-2 2L2 -2M0 8L8 0M6 10L10 6" })],
  [svg("circle", { class: "hatch-dot", cx: 4, cy: 4, r: 1.4 })],
  [svg("path", { class: "hatch", d: "M4 0V8" })],
  [svg("path", { class: "hatch", d: "M-2 6L2 10M0 0L8 8M6 -2L10 2" })],
  [svg("path", { class: "hatch", d: "M0 4H8" })],
  [svg("path", { class: "hatch", d: "M0 4H8M4 0V8" })],
  [svg("path", { class: "hatch", d: "M0 0L8 8M0 8L8 0" })],
];

/* Patterns that all plots of the page refer to: f0, f1, ... and unserved. */
function hatchings() {
  const box = { width: 8, height: 8, patternUnits: "userSpaceOnUse" };
  return svg("svg", { width: 0, height: 0, "aria-hidden": "true", style: "position:absolute" },
    svg("defs", {},
      HATCHES.map((lines, i) => svg("pattern", { id: `f${i}`, class: `f${i}`, ...box },
        svg("rect", { class: "fill", width: 8, height: 8 }), lines)),
      svg("pattern", { id: "unserved", width: 6, height: 6, patternUnits: "userSpaceOnUse" },
        svg("rect", { class: "unserved", width: 6, height: 6 }),
        svg("path", { class: "unserved-hatch", d: "M-1 1L1 -1M0 6L6 0M5 7L7 5" })),
      svg("pattern", { id: "outage", width: 7, height: 7, patternUnits: "userSpaceOnUse" },
        svg("rect", { class: "outage", width: 7, height: 7 }),
        svg("path", { class: "unserved-hatch", d: "M0 0L7 7" }))));
}

function fillOf(i) {
  return `url(#f${i % HATCHES.length})`;
}

function fillSwatch(paint) {
  return swatch(svg("rect", { x: 4, y: 0.5, width: 22, height: 13, fill: paint, stroke: "var(--axis)" }));
}
