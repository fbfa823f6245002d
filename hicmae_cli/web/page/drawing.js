// Draw the results: a card and rows of a timeline for each person, in the form of the report of `hicmae predict`.

import { clock, groupByTrack, joinSpans, makeTimeline, meanOf, pickLabel, ticks } from "./timeline.js";

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 1000,
  HEIGHT = 100;
const BASED_ON = { av: "face and voice", video: "face", audio: "voice" };
const LETTER_PX = 7.2;
const TICK_PX = 70;

// Make an element; children are elements or texts.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function makeSvg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const percent = (number) => `${Math.round(100 * number)}%`;

// The people of a result: { id, name, windows, scores, timeline }.
export function listPeople(windows, endS, task) {
  return [...groupByTrack(windows)].map(([id, own]) => ({
    id,
    name: id ? `person ${id}` : "voice",
    windows: own,
    scores: meanOf(own.map((w) => w.scores)),
    timeline: makeTimeline(own, endS, task),
  }));
}

// The card of a person: the mean numbers as bars, and what they rest on.
export function drawCard(person, about, coverage) {
  const { labels } = about.weight,
    isValued = about.task === "regression",
    best = pickLabel(person.scores);
  const order = isValued
    ? labels.map((_, i) => i)
    : labels.map((_, i) => i).sort((a, b) => person.scores[b] - person.scores[a]);
  const lead = isValued
    ? null
    : make(
        "p",
        { class: "lead" },
        make("span", {}, chip(best), make("b", {}, labels[best])),
        ` ${percent(person.scores[best])}`,
      );
  const chance = about.task === "classification" ? make("small", {}, `chance ${percent(1 / labels.length)}`) : null;
  const bars = make(
    "ul",
    { class: "bars" },
    ...order.map((i) =>
      make(
        "li",
        isValued ? { class: "value" } : {},
        make("span", {}, labels[i]),
        ...(isValued ? [] : [bar(i, person.scores[i])]),
        make("span", {}, isValued ? person.scores[i].toFixed(2) : percent(person.scores[i])),
      ),
    ),
  );
  const kinds = [...new Set(person.windows.map((w) => w.modality))].map((each) => BASED_ON[each]);
  const spoken = person.windows.filter((w) => w.speaker === "yes").length;
  const known = [
    ["Based on", kinds.join("; ")],
    ["Windows", String(person.windows.length)],
  ];
  if (person.id && coverage !== undefined) known.push(["Face seen", `in ${percent(coverage)} of pictures`]);
  if (person.windows.some((w) => w.speaker)) known.push(["Speaks", `in ${spoken} of ${person.windows.length} windows`]);
  return make(
    "article",
    { class: "card" },
    make("div", { class: "who" }, make("div", {}, make("h3", {}, person.name), lead, chance)),
    bars,
    makeFacts(known),
  );
}

export function makeFacts(rows) {
  return make(
    "dl",
    { class: "facts" },
    ...rows.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text))),
  );
}

// The style sheet has a class l0, l1 ... with the colour of each label, f0 ... to fill with it, o0 ... to write on it.
function chip(i) {
  return makeSvg(
    "svg",
    { class: `chip l${i}`, viewBox: "0 0 10 10", "aria-hidden": "true" },
    makeSvg("rect", { width: 10, height: 10, rx: 2 }),
  );
}

function bar(i, share) {
  return makeSvg(
    "svg",
    { class: `l${i}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    makeSvg("rect", { class: "rail", width: 100, height: 8 }),
    makeSvg("rect", { width: 100 * share, height: 8 }),
  );
}

// The axis of time.
export function drawAxis(endMs, widthPx) {
  const times = ticks(endMs, Math.max(2, widthPx / TICK_PX)),
    tenths = times.length > 1 && times[1] < 1000;
  return makeSvg(
    "svg",
    { class: "axis", "aria-hidden": "true" },
    ...times.flatMap((time) => {
      const x = `${(100 * time) / endMs}%`,
        edge = time === 0 ? "first" : time > 0.97 * endMs ? "last" : "";
      return [
        makeSvg("text", { x, y: 14, class: edge }, clock(time, tenths)),
        makeSvg("line", { x1: x, x2: x, y1: 19, y2: 24 }),
      ];
    }),
  );
}

// The rows of a person. `value` cells follow the cursor: see showMoment.
export function drawPerson(person, about, widthPx) {
  const { labels } = about.weight,
    { edges, means, led, speakers } = person.timeline,
    end = edges[edges.length - 1];
  const x = (time) => Math.round((10 * SPAN * time) / end) / 10;
  const section = make(
    "section",
    { class: "person", "aria-labelledby": `p${person.id}` },
    make("h3", { id: `p${person.id}` }, person.name, make("small", { class: "at" })),
  );
  if (about.task !== "regression") section.append(drawBand(person, about, x, widthPx));
  if (speakers.some(Boolean)) section.append(drawSpeaking(person, x));
  const [low, high] = about.task === "regression" ? rangeOf(means) : [0, 1];
  labels.forEach((label, i) => {
    const heights = means.map((mean) => mean && (mean[i] - low) / (high - low || 1));
    const strong = heights.map((height, k) => (led[k] === i ? height : null));
    const best = means.reduce((top, mean) => Math.max(top, mean?.[i] ?? -Infinity), -Infinity);
    const write = (v) => (about.task === "regression" ? v.toFixed(2) : percent(v));
    const paths = [
      makeSvg("path", { class: "a", d: steps(edges, heights, x) }),
      makeSvg("path", { class: "b", d: steps(edges, strong, x) }),
    ];
    if (about.task === "classification")
      paths.push(makeSvg("path", { class: "chance", d: `M0 ${HEIGHT * (1 - 1 / labels.length)}H${SPAN}` }));
    const chart = draw(`lane l${i}`, `${label}: mean ${write(person.scores[i])}, highest ${write(best)}`, ...paths);
    section.append(makeRow("lane", label, chart, write(person.scores[i])));
  });
  return section;
}

function rangeOf(means) {
  const all = means.filter(Boolean).flat();
  return [Math.min(...all), Math.max(...all)];
}

function drawBand(person, about, x, widthPx) {
  const { edges, led } = person.timeline,
    spans = joinSpans(edges, led),
    { labels } = about.weight;
  const blocks = spans.map(([start, end, i]) =>
    makeSvg("path", { class: `f${i}`, d: `M${x(start)} 0H${x(end)}V100H${x(start)}Z` }),
  );
  const words = spans
    .filter(([start, end, i]) => ((x(end) - x(start)) / SPAN) * widthPx > labels[i].length * LETTER_PX + 10)
    .map(([start, , i]) => makeSvg("text", { class: `o${i}`, x: `${x(start) / 10}%`, dx: 6, y: 17 }, labels[i]));
  const said = spans.map(([start, end, i]) => `${labels[i]} from ${clock(start)} to ${clock(end)}`).join(", ");
  const chart = draw("blocks", `${person.name}: ${said}`, ...blocks);
  const row = makeRow("band", "Label", chart, "");
  row.querySelector(".c").append(makeSvg("svg", { class: "words", "aria-hidden": "true" }, ...words));
  return row;
}

function drawSpeaking(person, x) {
  const { edges, speakers } = person.timeline,
    paths = [];
  for (const [start, end, answer] of joinSpans(edges, speakers)) {
    if (answer === "unsure") paths.push(makeSvg("path", { class: "u", d: `M${x(start)} 75H${x(end)}` }));
    else
      paths.push(
        makeSvg("path", {
          class: answer === "yes" ? "y" : "n",
          d: `M${x(start)} ${answer === "yes" ? 0 : 88}H${x(end)}V100H${x(start)}Z`,
        }),
      );
  }
  const count = person.windows.filter((w) => w.speaker === "yes").length;
  return makeRow(
    "speaks",
    "Speaks",
    draw("blocks", `${person.name} speaks in ${count} of ${person.windows.length} windows`, ...paths),
    "",
  );
}

function makeRow(kind, title, chart, value) {
  return make(
    "div",
    { class: `row ${kind}` },
    make("span", { class: "k" }, title),
    make("div", { class: "c" }, chart),
    make("span", { class: "v" }, value),
  );
}

function draw(kind, label, ...paths) {
  return makeSvg(
    "svg",
    { class: kind, viewBox: `0 0 ${SPAN} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    ...paths,
  );
}

function steps(edges, heights, x) {
  let path = "",
    isOpen = false;
  heights.forEach((height, i) => {
    if (height === null) {
      if (isOpen) path += "V100Z";
      isOpen = false;
      return;
    }
    if (!isOpen) path += `M${x(edges[i])} 100`;
    path += `V${Math.round((1 - Math.min(1, Math.max(0, height))) * 100)}H${x(edges[i + 1])}`;
    isOpen = true;
  });
  return isOpen ? `${path}V100Z` : path;
}

// Show the numbers of a person at a moment; null shows the means.
export function showMoment(section, person, about, timeMs) {
  const { edges, means, led, speakers } = person.timeline,
    write = (v) => (about.task === "regression" ? v.toFixed(2) : percent(v));
  const i =
    timeMs === null
      ? -1
      : Math.max(
          0,
          edges.findLastIndex((edge) => edge <= timeMs && edge < edges[edges.length - 1]),
        );
  const numbers = i < 0 ? person.scores : means[i];
  section.querySelectorAll(".row.lane .v").forEach((cell, k) => {
    cell.textContent = numbers ? write(numbers[k]) : "–";
  });
  section.querySelector(".row.speaks .v")?.replaceChildren(i < 0 ? "" : (speakers[i] ?? "–"));
  section.querySelector(".at").textContent = i < 0 || led[i] === null ? "" : about.weight.labels[led[i]];
}
