"use strict";
// Texts of the server and of files are set as text, never as HTML.
const $ = (id) => document.getElementById(id);
const SPOKEN = { av: "face + voice", video: "face", audio: "voice" };
let stopper = null; // while a file is predicted
let answer = null;

function headers(more) {
  const token = $("token").value;
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

function show(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

function element(name, ...inside) {
  const made = document.createElement(name);
  made.append(...inside);
  return made;
}

function percent(share) {
  return `${Math.round(100 * share)}%`;
}

async function readModel() {
  const got = await fetch("model", { headers: headers({}) });
  $("secret").hidden = got.status !== 401 && !$("token").value;
  document.querySelector("aside").hidden = !got.ok;
  if (!got.ok) return;
  const model = await got.json();
  show("summary", model.summary);
  show("notice", model.notice);
  show("use", model.weights.intended_use ? `Intended use: ${model.weights.intended_use}` : "");
}

function choose(file) {
  $("go").disabled = !file || stopper !== null;
  $("chosen").textContent = file ? `${file.name}, ${(file.size / 1e6).toFixed(1)} MB` : "or drop it here";
}

function bars(numbers, isShare) {
  const made = element("div");
  made.className = "bars";
  for (const [name, value] of Object.entries(numbers).sort((a, b) => b[1] - a[1]).slice(0, isShare ? 4 : 99)) {
    const meter = element("meter");
    meter.max = 1;
    meter.value = isShare ? value : 0;
    made.append(element("span", name), isShare ? meter : element("span"), element("span", isShare ? percent(value) : value.toFixed(2)));
  }
  return made;
}

function basis(track) {
  const kinds = track.windows.map((window) => window.modality);
  const most = Object.keys(SPOKEN).sort((a, b) => kinds.filter((k) => k === b).length - kinds.filter((k) => k === a).length)[0];
  return SPOKEN[most];
}

function call(track) {
  return track.name || (track.id ? `person ${track.id}` : "voice");
}

function fill(id, rows) {
  $(id).replaceChildren(...rows);
  $(id).closest(".wide").hidden = !rows.length;
}

function showResult(prediction) {
  const [file] = prediction.files;
  answer = prediction;
  $("result").hidden = false;
  $("name").textContent = file.path + (file.duration_s ? `, ${file.duration_s.toFixed(1)} s` : "");
  $("note").textContent = file.message;
  fill("people", file.tracks.map((track) => element("tr",
    element("td", call(track)), element("td", track.label || "values"),
    element("td", bars(track.probabilities || track.values, Boolean(track.probabilities))),
    element("td", percent(track.face_coverage)), element("td", basis(track)))));
  fill("times", file.tracks.flatMap((track) => (track.episodes || []).map((each) => element("tr",
    element("td", call(track)), element("td", `${each.start_s.toFixed(1)} s`), element("td", `${each.end_s.toFixed(1)} s`),
    element("td", each.label || "uncertain"), element("td", percent(each.probability))))));
}

function follow(event) {
  if (event.event === "waiting") $("state").textContent = event.before ? `In the queue, ${event.before} ahead of you` : "Next in the queue";
  if (event.event === "progress") {
    $("bar").value = event.total_s ? event.done_s / event.total_s : 0;
    $("state").textContent = event.total_s ? `${event.done_s.toFixed(0)} of ${event.total_s.toFixed(0)} s` : "Reading the file…";
  }
  if (event.event === "error") throw new Error(event.error);
  if (event.event === "result") showResult(event.prediction);
}

async function readLines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let isWhole = false;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      isWhole = event.event === "result";
      follow(event);
    }
  }
  if (!isWhole) throw new Error("The connection was lost before the result arrived. Try again.");
}

async function predict(file) {
  const form = new FormData();
  form.append("file", file);
  const got = await fetch("predict", {
    method: "POST", body: form, signal: stopper.signal, headers: headers({ Accept: "application/x-ndjson" }),
  });
  if (got.status === 401) $("secret").hidden = false;
  if (!got.ok) {
    // A proxy answers with a page of its own.
    const refusal = await got.json().catch(() => ({ error: `The server answered ${got.status} ${got.statusText}` }));
    throw new Error(refusal.error);
  }
  await readLines(got.body);
}

function setBusy(isBusy) {
  stopper = isBusy ? new AbortController() : null;
  choose($("file").files[0]);
  $("stop").hidden = $("bar").hidden = !isBusy;
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("result").hidden = true;
  show("fault", "");
  setBusy(true);
  $("bar").removeAttribute("value");
  $("state").textContent = "Uploading…";
  try {
    await predict($("file").files[0]);
    $("state").textContent = "Done";
  } catch (error) {
    $("state").textContent = "";
    show("fault", error.name === "AbortError" ? "Stopped" : error.message);
  }
  setBusy(false);
});
$("stop").addEventListener("click", () => stopper.abort());
$("file").addEventListener("change", () => choose($("file").files[0]));
$("token").addEventListener("change", readModel);
$("save").addEventListener("click", () => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  link.download = "predictions.json";
  link.click();
  URL.revokeObjectURL(link.href);
});
for (const name of ["dragover", "drop"]) {
  // A file dropped beside the field would replace this page.
  window.addEventListener(name, (event) => event.preventDefault());
}
for (const [name, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", isOver);
    if (name !== "drop" || !event.dataTransfer.files.length) return;
    $("file").files = event.dataTransfer.files;
    choose($("file").files[0]);
  });
}
choose($("file").files[0]);
readModel();
