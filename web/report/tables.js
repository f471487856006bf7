"use strict";
/* The same numbers as words: tables. */

const KINDS = ["deadline", "accuracy", "throughput", "energy", "joint"];

function cells(tag, values) {
  return values.map((v) => html(tag, {}, v));
}

/* columns: [name, (row) => text]; the first one names the row. */
function table(name, columns, rows, cls) {
  const head = html("tr", {}, columns.map((c) => html("th", { scope: "col" }, c[0])));
  const body = rows.map((row) => html("tr", {}, columns.map((c, i) =>
    html(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {}, c[1](row)))));
  return html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
    html("table", { class: cls }, html("thead", {}, head), html("tbody", {}, body)));
}

function withInterval(of, key, scale, show) {
  const half = of.interval[key];
  return [show(of.mean[key]), isNumber(half) && isNumber(of.mean[key]) &&
    html("small", {}, ` ± ${(scale * half).toFixed(2)}`)];
}

/* How sure the mean is, is said of what is looked at first. */
function share(kind) {
  const key = `slo.${kind}`;
  return (of) => kind === "joint" ? withInterval(of, key, 100, percent) : percent(of.mean[key]);
}

const PLAIN_COLUMNS = [
  ["offered", (of) => whole(of.mean["requests.offered"])],
  ["served", (of) => whole(of.mean["requests.served"])],
  ["on time", (of) => whole(of.mean["requests.on_time"])],
];
const LATER_COLUMNS = [
  ["effective accuracy", (of) => isNumber(of.mean["accuracy.effective"]) ? of.mean["accuracy.effective"].toFixed(4) : MISSING],
  ["p50 ms", (of) => amount(of.mean["latency_ms.p50"])],
  ["p95 ms", (of) => amount(of.mean["latency_ms.p95"])],
  ["p99 ms", (of) => withInterval(of, "latency_ms.p99", 1, amount)],
  ["mJ each", (of) => amount(of.mean["energy_per_inference_mj"])],
];

/* Only the columns in which some row says something. */
function measured(rows) {
  const some = rows.some((of) => isNumber(of.mean["accuracy.measured"]));
  return some ? [["measured accuracy", (of) => isNumber(of.mean["accuracy.measured"]) ? of.mean["accuracy.measured"].toFixed(4) : MISSING]] : [];
}

function kindsIn(rows) {
  return KINDS.filter((kind) => rows.some((of) => isNumber(of.mean[`slo.${kind}`])));
}

function runsTable(groups) {
  const bounded = groups.some((g) => isNumber(g.mean["bound.joint"]));
  return table("All runs", [
    ["policy", (g) => g.policy],
    ["load", (g) => plain(g.load)],
    ["seeds", (g) => seedsText(g.seeds)],
    ...PLAIN_COLUMNS,
    ...kindsIn(groups).map((kind) => [`${kind} %`, share(kind)]),
    ...(bounded ? [["bound %", (g) => percent(g.mean["bound.joint"])]] : []),
    ...LATER_COLUMNS, ...measured(groups),
  ], groups, "numbers");
}

function appsTable(group) {
  const rows = group.apps.concat([Object.assign({}, group, { name: "all" })]);
  return table("Applications", [
    ["application", (a) => a.name], ...PLAIN_COLUMNS,
    ...kindsIn(rows).map((kind) => [`${kind} %`, share(kind)]), ...LATER_COLUMNS, ...measured(rows),
  ], rows, "numbers");
}

function devicesTable(group) {
  return table("Devices", [
    ["device", (d) => [d.name, d.emulated && [" ", html("span", { class: "tag" }, "emulated")]]],
    ["busy %", (d) => percent(d.mean.utilization)],
    ["batches", (d) => whole(d.mean.batches)],
    ["mean batch", (d) => amount(d.mean.mean_batch)],
    ["switches", (d) => whole(d.mean.switches)],
    ["loads", (d) => whole(d.mean.loads)],
    ["energy J", (d) => amount(d.mean.energy_j)],
  ], group.devices);
}

function percentilesTable(groups, app) {
  return table(`Latencies of ${app}`, [
    ["policy", (r) => r.policy],
    ...["p50", "p90", "p95", "p99", "max"].map((q) => [`${q} ms`, (r) => amount(r.app.mean[`latency_ms.${q}`])]),
    ["answered %", (r) => percent(r.app.mean["requests.served"] / r.app.mean["requests.offered"])],
  ], groups.map((g) => ({ policy: g.policy, app: g.apps.find((a) => a.name === app) })).filter((r) => r.app));
}

function spansTable(spans, data) {
  return table("Batches of the window", [
    ["begin s", (s) => (s[SPAN.begin] / 1e6).toFixed(4)],
    ["ms", (s) => amount((s[SPAN.end] - s[SPAN.begin]) / 1000)],
    ["device", (s) => data.devices[s[SPAN.device]].name],
    ["application", (s) => s[SPAN.kind] === LOAD ? "(load)" : s[SPAN.n] === 0 ? "(switch)" : data.apps[s[SPAN.app]].name],
    ["variant", (s) => data.variants[s[SPAN.variant]].name],
    ["requests", (s) => s[SPAN.kind] === LOAD ? "" : whole(s[SPAN.n])],
    ["switch ms", (s) => s[SPAN.switching] > 0 ? amount(s[SPAN.switching] / 1000) : ""],
    ["", (s) => s[SPAN.kind] === LOST ? "lost" : ""],
  ], spans);
}

/* --- the box -------------------------------------------------------------- */

function sloWords(slo) {
  const words = [];
  if (slo.deadline_ms !== undefined) words.push(`deadline ${milliseconds(slo.deadline_ms)}`);
  if (slo.accuracy !== undefined) words.push(`accuracy ≥ ${plain(slo.accuracy)}`);
  if (slo.throughput_rps !== undefined) words.push(`throughput ≥ ${plain(slo.throughput_rps)}/s`);
  if (slo.energy_mj !== undefined) words.push(`energy ≤ ${plain(slo.energy_mj)} mJ`);
  return words.length > 0 ? words.join(", ") : "no SLO";
}

function sourcesOf(device) {
  if (device.sources.length === 0) return "the profile does not say";
  if (device.sources.length === 1) return device.sources[0];
  return html("details", {}, html("summary", {}, count(device.sources.length, "source")),
    html("ul", { class: "sources" }, device.sources.map((s) => html("li", {}, s))));
}

function boxDevicesTable(devices) {
  return table("Devices of the box", [
    ["device", (d) => d.name], ["kind", (d) => d.kind + (d.units > 1 ? `, ${d.units} units` : "")],
    ["", (d) => d.emulated ? html("span", { class: "tag" }, "emulated") : d.backend],
    ["profile", (d) => d.profile],
    ["where its figures come from", sourcesOf],
  ], devices, "words");
}

function boxAppsTable(apps) {
  return table("Applications of the box", [
    ["application", (a) => a.name], ["family", (a) => a.family],
    ["asks for", (a) => sloWords(a.slo)], ["weight", (a) => plain(a.weight)],
  ], apps, "words");
}

function eventWords(e) {
  const about = e.device || e.app;
  const what = { down: "goes down", up: "is up again", slowdown: `is ${plain(e.factor)} times slower`,
    rate: `gets ${plain(e.rate_rps)}/s`, slo: `asks for ${sloWords(e.slo || {})}` }[e.kind];
  return `${seconds(e.at_s)}: ${about} ${what}` + (e.for_s !== undefined ? ` for ${seconds(e.for_s)}` : "");
}
