"use strict";
/* What each device did: a lane for each batch that a unit can hold. */

const LANE = 20;
const SPAN = { device: 0, unit: 1, begin: 2, end: 3, app: 4, variant: 5, n: 6, switching: 7, kind: 8 };
const LOST = 1, LOAD = 2;

/* Rows [{device, unit, lanes: [[span]]}]: spans of a unit that overlap are in
   different lanes. Loads belong to no unit: the lane below its units. */
function lanesOf(timeline, devices) {
  const rows = [];
  devices.forEach((device, d) => {
    for (let unit = 0; unit < device.units; unit++) rows.push({ d, device, unit, lanes: [[]] });
  });
  const spans = timeline.spans.slice().sort((a, b) => a[SPAN.begin] - b[SPAN.begin]);
  for (const span of spans) {
    let row = rows.find((r) => r.d === span[SPAN.device] && (span[SPAN.kind] === LOAD ? r.loads : r.unit === span[SPAN.unit]));
    if (!row) {
      const last = rows.map((r) => r.d).lastIndexOf(span[SPAN.device]);
      row = { d: span[SPAN.device], device: devices[span[SPAN.device]], loads: true, lanes: [[]] };
      rows.splice(last + 1, 0, row);
    }
    let lane = row.lanes.find((l) => l.length === 0 || l[l.length - 1][SPAN.end] <= span[SPAN.begin]);
    if (!lane) row.lanes.push(lane = []);
    lane.push(span);
  }
  return rows;
}

function spanCount(spans) {
  const loads = spans.filter((s) => s[SPAN.kind] === LOAD).length;
  return count(spans.length - loads, "batch", "batches") + (loads > 0 ? ` and ${count(loads, "load")}` : "");
}

/* What all names begin with, up to a separator: left out inside the bars. */
function commonStart(names) {
  let start = names.length > 1 ? names[0] : "";
  for (const name of names) {
    while (!name.startsWith(start)) start = start.slice(0, -1);
  }
  return start.replace(/[^-_.]*$/, "");
}

function spanWords(span, data) {
  const variant = data.variants[span[SPAN.variant]].name;
  const times = `${plain(span[SPAN.begin] / 1e6)} s, for ${milliseconds((span[SPAN.end] - span[SPAN.begin]) / 1000)}`;
  if (span[SPAN.kind] === LOAD) return `load of ${variant} at ${times}`;
  if (span[SPAN.n] === 0) return `switch to ${variant} ahead of need at ${times}`;
  return `${data.apps[span[SPAN.app]].name}: ${variant}, ${count(span[SPAN.n], "request")}, at ${times}` +
    (span[SPAN.switching] > 0 ? `, ${milliseconds(span[SPAN.switching] / 1000)} of it to switch` : "") +
    (span[SPAN.kind] === LOST ? "; lost with its device" : "");
}

function bar(span, data, x, top, start) {
  const from = Math.max(x.from, span[SPAN.begin] / 1e6), to = Math.min(x.to, span[SPAN.end] / 1e6);
  const left = x(from), width = Math.max(0.75, x(to) - left);
  const box = { x: left.toFixed(2), y: top + 1, height: LANE - 2, width: width.toFixed(2) };
  const variant = data.variants[span[SPAN.variant]].name.slice(start.length);
  const title = svg("title", {}, spanWords(span, data));
  if (span[SPAN.kind] === LOAD) {
    return svg("g", {}, svg("rect", { class: "load", ...box }), textWidth(`load ${variant}`) < width &&
      text(left + 4, top + 14, `load ${variant}`, {}), title);
  }
  const words = [`${variant} ×${span[SPAN.n]}`, `×${span[SPAN.n]}`].find((w) => 6.3 * w.length + 8 < width);
  const switched = Math.min(to, span[SPAN.begin] / 1e6 + span[SPAN.switching] / 1e6);
  if (span[SPAN.n] === 0) return svg("g", {}, svg("rect", { class: "switch", ...box }), title);
  return svg("g", { class: `f${span[SPAN.app] % HATCHES.length}` },
    svg("rect", { class: "bar", fill: fillOf(span[SPAN.app]), ...box }),
    span[SPAN.switching] > 0 && switched > from && svg("rect", { class: "switch", ...box, width: (x(switched) - left).toFixed(2) }),
    span[SPAN.kind] === LOST && svg("rect", { class: "lost", ...box }),
    words && !(span[SPAN.switching] > 0) && text(left + width / 2, top + 14, words, { class: "inside", "text-anchor": "middle" }),
    title);
}

/* Outages and slowdowns behind the rows of a device. */
function faults(row, data, x, top, height) {
  return (data.events || []).filter((e) => e.device === row.device.name && e.kind !== "up").map((e) => {
    const from = Math.max(x.from, e.at_s), to = Math.min(x.to, e.for_s === undefined ? endOfFault(e, data) : e.at_s + e.for_s);
    if (to <= from) return null;
    const words = e.kind === "down" ? "down" : `${plain(e.factor)} × slower`;
    const room = x(to) - x(from);
    return svg("g", {},
      svg("rect", { fill: e.kind === "down" ? "url(#outage)" : "var(--rule)", x: x(from), y: top, width: room, height },
        svg("title", {}, `${row.device.name} ${words} from ${plain(e.at_s)} s`)),
      e.kind === "down" && !row.loads && textWidth(words) < room && text(x(from) + room / 2, top + height / 2 + 4, words, { class: "warn", "text-anchor": "middle" }));
  });
}

function endOfFault(event, data) {
  const up = data.events.find((e) => e.device === event.device && e.kind === "up" && e.at_s > event.at_s);
  return up ? up.at_s : Infinity;
}

function timelinePlot(width, data, timeline, from, to, title) {
  const rows = lanesOf(timeline, data.devices);
  const nameOf = (r) => r.loads ? "loads" : r.device.units > 1 ? `${r.device.name} · ${r.unit}` : r.device.name;
  const left = Math.min(width * 0.3, 16 + 7 * Math.max(...rows.map((r) => nameOf(r).length)));
  const start = commonStart(data.variants.map((v) => v.name));
  const box = { left, right: width - 8, top: 8 };
  let y = box.top;
  for (const row of rows) {
    row.top = y;
    row.height = row.lanes.length * LANE;
    y += row.height + 8;
  }
  box.bottom = y;
  const x = linear(from, to, box.left, box.right);
  const shown = (span) => span[SPAN.end] / 1e6 > from && span[SPAN.begin] / 1e6 < to;
  const step = ticks(from, to, (box.right - box.left) / 80);
  return plot(width, box.bottom + 44, title,
    `${spanCount(timeline.spans.filter(shown))} from ${plain(from)} s to ${plain(to)} s; the table below names them`,
    rows.map((row) => [
      svg("rect", { class: "lane", x: box.left, y: row.top, width: box.right - box.left, height: row.height }),
      faults(row, data, x, row.top, row.height),
      text(box.left - 10, row.top + Math.min(row.height / 2, LANE) + 4, short(nameOf(row), Math.floor((left - 12) / 6.5)), { class: "strong", "text-anchor": "end" })]),
    step.map((v) => svg("line", { class: "rule", x1: x(v), x2: x(v), y1: box.top, y2: box.bottom })),
    rows.map((row) => row.lanes.map((lane, k) => lane.filter(shown).map((span) => bar(span, data, x, row.top + k * LANE, start)))),
    axisX(box, x, step, (v) => plain(v), "time since the start of the run (s)"));
}

/* The longest of these windows in which the bars can still be read. */
const WINDOWS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5];

function readableWindow(timeline, width) {
  const length = timeline.until_s - timeline.from_s;
  const units = new Map();
  for (const span of timeline.spans) {
    const unit = `${span[SPAN.device]}/${span[SPAN.unit]}`;
    units.set(unit, (units.get(unit) || 0) + 1);
  }
  const most = Math.max(1, ...units.values()) / length;
  const fits = WINDOWS.filter((w) => w * most * 16 <= width && w <= length);
  return fits.length > 0 ? fits[fits.length - 1] : Math.min(WINDOWS[0], length);
}
