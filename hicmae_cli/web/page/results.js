// Results as the CSV and the JSON of `hicmae predict`: `hicmae report` reads the JSON.

import { groupByTrack, meanOf, pickLabel } from "./timeline.js";

const round = (number, digits) => Number(number.toFixed(digits));
// The labels of a multi-label answer: those above a half, or else the largest one.
const pickLabels = (labels, scores) => {
  const picked = labels.filter((_, i) => scores[i] > 0.5);
  return picked.length ? picked : [labels[pickLabel(scores)]];
};

function toFields({ weight: { labels }, task }, scores) {
  const numbers = Object.fromEntries(labels.map((label, i) => [label, scores[i]]));
  if (task === "regression") return { values: numbers };
  if (task === "multilabel") {
    const picked = pickLabels(labels, scores);
    // The set in alphabetical order, as hicmae_cli/tasks.py joins it.
    return { label: [...picked].sort().join("+"), labels: picked, probabilities: numbers };
  }
  return { label: labels[pickLabel(scores)], probabilities: numbers };
}

// The document of `hicmae predict --json`.
// input: { name, durationS, width, height, coverages, message }; settings: { mostFaces, sound }.
export function toDocument(about, input, windows, settings) {
  const tracks = [...groupByTrack(windows)].map(([id, own]) => ({
    id,
    name: "",
    start_s: round(Math.min(...own.map((w) => w.startS)), 3),
    end_s: round(Math.max(...own.map((w) => w.endS)), 3),
    face_coverage: round(input.coverages[id] ?? 0, 4),
    ...toFields(about, meanOf(own.map((w) => w.scores))),
    face_size_px: round(meanSize(own), 1),
    windows: own.map((window) => ({
      start_s: round(window.startS, 3),
      end_s: round(window.endS, 3),
      ...toFields(about, window.scores),
      face_coverage: round(window.coverage, 4),
      modality: window.modality,
      voice: window.voice === null ? null : round(window.voice, 3),
      speaker: window.speaker,
      boxes: window.boxes.map(([timeS, ...sides]) => [round(timeS, 3), ...sides.map((v) => round(v, 1))]),
    })),
  }));
  const main = [...tracks].sort((a, b) => b.face_coverage - a.face_coverage || b.face_size_px - a.face_size_px)[0];
  const summary =
    main &&
    toFields(
      about,
      meanOf(
        groupByTrack(windows)
          .get(main.id)
          .map((w) => w.scores),
      ),
    );
  return {
    schema: about.prediction_schema,
    weights: about.weight,
    settings: { ...about.settings, max_faces: settings.mostFaces, sound: settings.sound },
    files: [
      {
        path: input.name,
        photograph: false,
        // A sound file, or a weight of voices, lacks no face.
        status: tracks.length ? (main.id || !input.width ? "ok" : "no-face") : "error",
        message: input.message,
        duration_s: round(input.durationS, 3),
        fps: null,
        width_px: input.width || null,
        height_px: input.height || null,
        modality: main
          ? mostFrequent(
              groupByTrack(windows)
                .get(main.id)
                .map((w) => w.modality),
            )
          : null,
        summary: summary ?? null,
        tracks,
        size_bytes: null,
        sha256: null,
        hicmae_version: about.hicmae_version,
        folder: null,
      },
    ],
  };
}

// The table with one row per window of every person.
export function toCsv(about, input, windows) {
  const { labels } = about.weight,
    isValued = about.task === "regression";
  const head = [
    "path",
    "track",
    "name",
    "start_s",
    "end_s",
    ...(isValued ? [] : ["label"]),
    "face_coverage",
    "modality",
    ...labels,
    "voice",
    "speaker",
  ];
  const rows = [...groupByTrack(windows).values()]
    .flat()
    .map((w) => [
      input.name,
      w.track,
      "",
      round(w.startS, 3),
      round(w.endS, 3),
      ...(isValued ? [] : [toFields(about, w.scores).label]),
      round(w.coverage, 4),
      w.modality,
      ...w.scores.map((v) => (isValued ? Number(v.toPrecision(6)) : round(v, 6))),
      w.voice === null ? "" : round(w.voice, 3),
      w.speaker ?? "",
    ]);
  return [head, ...rows].map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

function quote(field) {
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Mean size of the face where it is seen; 0 for the sound.
function meanSize(windows) {
  const sizes = windows.flatMap(({ boxes }) => boxes.map(([, , , width, height]) => Math.max(width, height)));
  return sizes.length ? sizes.reduce((a, b) => a + b) / sizes.length : 0;
}

function mostFrequent(values) {
  const count = (value) => values.filter((each) => each === value).length;
  return ["av", "video", "audio"].reduce((best, value) => (count(value) > count(best) ? value : best));
}
