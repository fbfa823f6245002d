// Overlapping windows of 16 sampled pictures with the faces of every person, as in hicmae_cli/runtime/windows.py.

export const CLIP_FRAMES = 16;
// Smallest share of a window's pictures with a face for which the window is predicted from it.
export const MIN_COVERAGE = 0.25;

// Turns moments into windows as soon as they are complete; only the faces of the last 16 moments are held.
// A face is { crop, box, picture }.
export class WindowAssembler {
  constructor(hop) {
    this.hop = hop;
    this.count = 0;
    this.held = new Map();
    this.tallies = new Map();
    this.lastStart = -1;
  }

  // Add one moment, with the faces by track -> the windows that it completes.
  add(faces) {
    for (const [track, face] of faces) {
      if (!this.held.has(track)) this.held.set(track, new Map());
      this.held.get(track).set(this.count, face);
      this.tallies.set(track, (this.tallies.get(track) ?? 0) + 1);
    }
    this.count++;
    const start = this.count - CLIP_FRAMES,
      windows = [];
    if (start >= 0 && start % this.hop === 0) windows.push(this.#window(start));
    for (const [track, held] of this.held) {
      held.delete(start - 1);
      if (!held.size) this.held.delete(track);
    }
    return windows;
  }

  // The last window, up to the end of the file; a file shorter than a window has only this one.
  finish() {
    const start = Math.max(0, this.count - CLIP_FRAMES);
    return this.count && start > this.lastStart ? [this.#window(start)] : [];
  }

  #window(start) {
    this.lastStart = start;
    const end = Math.min(this.count, start + CLIP_FRAMES),
      people = [];
    for (const [track, held] of [...this.held].sort((a, b) => a[0] - b[0])) {
      // A short file repeats its last moment.
      const sampled = Array.from({ length: CLIP_FRAMES }, (_, i) => held.get(Math.min(start + i, end - 1)) ?? null);
      const seen = sampled.slice(0, end - start).filter(Boolean).length;
      if (seen / (end - start) >= MIN_COVERAGE) people.push({ track, sampled, coverage: seen / (end - start) });
    }
    return { start, moments: end - start, people };
  }
}

// Start and end of a window in seconds, as in hicmae_cli/runtime/reading.py. `endS` is the end of the file.
export function windowTimes(window, stepS, endS) {
  const startS = window.start * stepS;
  return [startS, Math.min(startS + CLIP_FRAMES * stepS, Math.max(endS, startS + stepS))];
}
