// The page: what the user chooses, and what is shown.

import { startWorker } from "./calls.js";
import { loadRecorder, watchCamera } from "./camera.js";
import { drawAxis, drawCard, drawPerson, listPeople, make, makeFacts, showMoment } from "./drawing.js";
import { predictFile } from "./reading.js";
import { toCsv, toDocument } from "./results.js";
import { clock } from "./timeline.js";

const get = (id) => document.getElementById(id);
const [file, camera, drop, video, rows, slider] = ["file", "camera", "drop", "video", "rows", "time"].map(get);
const call = startWorker("app/worker.js");
let about = null,
  stopping = null,
  running = Promise.resolve(),
  shown = [],
  links = [],
  pointed = null,
  redraw = () => {};

async function open() {
  say("Loading the model and the face nets…");
  get("stop").hidden = true;
  get("progress").removeAttribute("value");
  try {
    [about] = await Promise.all([call("open"), loadRecorder()]);
    describeModel();
    // A weight of one stream leaves nothing to choose.
    get("sound").parentElement.hidden = about.modality !== "av";
    if (about.modality === "audio") camera.textContent = "Use the microphone";
    for (const control of [file, camera]) control.disabled = false;
    get("work").hidden = true;
  } catch (error) {
    fail(
      `The page could not load its parts: ${error.message}. It needs a web server and a recent browser: see docs/browser.md of hicmae.`,
    );
  }
}

function say(text) {
  get("work").hidden = false;
  get("status").textContent = text;
}

// Tell a screen reader; the progress itself would interrupt it all the time.
function announce(text) {
  get("said").textContent = text;
}

function fail(text) {
  get("work").hidden = true;
  get("failure").textContent = text;
  get("failure").hidden = false;
}

function describeModel() {
  const { facts, weight } = about,
    points = [];
  if (facts.cannot_judge)
    points.push(make("p", {}, make("b", {}, `${weight.name} cannot judge ${facts.cannot_judge}.`)));
  points.push(make("p", {}, `It was trained on ${facts.trained_on}.`));
  if (facts.held_out.length)
    points.push(
      make(
        "details",
        { open: "" },
        make("summary", {}, "Scores on people it had not seen"),
        make("ul", {}, ...facts.held_out.map((score) => make("li", {}, score))),
      ),
    );
  get("notice").replaceChildren(...points);
  const calibrated = { av: "face and voice", video: "face", audio: "voice" };
  get("facts").replaceChildren(
    ...makeFacts([
      ["Name", weight.name],
      [about.task === "regression" ? "Targets" : "Labels", weight.labels.join(", ")],
      ["Trained on", facts.trained_on],
      ["Cannot judge", facts.cannot_judge || "not recorded"],
      ["Calibrated", facts.calibrated.map((each) => calibrated[each]).join(", ") || "no"],
      ["Intended use", facts.intended_use || "not recorded"],
      ["Not for", facts.not_for],
      ["Licence", facts.licence],
    ]).children,
  );
}

const readSettings = () => ({ mostFaces: Number(get("faces").value), sound: get("sound").value });

// Run a prediction, from a file or the camera, with progress and a way to stop; the one that runs is stopped first.
async function predict(read, words) {
  stopping?.abort();
  const before = running;
  let end = null;
  running = new Promise((resolve) => {
    end = resolve;
  });
  const mine = (stopping = new AbortController()),
    settings = readSettings(),
    windows = [];
  let lengthS = 0;
  const stop = get("stop");
  get("failure").hidden = true;
  for (const id of ["results", "csv", "json"]) get(id).hidden = true;
  stop.hidden = false;
  stop.textContent = words.stop;
  get("progress").removeAttribute("value");
  say(words.start);
  announce(words.start);
  document.body.dataset.state = "busy";
  pointed = null;
  try {
    await before;
    mine.signal.throwIfAborted();
    Object.assign(video, { hidden: true, controls: false, muted: true });
    const input = await read(settings, mine.signal, {
      windows: (list) => {
        windows.push(...list);
        if (list.length && stopping === mine) show(windows, lengthS, {}, settings);
      },
      progress: (doneS, totalS) => {
        if (stopping !== mine) return;
        lengthS = totalS;
        if (totalS) get("progress").value = doneS / totalS;
        say(totalS ? `${clock(1000 * doneS)} of ${clock(1000 * totalS)}` : `Watching: ${clock(1000 * doneS)}`);
      },
    });
    if (stopping !== mine) return;
    get("work").hidden = true;
    input.message = noteOn(input, windows);
    if (windows.length) {
      show(windows, input.durationS, input.coverages, settings);
      offer(input, windows, settings);
      announce(`Done: ${shown.length === 1 ? "1 person or voice" : `${shown.length} people or voices`}.`);
    }
    if (input.message) fail(input.message);
    document.body.dataset.state = "done";
  } catch (error) {
    if (stopping !== mine) return;
    if (mine.signal.aborted) {
      get("work").hidden = true;
      document.body.dataset.state = "cancelled";
    } else {
      fail(error.message);
      document.body.dataset.state = "failed";
    }
  } finally {
    end();
  }
}

// What a reader should know about the input; empty if all is well.
function noteOn(input, windows) {
  const notes = [];
  if (!windows.length) notes.push("Nothing to predict from: no face was found, and no voice was heard.");
  else if (input.width && windows.every(({ track }) => track === 0))
    notes.push("No face was found: only the sound was used.");
  // Of a weight of one stream, nothing is missing.
  if (about.modality !== "av") return notes.join(" ");
  if (windows.length && !input.hasSound)
    notes.push("There is no sound that this browser can decode: only the face was used.");
  else if (windows.length && input.width && windows.every(({ modality }) => modality === "video"))
    notes.push("No voice was given to anybody in view: only the face was used.");
  return notes.join(" ");
}

function show(windows, endS, coverages, settings) {
  redraw = () => show(windows, endS, coverages, settings);
  const people = listPeople(windows, endS, about.task),
    end = people[0].timeline.edges.at(-1);
  get("results").hidden = false;
  get("cards").replaceChildren(...people.map((person) => drawCard(person, about, coverages[person.id])));
  const widthPx = get("axis").clientWidth;
  get("axis").replaceChildren(drawAxis(end, widthPx));
  const sections = people.map((person) => drawPerson(person, about, widthPx));
  get("persons").replaceChildren(...sections);
  shown = people.map((person, i) => [sections[i], person]);
  slider.max = end;
  get("notes").replaceChildren(
    ...[
      "Point at or tap the timeline, or move the slider, for the numbers of a moment.",
      ...(about.task === "classification"
        ? [
            `Full colour marks the predicted label. Row height runs from 0 to 100%; the dashed line is chance, 1 in ${about.weight.labels.length}.`,
          ]
        : []),
      ...(about.modality === "av"
        ? [
            settings.sound === "speaker"
              ? "The sound goes to the person whose mouth moves with it; the others are judged by the face alone."
              : "The sound goes to everybody in view, whoever speaks.",
          ]
        : []),
      "A person who leaves the picture for more than a second, or is seen again after a cut, gets a new number.",
    ].map((text) => make("li", {}, text)),
  );
  point(pointed);
}

function offer(input, windows, settings) {
  links.forEach(URL.revokeObjectURL);
  const texts = {
    csv: [toCsv(about, input, windows), "predictions.csv", "text/csv"],
    json: [
      `${JSON.stringify(toDocument(about, input, windows, settings), null, 2)}\n`,
      "predictions.json",
      "application/json",
    ],
  };
  links = Object.entries(texts).map(([id, [text, name, type]]) => {
    const href = URL.createObjectURL(new Blob([text], { type }));
    Object.assign(get(id), { href, download: name, hidden: false });
    return href;
  });
}

// Show the numbers at a moment in milliseconds; null shows the means.
function point(timeMs) {
  pointed = timeMs;
  for (const [section, person] of shown) showMoment(section, person, about, timeMs);
  rows.classList.toggle("on", timeMs !== null);
  get("means").disabled = timeMs === null;
  get("clock").textContent = timeMs === null ? "" : clock(timeMs);
  get("head").textContent = timeMs === null ? "mean" : "";
  slider.value = timeMs ?? 0;
  if (timeMs === null) return;
  rows.style.setProperty("--t", timeMs / slider.max);
  if (!video.hidden && video.controls && Number.isFinite(video.duration)) video.currentTime = timeMs / 1000;
}

function useFile(chosen) {
  if (!chosen || file.disabled) return;
  predict(
    async (settings, signal, on) => {
      const input = await predictFile(call, about, chosen, video, settings, on, signal);
      if (input.width && !signal.aborted) replay(chosen);
      return input;
    },
    { start: `Reading ${chosen.name}…`, stop: "Cancel" },
  );
}

// Show the video beside its timeline.
function replay(chosen) {
  video.src = URL.createObjectURL(chosen);
  Object.assign(video, { controls: true, muted: false, hidden: false });
}

file.addEventListener("change", () => {
  useFile(file.files[0]);
  // The same file may be chosen again.
  file.value = "";
});
// A file that misses the box must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  useFile(event.dataTransfer.files[0]);
});
camera.addEventListener("click", () => {
  predict((settings, signal, on) => watchCamera(call, about, video, settings, on, signal), {
    start: "Waiting for the camera…",
    stop: "Stop",
  });
});
get("stop").addEventListener("click", () => stopping?.abort());
get("means").addEventListener("click", () => point(null));
slider.addEventListener("input", () => point(Number(slider.value)));
rows.addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null);
});
rows.addEventListener("pointermove", (event) => pointAt(event));
rows.addEventListener("pointerdown", (event) => pointAt(event));
function pointAt({ clientX, target }) {
  if (target === slider) return;
  const { left, width } = get("axis").getBoundingClientRect(),
    share = (clientX - left) / width;
  if (share >= 0 && share <= 1) point(Math.round(share * slider.max));
}
addEventListener("resize", () => redraw());
open();
