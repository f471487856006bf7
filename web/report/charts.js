"use strict";
/* The kinds of plot that compare policies: lines over load, points with their
   intervals, and distributions. A series is {i, name, points}. */

const LABEL_ROOM = 15; /* characters of a name beside a line */

function describe(all, name) {
  return all.map((s) => `${s.name}: ` + s.points.map((p) =>
    `${name(p.x)} ${percent(p.y)} %` + (p.half > 0 ? ` ± ${(100 * p.half).toFixed(2)}` : "")).join(", ")).join("; ");
}

function whisker(x, low, high) {
  return svg("path", { class: "whisker", d: `M${x - 3} ${low}H${x + 3}M${x} ${low}V${high}M${x - 3} ${high}H${x + 3}` });
}

/* Marks stand beside each other where they would cover one another. */
function linesOverLoad(width, options) {
  const { all, bound, title, labelled } = options;
  const longest = Math.max(5, ...all.map((s) => short(s.name, LABEL_ROOM).length));
  const room = labelled ? 18 + 7.2 * longest : 12;
  const height = labelled ? Math.max(340, 96 + 15 * (all.length + 1)) : 190;
  const box = { left: 46, right: width - room, top: labelled ? 30 : 8, bottom: height - (labelled ? 46 : 30) };
  const values = all.flatMap((s) => s.points.map((p) => p.y - (p.half || 0)));
  const [from, to] = shareDomain(values.concat(bound.map((p) => p.y)));
  const loads = [...new Set(all.flatMap((s) => s.points.map((p) => p.x)))].sort((a, b) => a - b);
  const pad = (loads[loads.length - 1] - loads[0]) * 0.03;
  const x = linear(loads[0] - pad, loads[loads.length - 1] + pad, box.left, box.right);
  const y = linear(from, to, box.bottom, box.top);
  const clamp = (v) => y(Math.min(to, Math.max(from, v)));
  const wide = (box.right - box.left) / 44;
  const at = loads.length <= wide ? loads : ticks(loads[0], loads[loads.length - 1], wide);
  /* Side by side, so that the whiskers of one load can be told apart. */
  const aside = (k) => (k - (all.length - 1) / 2) * Math.min(3, 20 / all.length);
  const px = (p, k) => x(p.x) + aside(k);
  const labels = all.map((s, k) => {
    const last = s.points[s.points.length - 1];
    return { i: s.i, name: short(s.name, LABEL_ROOM), x: px(last, k), y: y(last.y), cls: `series label ${style(s.i).colour}` };
  });
  if (bound.length > 0) {
    const last = bound[bound.length - 1];
    labels.push({ i: -1, name: "bound", x: x(last.x), y: y(last.y), cls: "" });
  }
  return plot(width, height, title, describe(all, (l) => `load ${plain(l)}`),
    axisY(box, y, ticks(from, to, labelled ? 6 : 4), (v) => `${plain(100 * v)} %`, options.axis),
    axisX(box, x, at, plain, labelled && "load (factor on every rate)"),
    bound.length > 1 && svg("path", { class: "bound", d: path(bound.map((p) => [x(p.x), y(p.y)])) }),
    bound.length === 1 && svg("path", { class: "bound", d: `M${x(bound[0].x) - 12} ${y(bound[0].y)}h24` }),
    all.map((s, k) => series(s.i,
      svg("path", { class: "line", d: path(s.points.map((p) => [px(p, k), y(p.y)])), "stroke-dasharray": style(s.i).dash }),
      s.points.map((p) => p.half > 0 && whisker(px(p, k), clamp(p.y - p.half), clamp(p.y + p.half))),
      s.points.map((p) => mark(s.i, px(p, k), y(p.y), labelled ? 4 : 3.2)))),
    labelled && spread(labels, 15, box.top, box.bottom).map((l) => svg("g", { class: l.cls, "data-series": l.i },
      Math.abs(l.at - l.y) > 3 && svg("path", { class: "leader", d: `M${l.x + 6} ${l.y}L${box.right + 6} ${l.at}` }),
      text(box.right + 10, l.at + 4, l.name, { class: l.i < 0 ? "strong" : "name" }))));
}

/* One point a policy: a row each. `domain` leaves it to the values. */
function dots(width, options) {
  const { all, bound, title, scale } = options;
  const longest = Math.max(...all.map((s) => short(s.name, 26).length));
  const left = Math.min(width * 0.42, 18 + 7.2 * longest);
  const letters = Math.floor((left - 14) / 7);
  const height = 34 + 24 * all.length + 26;
  const box = { left, right: width - 62, top: 12, bottom: height - 44 };
  const [from, to] = scale ? scale : shareDomain(all.map((s) => s.points[0].y - (s.points[0].half || 0)).concat(isNumber(bound) ? [bound] : []));
  const x = linear(from, to, box.left, box.right);
  const clamp = (v) => x(Math.min(to, Math.max(from, v)));
  const label = options.label || ((v) => `${percent(v)} %`);
  const tick = options.tick || ((v) => `${plain(100 * v)} %`);
  const row = (i) => box.top + 12 + 24 * i;
  return plot(width, height, title, all.map((s) => `${s.name}: ${isNumber(s.points[0].y) ? label(s.points[0].y) : "none"}`).join("; "),
    ticks(from, to, (box.right - box.left) / 70).map((v) => svg("line", { class: "rule", x1: x(v), x2: x(v), y1: box.top, y2: box.bottom })),
    axisX(box, x, ticks(from, to, (box.right - box.left) / 70), tick, options.axis),
    isNumber(bound) && [
      svg("line", { class: "bound", x1: x(bound), x2: x(bound), y1: box.top - 2, y2: box.bottom }),
      text(x(bound), box.top - 5, "bound", { class: "strong", "text-anchor": "middle" })],
    all.map((s, k) => {
      const p = s.points[0];
      return svg("g", { class: style(s.i).colour },
        text(box.left - 12, row(k) + 4, short(s.name, letters), { class: "name", "text-anchor": "end" }),
        svg("line", { class: "rule", x1: box.left, x2: box.right, y1: row(k), y2: row(k) }),
        isNumber(p.y) && [
          p.half > 0 && svg("path", { class: "whisker", d: `M${clamp(p.y - p.half)} ${row(k)}H${clamp(p.y + p.half)}M${clamp(p.y - p.half)} ${row(k) - 4}v8M${clamp(p.y + p.half)} ${row(k) - 4}v8` }),
          mark(s.i, x(p.y), row(k), 5)],
        text(box.right + 8, row(k) + 4, isNumber(p.y) ? label(p.y) : "none", {}));
    }));
}

/* Share of what was offered that had been answered by then; what was dropped
   never is, so a line need not reach the top. Points are [ms, share]. */
function distributions(width, options) {
  const { all, deadline, title } = options;
  const height = 250;
  const box = { left: 46, right: width - 14, top: 30, bottom: height - 46 };
  const seen = all.flatMap((s) => s.points.filter((p) => p[1] > 0.002));
  const from = Math.min(...seen.map((p) => p[0]), deadline || Infinity) * 0.9;
  const to = Math.max(...seen.map((p) => p[0]), (deadline || 0) * 1.1) * 1.05;
  const x = logarithmic(from, to, box.left, box.right);
  const y = linear(0, 1, box.bottom, box.top);
  return plot(width, height, title,
    all.map((s) => `${s.name}: ` + (s.points.length === 0 ? "nothing answered" : `in the end ${percent(s.points[s.points.length - 1][1])} % answered`)).join("; "),
    axisY(box, y, [0, 0.25, 0.5, 0.75, 1], (v) => `${100 * v} %`, null),
    axisX(box, x, logTicks(x, 52), milliseconds, "latency"),
    all.map((s) => series(s.i, s.points.length > 0 && [
      svg("path", { class: "line", "stroke-dasharray": style(s.i).dash,
        d: path([[x(Math.max(from, s.points[0][0] * 0.96)), y(0)], ...s.points.filter((p) => p[0] >= from).map((p) => [x(p[0]), y(p[1])]), [box.right, y(s.points[s.points.length - 1][1])]]) }),
      quarter(s.points).map((p) => mark(s.i, x(p[0]), y(p[1]), 3.2))])),
    deadline && [
      svg("line", { class: "limit", x1: x(deadline), x2: x(deadline), y1: box.top - 4, y2: box.bottom }),
      text(Math.min(x(deadline), box.right - 56), box.top - 9, `deadline ${milliseconds(deadline)}`, { class: "strong", "text-anchor": "middle" })]);
}

/* A few points of a distribution, for marks that tell lines apart. */
function quarter(points) {
  const top = points[points.length - 1][1];
  return [0.25, 0.5, 0.75].map((q) => points.find((p) => p[1] >= q * top));
}

/* --- shares over time ----------------------------------------------------- */

/* Light to dark: the darker, the more accurate. */
function tone(rank, n) {
  const t = n < 2 ? 0.45 : rank / (n - 1);
  const mix = (a, b) => Math.round(a + (b - a) * t);
  return `rgb(${mix(196, 9)}, ${mix(229, 72)}, ${mix(224, 82)})`;
}

function sharesOverTime(width, options) {
  const { bands, bin, title, events, warmup } = options;
  const n = bands[0].counts.length;
  const height = 190;
  const box = { left: 46, right: width - 8, top: 30, bottom: height - 46 };
  const x = linear(0, n * bin, box.left, box.right);
  const y = linear(0, 1, box.bottom, box.top);
  const totals = Array.from({ length: n }, (_, k) => bands.reduce((sum, b) => sum + b.counts[k], 0));
  const below = new Array(n).fill(0);
  const drawn = bands.map((band) => {
    let d = "";
    for (let k = 0; k < n; k++) {
      if (totals[k] === 0 || band.counts[k] === 0) continue;
      const high = below[k] + band.counts[k] / totals[k];
      d += `M${x(k * bin).toFixed(1)} ${y(below[k]).toFixed(1)}V${y(high).toFixed(1)}H${x((k + 1) * bin).toFixed(1)}V${y(below[k]).toFixed(1)}Z`;
      below[k] = high;
    }
    return svg("path", { d, fill: band.paint });
  });
  return plot(width, height, title, bands.map((b) => `${b.name}: ${percent(b.share)} %`).join("; "),
    axisY(box, y, [0, 0.5, 1], (v) => `${100 * v} %`, `of requests that ended, by ${bin === 1 ? "second" : plain(bin) + " s"}`),
    drawn,
    axisX(box, x, ticks(0, n * bin, (box.right - box.left) / 60), plain, "time (s)"),
    warmup > 0 && svg("line", { class: "limit", x1: x(warmup), x2: x(warmup), y1: box.top - 6, y2: box.bottom }),
    events.map((e) => svg("path", { class: "axis", d: `M${x(e.at_s)} ${box.bottom}v-${box.bottom - box.top + 5}`, "stroke-dasharray": "2 3" })));
}
