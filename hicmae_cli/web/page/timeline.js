// Make the timeline of a person from the windows, as hicmae_cli/timeline/make.py does: a moment has the mean of all
// windows that cover it. Times are in whole milliseconds.

const ms = (seconds) => Math.round(seconds * 1000);

// windows of one track -> { edges, means, label of each stretch, speakers, seen }; means are null in a gap.
export function makeTimeline(windows, endS, task) {
  const spans = windows.map(({ startS, endS: end }) => [ms(startS), ms(end)]);
  const end = Math.max(ms(endS), ...spans.map(([, last]) => last));
  const edges = [...new Set([0, end, ...spans.flat()])].sort((a, b) => a - b);
  const means = [],
    led = [],
    speakers = [];
  for (let i = 0; i < edges.length - 1; i++) {
    const over = windows.filter((_, w) => spans[w][0] <= edges[i] && spans[w][1] >= edges[i + 1]);
    const mean = over.length ? meanOf(over.map(({ scores }) => scores)) : null;
    means.push(mean);
    led.push(mean && task !== "regression" ? pickLabel(mean) : null);
    const middle = (edges[i] + edges[i + 1]) / 2;
    // Who speaks is that of the window whose middle is nearest.
    const nearest = over.sort((a, b) => Math.abs(at(a) - middle) - Math.abs(at(b) - middle))[0];
    speakers.push(nearest?.speaker ?? null);
  }
  return { edges, means, led, speakers };
}

const at = ({ startS, endS }) => (1000 * (startS + endS)) / 2;

// Neighbouring stretches with one value, as [start, end, value]; stretches with null are left out.
export function joinSpans(edges, values) {
  const spans = [];
  values.forEach((value, i) => {
    const last = spans[spans.length - 1];
    if (value === null) return;
    if (last && last[2] === value && last[1] === edges[i]) last[1] = edges[i + 1];
    else spans.push([edges[i], edges[i + 1], value]);
  });
  return spans;
}

export function meanOf(rows) {
  return rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
}

// The place of the largest number.
export const pickLabel = (scores) => scores.indexOf(Math.max(...scores));

// The windows by track, in order of time.
export function groupByTrack(windows) {
  const tracks = new Map();
  for (const window of [...windows].sort((a, b) => a.track - b.track || a.startS - b.startS)) {
    if (!tracks.has(window.track)) tracks.set(window.track, []);
    tracks.get(window.track).push(window);
  }
  return tracks;
}

// "m:ss.t" of milliseconds.
export function clock(time, tenths = true) {
  const total = tenths ? Math.round(time / 100) : Math.round(time / 1000) * 10;
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(total / 36000),
    minutes = Math.floor(total / 600) % 60;
  const seconds = two(Math.floor(total / 10) % 60) + (tenths ? `.${total % 10}` : "");
  return hours ? `${hours}:${two(minutes)}:${seconds}` : `${minutes}:${seconds}`;
}

// Round times of an axis, at most `most` and the start.
export function ticks(endMs, most = 10) {
  const steps = [500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000];
  const step = steps.find((each) => endMs / each <= most) ?? steps.at(-1);
  return Array.from({ length: Math.floor(endMs / step) + 1 }, (_, i) => i * step);
}
