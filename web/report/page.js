"use strict";
/* The page from its data: sections, what can be chosen, and when to draw. */

const data = JSON.parse(document.getElementById("data").textContent);
const groups = data.groups;
const devices = data.devices && data.devices.length > 0 ? data.devices : groups[0].devices;
const policies = [...new Set(groups.map((g) => g.policy))];
const loads = [...new Set(groups.map((g) => g.load))].sort((a, b) => a - b);
const overLoads = policies.some((p) => groups.filter((g) => g.policy === p).length > 1);
const searched = groups.some((g) => g.find_load);
const main = document.getElementById("page");

/* --- figures: drawn as wide as they are, again when that changes ---------- */

const PRINTED = { full: 686, half: 329 }; /* px on A4 */
/* Rows with names need more room than lines. */
const SMALL = overLoads ? { grid: "grid", size: "half" } : { grid: "grid pair", size: "full" };
const figures = [];

/* draw(width) returns the plot. */
function figure(caption, draw, size) {
  const holder = html("div", {});
  const element = html("figure", {}, caption && html("figcaption", {}, caption), holder);
  figures.push({ holder, draw, size: size || "full" });
  return element;
}

function drawAll(printed) {
  for (const f of figures) {
    const width = printed ? PRINTED[f.size] : f.holder.clientWidth;
    if (width > 0) f.holder.replaceChildren(f.draw(Math.max(width, 240)));
  }
  showChosen();
}

/* --- a policy chosen in a legend stands out in all plots ------------------ */

const MANY = 7; /* as many have a colour of their own */
const chosen = new Set(policies.length > MANY ? bestPolicies(4) : []);

/* At the highest load of each. */
function bestPolicies(n) {
  const joint = policies.map((p) => {
    const of = groups.filter((g) => g.policy === p);
    return of.reduce((a, b) => (b.load > a.load ? b : a)).mean["slo.joint"] || 0;
  });
  return policies.map((p, i) => i).sort((a, b) => joint[b] - joint[a]).slice(0, n);
}

function showChosen() {
  main.classList.toggle("choosing", chosen.size > 0);
  for (const s of main.querySelectorAll(".series")) {
    s.classList.toggle("chosen", chosen.has(Number(s.dataset.series)));
  }
  for (const b of main.querySelectorAll("button[data-policy]")) {
    b.setAttribute("aria-pressed", String(chosen.has(Number(b.dataset.policy))));
  }
}

function choose(i) {
  if (!chosen.delete(i)) chosen.add(i);
  showChosen();
}

function policyLegend(bounded) {
  if (policies.length === 1 && !bounded) return null;
  return html("ul", { class: "legend", "aria-label": "Policies; choose some to make them stand out" },
    policies.map((p, i) => html("li", {},
      html("button", { type: "button", "data-policy": i, "aria-pressed": "false", on: { click: () => choose(i) } }, lineSwatch(i), p))),
    bounded && html("li", {}, swatch(svg("path", { class: "bound", d: "M1 7H29" })), "bound: what no policy could beat"));
}

/* --- what is shown of the runs -------------------------------------------- */

function section(title, lead, ...children) {
  return html("section", {}, html("h2", {}, title), lead && html("p", { class: "soft" }, lead), children);
}

function numbersOf(of, key) {
  return { y: of.mean[key], half: of.interval[key] || 0 };
}

/* The series of all policies: of(group) has the number `key`, or is nothing. */
function seriesOf(key, of) {
  return policies.map((name, i) => ({
    i, name,
    points: groups.filter((g) => g.policy === name && of(g) && isNumber(of(g).mean[key]))
      .map((g) => ({ x: g.load, ...numbersOf(of(g), key) })).sort((a, b) => a.x - b.x),
  })).filter((s) => s.points.length > 0);
}

function boundPoints() {
  return loads.map((load) => ({ x: load, y: (groups.find((g) => g.load === load && isNumber(g.mean["bound.joint"])) || { mean: {} }).mean["bound.joint"] }))
    .filter((p) => isNumber(p.y));
}

function comparison(title, key, of, options) {
  return (width) => {
    const all = seriesOf(key, of);
    const bound = options.bound ? boundPoints() : [];
    return overLoads
      ? linesOverLoad(width, { all, bound, title, labelled: options.labelled, axis: options.axis })
      : dots(width, { all, bound: bound.length === 1 ? bound[0].y : null, title, axis: options.labelled ? options.axis : null });
  };
}

function whichSeeds() {
  const seeds = groups[0].seeds;
  return seeds.length > 1 ? `Means over seeds ${seedsText(seeds)}; whiskers are the 95 % interval of the mean.` : "One seed, so no intervals.";
}

function jointSection() {
  const any = groups.some((g) => isNumber(g.mean["slo.joint"]));
  if (!any) return section("SLOs met", "No application of this box asks for anything.");
  const bounded = boundPoints().length > 0;
  return section("All SLOs met, together",
    ["The share of offered requests for which everything held that their application asks for. ", whichSeeds()],
    policyLegend(bounded),
    policies.length > MANY && html("p", { class: "note" }, "The best four stand out in plots with lines; choose others by their names."),
    figure(null, comparison("Joint satisfaction of each policy", "slo.joint", (g) => g,
      { bound: true, labelled: true, axis: "requests with all SLOs met" })));
}

/* Of a run that is alone: its kinds and its applications, a row each. */
function singleSection() {
  const g = groups[0];
  const rows = (all) => all.filter((r) => isNumber(r.of.mean[r.key]))
    .map((r) => ({ i: 0, name: r.name, points: [{ x: g.load, ...numbersOf(r.of, r.key) }] }));
  const kinds = rows(["joint", "deadline", "accuracy", "throughput", "energy"].map((kind) =>
    ({ name: kind === "joint" ? "all together" : kind, of: g, key: `slo.${kind}` })));
  const apps = rows(g.apps.map((a) => ({ name: a.name, of: a, key: "slo.joint" })));
  if (kinds.length === 0) return section("SLOs met", "No application of this box asks for anything.");
  const bound = g.mean["bound.joint"];
  return section("SLOs met", ["The share of offered requests. ", whichSeeds()],
    html("div", { class: "grid pair" },
      html("div", {}, html("h3", {}, "Each kind, of the requests whose application asks for it"),
        figure(null, (width) => dots(width, { all: kinds, bound, title: `SLOs met by ${g.policy}` }))),
      apps.length > 1 && html("div", {}, html("h3", {}, "Each application, all its SLOs together"),
        figure(null, (width) => dots(width, { all: apps, title: "Joint satisfaction of each application" })))));
}

function foundSection() {
  if (!searched) return null;
  const asked = groups.find((g) => g.find_load).find_load.joint;
  const all = policies.map((name, i) => {
    const found = groups.find((g) => g.policy === name).find_load;
    return { i, name, points: [{ x: 0, y: found && found.load }] };
  });
  const most = Math.max(...all.map((s) => s.points[0].y || 0));
  return section("How much load",
    `The highest load at which the mean share of requests with all SLOs met is at least ${plain(asked)}. All that follows was run at the load found for each policy.`,
    figure(null, (width) => dots(width, { all, title: "Highest load of each policy", scale: [0, most * 1.05 || 1],
      label: (v) => plain(Number(v.toPrecision(4))), tick: plain, axis: "load (factor on every rate)" })));
}

function kindsSection() {
  const kinds = kindsIn(groups).filter((k) => k !== "joint");
  if (kinds.length < 2) return null;
  return section("Each kind of SLO", "Met, of the requests whose application asks for it. Axes differ.",
    html("div", { class: SMALL.grid }, kinds.map((kind) =>
      html("div", {}, html("h3", {}, kind), figure(null,
        comparison(`SLO ${kind} of each policy`, `slo.${kind}`, (g) => g, {}), SMALL.size)))));
}

function appNames() {
  return groups[0].apps.map((a) => a.name);
}

function appOf(group, name) {
  return group.apps.find((a) => a.name === name);
}

function appsSection() {
  const names = appNames().filter((n) => groups.some((g) => appOf(g, n) && isNumber(appOf(g, n).mean["slo.joint"])));
  if (names.length < 2) return null;
  return section("Each application", "Who gives way when not all can be met: its requests with all SLOs met. Axes differ.",
    html("div", { class: SMALL.grid }, names.map((name) => {
      const known = (data.apps || []).find((a) => a.name === name);
      return html("div", {}, html("h3", {}, name),
        figure(known && sloWords(known.slo), comparison(`Joint satisfaction of ${name}`, "slo.joint", (g) => appOf(g, name), {}), SMALL.size));
    })));
}

/* --- what can be chosen --------------------------------------------------- */

/* A choice among `values`; with only one there is nothing to choose. */
function choice(name, values, label, value, change) {
  if (values.length < 2) return html("span", { class: "soft" }, `${name} ${label(values[0])}`);
  const select = html("select", { on: { change: () => change(values[select.selectedIndex]) } },
    values.map((v) => html("option", { selected: v === value }, label(v))));
  return html("label", {}, name, select);
}

/* A part of the page that is made anew when a choice changes. */
function remade(make) {
  const holder = html("div", {});
  const known = () => figures.filter((f) => holder.contains(f.holder));
  const remake = () => {
    for (const f of known()) figures.splice(figures.indexOf(f), 1);
    const before = figures.length;
    holder.replaceChildren(...[make()].flat(9).filter(Boolean));
    for (const f of figures.slice(before)) {
      if (f.holder.clientWidth > 0) f.holder.replaceChildren(f.draw(Math.max(f.holder.clientWidth, 240)));
    }
    showChosen();
  };
  holder.replaceChildren(...[make()].flat(9).filter(Boolean));
  return { holder, remake };
}

function distributionOf(group, name) {
  const index = (data.apps || []).findIndex((a) => a.name === name);
  const app = appOf(group, name), counted = group.latencies && group.latencies[index];
  if (!app || !counted) return [];
  const offered = app.mean["requests.offered"] * group.seeds.length;
  let sum = 0;
  return counted.counts.map((n, k) => [2 ** ((counted.first + k) / 16) / 1000, Math.min(1, (sum += n) / offered)]);
}

function latencySection() {
  const state = { load: loads.includes(1) ? 1 : loads[loads.length - 1] };
  const load = html("span", {}, plain(state.load));
  const view = remade(() => {
    const here = searched ? groups : groups.filter((g) => g.load === state.load);
    const drawn = here.some((g) => g.latencies);
    return html("div", { class: "grid wide" }, appNames().map((name) => {
      const known = (data.apps || []).find((a) => a.name === name);
      const all = here.map((g) => ({ i: policies.indexOf(g.policy), name: g.policy, points: distributionOf(g, name) }));
      const some = all.some((s) => s.points.length > 0);
      return html("div", {}, html("h3", {}, name),
        drawn && some && figure(null, (width) => distributions(width, {
          all, title: `Latencies of ${name}`, deadline: known && known.slo.deadline_ms }), "half"),
        drawn && !some && html("p", { class: "note" }, "None of its requests was answered."),
        html("details", { open: !drawn }, html("summary", {}, "Percentiles"), percentilesTable(here, name)));
    }));
  });
  return section("Latency",
    groups.some((g) => g.latencies)
      ? "Each line tells which share of the offered requests had been answered within a time; what was dropped never is, so a line may end below 100 %."
      : "Of the requests that were answered.",
    loads.length > 1 && !searched && html("p", { class: "soft only-print" }, "At load ", load),
    loads.length > 1 && !searched && html("div", { class: "controls" }, choice("Load", loads, plain, state.load, (v) => { state.load = v; load.textContent = plain(v); view.remake(); })),
    policyLegend(false), view.holder);
}

/* --- one run -------------------------------------------------------------- */

function appLegend(timeline) {
  const seen = new Set(timeline.spans.filter((s) => s[SPAN.kind] !== LOAD).map((s) => s[SPAN.app]));
  const some = (test) => timeline.spans.some(test);
  return html("ul", { class: "legend", "aria-label": "What the bars are" },
    data.apps.map((a, i) => seen.has(i) && html("li", {}, fillSwatch(fillOf(i)), a.name)),
    some((s) => s[SPAN.switching] > 0) && html("li", {}, fillSwatch("var(--ink)"), "switch to another variant"),
    some((s) => s[SPAN.kind] === LOAD) && html("li", {}, swatch(svg("rect", { class: "load", x: 4, y: 1, width: 22, height: 12 })), "load into memory"),
    some((s) => s[SPAN.kind] === LOST) && html("li", {}, swatch(svg("rect", { class: "lost", x: 4, y: 1, width: 22, height: 12 })), "lost with its device"),
    (data.events || []).some((e) => e.kind === "down") && html("li", {}, fillSwatch("url(#outage)"), "device is down"));
}

function timelinePart(group) {
  const timeline = group.timeline;
  const length = timeline.until_s - timeline.from_s;
  const state = { from: timeline.from_s, length: readableWindow(timeline, Math.max(300, main.clientWidth - 160)) };
  const windows = WINDOWS.filter((w) => w < length).concat([length]).concat(WINDOWS.includes(state.length) ? [] : [state.length]);
  const choices = [...new Set(windows)].sort((a, b) => a - b);
  const view = remade(() => {
    const to = Math.min(timeline.until_s, state.from + state.length);
    const spans = timeline.spans.filter((s) => s[SPAN.end] / 1e6 > state.from && s[SPAN.begin] / 1e6 < to)
      .sort((a, b) => a[SPAN.begin] - b[SPAN.begin]);
    return [
      figure(null, (width) => timelinePlot(width, data, timeline, state.from, to, `Batches of ${group.policy} at load ${plain(group.load)}`)),
      html("details", { class: "batches" }, html("summary", {}, `These ${spanCount(spans)} as a table`),
        html("div", {}, spans.length > 300 && html("p", { class: "note" }, "The first 300 of them."), spansTable(spans.slice(0, 300), data)))];
  });
  const slider = html("input", { type: "range", min: 0, max: 1000, value: 0, step: 1, "aria-label": "Beginning of the window",
    on: { input: () => { state.from = timeline.from_s + (slider.value / 1000) * Math.max(0, length - state.length); said(); view.remake(); } } });
  const said = () => slider.setAttribute("aria-valuetext", `${state.from.toFixed(3)} s`);
  const move = (by) => { slider.value = Number(slider.value) + by * 1000 * state.length / Math.max(1e-9, length - state.length); slider.dispatchEvent(new Event("input")); };
  said();
  return [
    html("div", { class: "controls" },
      choice("Window", choices, (w) => milliseconds(Math.round(w * 1e6) / 1e3), state.length, (w) => { state.length = w; slider.dispatchEvent(new Event("input")); }),
      html("button", { type: "button", "aria-label": "Earlier", on: { click: () => move(-0.8) } }, "←"),
      html("label", {}, "from", slider),
      html("button", { type: "button", "aria-label": "Later", on: { click: () => move(0.8) } }, "→")),
    timeline.cut && html("p", { class: "note" }, `Kept are ${count(timeline.spans.length, "batch", "batches")}, all until ${timeline.until_s.toFixed(3)} s; what came after would have made this page too large.`),
    timeline.spans.length === 0 ? html("p", { class: "note" }, `Nothing ran between ${plain(timeline.from_s)} s and ${plain(timeline.until_s)} s.`) : [appLegend(timeline), view.holder]];
}

/* The variants that answered an app, the most accurate first, and on top what
   was not answered. */
function bandsOf(counted) {
  const sum = (counts) => counts.reduce((a, b) => a + b, 0);
  const total = counted.counts.reduce((t, c) => t + sum(c), sum(counted.unserved));
  const order = counted.variants.map((v, k) => ({ v, counts: counted.counts[k] }))
    .sort((a, b) => data.variants[b.v].accuracy - data.variants[a.v].accuracy);
  const bands = order.map((b, rank) => ({
    name: data.variants[b.v].name, accuracy: data.variants[b.v].accuracy, counts: b.counts,
    paint: tone(order.length - 1 - rank, order.length), share: sum(b.counts) / total }));
  if (sum(counted.unserved) > 0) {
    bands.push({ name: "not answered", counts: counted.unserved, paint: "url(#unserved)", share: sum(counted.unserved) / total });
  }
  return bands;
}

function sharesPart(group) {
  return html("div", { class: "grid wide" }, appNames().map((name) => {
    const index = data.apps.findIndex((a) => a.name === name);
    const bands = bandsOf(group.shares.apps[index]);
    const events = (data.events || []).filter((e) => e.device || e.app === name);
    if (bands.length === 0) return html("div", {}, html("h3", {}, name), html("p", { class: "note" }, "It had no requests."));
    return html("div", {}, html("h3", {}, name),
      figure(null, (width) => sharesOverTime(width, { bands, bin: group.shares.bin_s, warmup: group.warmup_s, events,
        title: `What answered ${name}` }), "half"),
      html("ul", { class: "legend" }, bands.slice().reverse().map((b) => html("li", {}, fillSwatch(b.paint),
        html("span", {}, b.name, " ", html("span", { class: "soft" }, (b.accuracy === undefined ? "" : `accuracy ${plain(b.accuracy)}, `) + `${percent(b.share)} %`))))));
  }));
}

function runSection() {
  const shown = groups.filter((g) => g.timeline);
  if (shown.length === 0) return null;
  const state = { policy: policies.includes("convergo") ? "convergo" : policies[0], load: shown.some((g) => g.load === 1) ? 1 : shown[0].load };
  const run = () => shown.find((g) => g.policy === state.policy && (searched || g.load === state.load));
  const say = (g) => `${g.policy} at load ${plain(g.load)}, seed ${g.seeds[0]}`;
  const line = html("p", { class: "soft only-print" });
  const timeline = remade(() => timelinePart(run()));
  const shares = remade(() => sharesPart(run()));
  const numbers = remade(() => [appsTable(run()), devicesTable(run())]);
  const update = () => { line.textContent = say(run()); timeline.remake(); shares.remake(); numbers.remake(); };
  line.textContent = say(run());
  return [
    html("section", {}, html("h2", {}, "One run"),
      html("p", { class: "soft" }, (groups.length > 1 ? "Choose a policy and a load; this and the next two parts show that run. " : "") +
        (groups[0].seeds.length > 1 ? "The plots are of the first seed, the tables are means over all." : "")),
      html("div", { class: "controls" },
        choice("Policy", policies, (p) => p, state.policy, (v) => { state.policy = v; update(); }),
        searched ? null : choice("Load", loads, plain, state.load, (v) => { state.load = v; update(); }),
        html("span", { class: "soft" }, `Seed ${shown[0].seeds[0]}`)), line,
      numbers.holder),
    section("What each device did", "Each bar is a batch: its colour and hatching say for which application, the text which variant and how many requests. Where a unit holds several batches they have a lane each.", timeline.holder),
    section("Which variants answered", "Of the requests that ended in each second, the variants that answered them: the darker, the more accurate." +
      (shown[0].warmup_s > 0 ? ` The dashed line is the end of the warm-up (${seconds(shown[0].warmup_s)}).` : "") +
      ((data.events || []).length > 0 ? " Dotted lines are events of the workload." : ""), shares.holder)];
}

/* --- head and foot -------------------------------------------------------- */

function headline() {
  const load = loads[loads.length - 1];
  const here = (searched ? groups : groups.filter((g) => g.load === load)).filter((g) => isNumber(g.mean["slo.joint"]));
  if (here.length === 0 || searched) return null;
  const best = here.slice().sort((a, b) => b.mean["slo.joint"] - a.mean["slo.joint"]);
  const words = best.slice(0, 3).map((g) => `${g.policy} ${percent(g.mean["slo.joint"])} %`);
  const bound = here.find((g) => isNumber(g.mean["bound.joint"]));
  return html("p", { class: "headline" },
    `Requests with all SLOs met at load ${plain(load)}: ${list(words)}` +
    (best.length > 3 ? `, the best three of ${best.length} policies` : "") +
    (bound ? `; no policy could exceed ${percent(bound.mean["bound.joint"])} %.` : "."));
}

function facts(pairs) {
  return html("dl", { class: "facts" }, pairs.filter((p) => p && p[1]).map(([name, value]) =>
    [html("dt", {}, name), html("dd", {}, value)]));
}

function head() {
  const mode = { sim: "Simulation", live: "Live measurement", replay: "Replay" }[groups[0].mode] || "Report";
  const emulated = devices.filter((d) => d.emulated).map((d) => d.name);
  const real = devices.filter((d) => !d.emulated).map((d) => d.name);
  const measuredFor = seconds(groups[0].duration_s) + (groups[0].warmup_s > 0 ? `, after ${seconds(groups[0].warmup_s)} of warm-up` : "");
  const base = (data.box || "").split("/").slice(-2).join("/");
  document.title = `Convergo: ${mode.toLowerCase()}${base ? " of " + base : ""}`;
  return html("header", {},
    html("h1", {}, mode, base && ` of ${base}`),
    headline(),
    facts([
      ["Box", data.box], ["Workload", data.workload],
      ["Measured", measuredFor + (overLoads || searched ? " (at the first load)" : "")],
      ["Policies", policies.join(", ")],
      [loads.length > 1 ? "Loads" : "Load", loads.map((l) => plain(l)).join(", ")],
      [groups[0].seeds.length > 1 ? "Seeds" : "Seed", seedsText(groups[0].seeds)],
      ["Devices", [
        emulated.length > 0 && `${list(emulated)} ${emulated.length === 1 ? "is" : "are"} emulated: times and energies come from a profile of other hardware. `,
        real.length > 0 && (groups[0].mode === "live" ? `${list(real)} ${real.length === 1 ? "was" : "were"} measured here.`
          : `${list(real)} ${real.length === 1 ? "is" : "are"} simulated from a profile of ${real.length === 1 ? "itself" : "themselves"}.`)]],
      ["Convergo", `version ${data.version}`]]));
}

function boxSection() {
  if (!data.devices) return null;
  const events = data.events || [];
  return section("The box", null, data.devices.length > 0 && boxDevicesTable(data.devices),
    boxAppsTable(data.apps.filter((a) => appNames().includes(a.name) || !a.name.startsWith("best-effort/"))),
    events.length > 0 && [html("h3", { style: "margin-top:20px" }, "Events of the workload"), html("ul", {}, events.map((e) => html("li", {}, eventWords(e))))]);
}

function foot() {
  return html("footer", {},
    html("p", {}, "Every rate is of the requests offered: one that was dropped, rejected or failed meets nothing. “Joint” means that a request met every kind of SLO that its application declares."),
    groups.some((g) => isNumber(g.mean["bound.joint"])) &&
      html("p", {}, "The bound is the share that could have all SLOs met if nothing ever had to wait, switch or come out whole: how far a policy stays below it is what is left to gain at most."));
}

function build() {
  const single = groups.length === 1;
  main.replaceChildren(...[hatchings(), head(), foundSection(),
    ...(single ? [singleSection()] : [jointSection(), kindsSection(), appsSection()]), latencySection(), runSection(),
    section(single ? "The run in numbers" : "All runs in numbers",
      groups[0].seeds.length > 1 ? "Means over the seeds; ± is half the 95 % interval of the mean." : null,
      runsTable(groups), !groups.some((g) => g.timeline) && groups.map((g) => [html("h3", { style: "margin-top:20px" }, `${g.policy}, load ${plain(g.load)}`), appsTable(g), devicesTable(g)])),
    boxSection(), foot()].flat(9).filter(Boolean));
  drawAll(false);
}

build();
document.body.dataset.ready = "yes";

let lastWidth = main.clientWidth;
new ResizeObserver(() => {
  if (main.clientWidth !== lastWidth) {
    lastWidth = main.clientWidth;
    drawAll(false);
  }
}).observe(main);
/* On paper nothing can be opened. */
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...main.querySelectorAll("details:not([open]):not(.batches)")];
  for (const d of closed) d.open = true;
  drawAll(true);
});
addEventListener("afterprint", () => {
  for (const d of closed) d.open = false;
  drawAll(false);
});
