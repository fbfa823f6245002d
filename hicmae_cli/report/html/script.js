"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const data = JSON.parse(get("data").textContent);
  const rows = get("rows"), slider = get("time"), video = get("video"), cursor = rows.querySelector(".cursor");
  const people = [...rows.querySelectorAll(".person")];
  const SVG = "http://www.w3.org/2000/svg", MOST = 800, SHORTEST = 200, MANY = 150;
  const BY = { b: "face and voice", f: "face", v: "voice" }, SPEAKS = { y: "yes", n: "no", u: "unsure", "-": "–" };
  const TOPS = { y: 0, n: 88 }, UNSURE_Y = 75, PAPER_PX = 450, ALL = "means of the whole";
  let from = data.start, to = data.end, pinned = false, paperPx = 0;

  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
  // The first place in a rising list whose value is above x.
  const above = (list, x) => {
    let low = 0, high = list.length;
    while (low < high) { const middle = (low + high) >> 1; if (list[middle] > x) high = middle; else low = middle + 1; }
    return low;
  };
  const clock = (ms, tenths = true) => {
    const total = tenths ? Math.round(ms / 100) : Math.round(ms / 1000) * 10;
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(total / 36000), minutes = Math.floor(total / 600) % 60;
    const seconds = two(Math.floor(total / 10) % 60) + (tenths ? "." + (total % 10) : "");
    return hours ? `${hours}:${two(minutes)}:${seconds}` : `${minutes}:${seconds}`;
  };
  const write = (number) =>
    number === null || number === -1 && data.probability ? "–"
      : data.probability ? Math.round(number / 100) + "%" : number.toFixed(2);
  const points = (number) => number === null ? "–" : number === 1 ? "1 point" : number + " points";
  const x = (ms) => Math.round(clamp((ms - from) / (to - from), 0, 1) * 10000) / 10;

  // The episode or gap at a time; both are in order of time.
  const at = (spans, ms) => {
    let low = 0, high = spans.length;
    while (low < high) { const middle = (low + high) >> 1; if (spans[middle][0] > ms) high = middle; else low = middle + 1; }
    return low && ms < spans[low - 1][1] ? spans[low - 1] : null;
  };

  // Which label each stretch of a person has.
  for (const person of data.people) {
    person.led = person.n.map(() => new Uint8Array(person.t.length - 1));
    for (const [start, end, lanes] of person.episodes)
      for (let i = above(person.t, start) - 1; i < person.t.length - 1 && person.t[i] < end; i++)
        for (const lane of lanes) if (i >= 0) person.led[lane][i] = 1;
  }

  const steps = (times, heights) => {
    let path = "", open = false;
    heights.forEach((height, i) => {
      if (height === null) { if (open) path += "V100Z"; open = false; return; }
      if (!open) path += `M${x(times[i])} 100`;
      path += `V${Math.round((1 - clamp(height, 0, 1)) * 100)}H${x(times[i + 1])}`;
      open = true;
    });
    return open ? path + "V100Z" : path;
  };
  const blocks = (spans, top = 0) => spans.filter(([a, b]) => b > from && a < to)
    .map(([a, b]) => `M${x(a)} ${top}H${Math.max(x(b), x(a))}V100H${x(a)}Z`).join("");

  const line = (spans, y) => spans.filter(([a, b]) => b > from && a < to).map(([a, b]) => `M${x(a)} ${y}H${x(b)}`).join("");

  // Average the numbers of the stretches from first to last.
  const mean = (list, times, first, last) => {
    let total = 0;
    for (let i = first; i < last; i++) total += list[i] * (times[i + 1] - times[i]);
    return total / (times[last] - times[first]);
  };

  const drawPerson = (section, person) => {
    const first = Math.max(0, above(person.t, from) - 1);
    const last = Math.min(person.t.length - 1, above(person.t, to));
    const step = Math.max(1, Math.ceil((last - first) / MOST)), missing = (i) => person.by[i] === "-", times = [];
    for (let i = first; i < last; i++)
      if (i === first || (step > 1 ? i % step === 0 || missing(i) !== missing(i - 1) : true)) times.push(i);
    times.push(last);
    const edges = times.map((i) => person.t[i]);
    const thin = (list) => times.slice(0, -1).map((i, at) => missing(i) ? null : mean(list, person.t, i, times[at + 1]));
    section.querySelectorAll("[data-lane]").forEach((drawing) => {
      const lane = Number(drawing.dataset.lane), [, low, high] = data.lanes[lane];
      const scale = (v) => v === null ? null : data.probability ? v / 10000 : high > low ? (v - low) / (high - low) : 0.5;
      const heights = thin(person.n[lane]).map(scale), led = thin(person.led[lane]);
      drawing.querySelector(".a").setAttribute("d", steps(edges, heights));
      drawing.querySelector(".b").setAttribute("d", steps(edges, heights.map((h, i) => led[i] >= 0.5 ? h : null)));
    });
    const seen = section.querySelector(".seen path");
    if (seen) seen.setAttribute("d", steps(edges, thin(person.seen).map((v) => v === null ? null : v / 100)));
    section.querySelectorAll("[data-effect]").forEach((drawing) => {
      // The mean of what was measured: a window with one stream has nothing to compare.
      const list = person.moved[drawing.dataset.effect], heights = times.slice(0, -1).map((i, at) => {
        let total = 0, length = 0;
        for (let k = i; k < times[at + 1]; k++) {
          if (list[k] === null) continue;
          total += list[k] * (person.t[k + 1] - person.t[k]);
          length += person.t[k + 1] - person.t[k];
        }
        return length ? total / length / 100 : null;
      });
      drawing.querySelector("path").setAttribute("d", steps(edges, heights));
    });
    for (const answer of "yun") {
      const path = section.querySelector(".speaks ." + answer);
      const spans = person.spans.filter((span) => span[2] === answer);
      if (path) path.setAttribute("d", answer === "u" ? line(spans, UNSURE_Y) : blocks(spans, TOPS[answer]));
    }
    const band = section.querySelector(".band .blocks");
    if (band) drawBand(section, band, person);
  };

  const drawBand = (section, band, person) => {
    const place = (episode) => episode[2].length ? episode[2][0] : -1;
    const shown = person.episodes.filter(([a, b]) => b > from && a < to);
    band.classList.toggle("dense", shown.length > MANY);
    band.querySelectorAll("path").forEach((path) => {
      const lane = Number(path.getAttribute("class").slice(1));
      path.setAttribute("d", path.classList.contains("gap") ? blocks(person.gaps)
        : blocks(shown.filter((episode) => place(episode) === lane)));
    });
    const words = section.querySelector(".words"), width = paperPx || band.getBoundingClientRect().width;
    const write = ([start, end, , label], css) => {
      const left = x(start), px = (x(end) - left) / 1000 * width;
      const text = px > label.length * 7.2 + 10 ? label : px > 18 ? css ? label[0].toUpperCase() : "–" : "";
      if (!text) return;
      const word = document.createElementNS(SVG, "text");
      word.setAttribute("x", left / 10 + "%");
      word.setAttribute("dx", 6);
      word.setAttribute("y", 17);
      word.setAttribute("class", css);
      word.textContent = text;
      words.append(word);
    };
    words.replaceChildren();
    shown.forEach((e) => write([e[0], e[1], 0, e[3] || "no label"], "o" + place(e)));
    person.gaps.filter(([a, b]) => b > from && a < to).forEach(([a, b, reason]) => write([a, b, 0, reason], ""));
  };

  // Those of the other people are on paper only, and have the width of the first.
  const drawAxis = (axis) => {
    const most = Math.max(2, (paperPx || rows.querySelector(".axis").getBoundingClientRect().width) / 75);
    const choices = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 432e5, 864e5];
    const step = choices.find((each) => (to - from) / each <= most) || 864e5;
    axis.replaceChildren();
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const text = document.createElementNS(SVG, "text"), line = document.createElementNS(SVG, "line");
      text.setAttribute("x", x(t) / 10 + "%");
      text.setAttribute("y", 14);
      text.setAttribute("class", x(t) < 30 ? "first" : x(t) > 970 ? "last" : "");
      text.textContent = clock(t, step < 1000);
      for (const [name, value] of [["x1", x(t) / 10 + "%"], ["x2", x(t) / 10 + "%"], ["y1", 19], ["y2", 24]]) line.setAttribute(name, value);
      axis.append(text, line);
    }
  };

  const draw = () => {
    rows.querySelectorAll(".axis").forEach(drawAxis);
    const length = data.end - data.start;
    rows.querySelectorAll(".wave, .off .blocks, .heat").forEach((drawing) =>
      drawing.setAttribute("viewBox", `${(from - data.start) / length * 1000} 0 ${(to - from) / length * 1000} 100`));
    people.forEach((section, i) => drawPerson(section, data.people[i]));
    slider.min = from; slider.max = to; slider.step = Math.max(20, Math.round((to - from) / 500));
    get("out").disabled = from === data.start && to === data.end;
    get("earlier").disabled = from === data.start;
    get("later").disabled = to === data.end;
    if (now !== null) show(now); else clear();
    mark();
  };
  // Nothing is left to show where the view is whole and no moment is pinned.
  const mark = () => {
    get("means").disabled = !pinned;
    get("all").disabled = get("out").disabled && !pinned;
  };

  const zoom = (start, end) => {
    const middle = (start + end) / 2, span = clamp(end - start, Math.min(SHORTEST, data.end - data.start), data.end - data.start);
    from = Math.round(clamp(middle - span / 2, data.start, data.end - span));
    to = Math.round(from + span);
    draw();
  };
  const zoomBy = (factor) => {
    const middle = now !== null && now >= from && now <= to ? now : (from + to) / 2, half = (to - from) * factor / 2;
    zoom(middle - half, middle + half);
  };
  const move = (views) => zoom(from + views * (to - from), to + views * (to - from));
  const showMeans = () => { pinned = false; clear(); mark(); };
  const showAll = () => { showMeans(); zoom(data.start, data.end); };

  let now = null;
  const means = [...rows.querySelectorAll(".v:not(#clock)")].map((cell) => [cell, cell.innerHTML]);
  const clear = () => {
    now = null;
    means.forEach(([cell, content]) => { cell.innerHTML = content; });
    people.forEach((section) => { section.querySelector(".at").textContent = ""; });
    rows.classList.remove("on");
    get("clock").textContent = "means";
    slider.setAttribute("aria-valuetext", ALL);
  };
  const show = (ms) => {
    now = clamp(Math.round(ms), data.start, data.end);
    rows.style.setProperty("--t", clamp((now - from) / (to - from), 0, 1));
    rows.classList.toggle("on", now >= from && now <= to);
    cursor.classList.remove("range");
    get("clock").textContent = clock(now);
    get("head").textContent = "";
    slider.value = now;
    const off = rows.querySelector(".off .v");
    if (off) off.textContent = at(data.off, now) ? "yes" : "no";
    const spoken = [];
    people.forEach((section, place) => {
      const person = data.people[place];
      const i = clamp(above(person.t, now) - 1, 0, person.t.length - 2);
      section.querySelectorAll("[data-lane]").forEach((drawing) => {
        drawing.closest(".row").querySelector(".v").textContent = write(person.n[Number(drawing.dataset.lane)][i]);
      });
      section.querySelectorAll("[data-effect]").forEach((drawing) => {
        drawing.closest(".row").querySelector(".v").textContent = points(person.moved[drawing.dataset.effect][i]);
      });
      const episode = at(person.episodes, now), gap = at(person.gaps, now);
      const label = gap ? gap[2] : episode ? episode[3] || "no label" : "";
      const speaks = section.querySelector(".speaks .v");
      if (speaks && person.spans.length) speaks.textContent = SPEAKS[person.speaks[i]];
      const face = section.querySelector(".face .v");
      if (face) face.textContent = person.seen[i] + "%";
      const by = BY[person.by[i]];
      section.querySelector(".at").textContent = [clock(now), label, by && !gap ? "from " + by : ""].filter(Boolean).join(" · ");
      spoken.push(`${person.name}: ${label || write(person.n[0][i])}`);
    });
    slider.setAttribute("aria-valuetext", `${clock(now)}. ${spoken.join(". ")}`);
  };
  const pin = (ms, seek = true) => {
    pinned = true;
    show(ms);
    mark();
    if (seek && !video.hidden) video.currentTime = now / 1000;
  };

  const timeAt = (event) => {
    const box = rows.querySelector(".axis").getBoundingClientRect();
    return from + clamp((event.clientX - box.left) / box.width, 0, 1) * (to - from);
  };
  let dragged = null, hovering = 0;
  rows.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.target.closest(".c") && event.target !== slider) dragged = { at: timeAt(event), px: event.clientX };
  });
  rows.addEventListener("pointermove", (event) => {
    const ms = timeAt(event);
    if (dragged && event.pointerType !== "touch" && Math.abs(event.clientX - dragged.px) > 6) {
      const [a, b] = [Math.min(ms, dragged.at), Math.max(ms, dragged.at)];
      rows.style.setProperty("--t", (a - from) / (to - from));
      rows.style.setProperty("--w", (b - a) / (to - from));
      rows.classList.add("on");
      cursor.classList.add("range");
    } else if (dragged) pin(ms);
    else if (!pinned && event.target.closest(".c")) {
      cancelAnimationFrame(hovering);
      hovering = requestAnimationFrame(() => { if (!pinned) show(ms); });
    }
  });
  window.addEventListener("pointerup", (event) => {
    if (!dragged) return;
    const start = dragged, ms = timeAt(event);
    dragged = null;
    if (event.pointerType !== "touch" && Math.abs(event.clientX - start.px) > 6) { now = null; zoom(Math.min(ms, start.at), Math.max(ms, start.at)); }
    else pin(ms);
  });
  rows.addEventListener("pointerleave", () => {
    cancelAnimationFrame(hovering);
    if (!pinned && !dragged) clear();
  });
  slider.addEventListener("input", () => pin(Number(slider.value)));
  get("in").addEventListener("click", () => zoomBy(0.5));
  get("out").addEventListener("click", () => zoomBy(2));
  get("earlier").addEventListener("click", () => move(-0.75));
  get("later").addEventListener("click", () => move(0.75));
  get("means").addEventListener("click", showMeans);
  get("all").addEventListener("click", showAll);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=range]), video")) return;
    const near = event.target.closest(".timeline"), zoomed = near && (from > data.start || to < data.end);
    const act = {
      "+": near && (() => zoomBy(0.5)), "=": near && (() => zoomBy(0.5)), "-": near && (() => zoomBy(2)), 0: near && showAll,
      PageUp: zoomed && (() => move(-0.75)), PageDown: zoomed && (() => move(0.75)), Escape: pinned && showMeans,
    }[event.key];
    if (act) { act(); event.preventDefault(); }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-from]");
    if (!button) return;
    const start = button.dataset.from * 1000, end = button.dataset.to * 1000, room = Math.max(1000, end - start);
    zoom(start - room, end + room);
    pin(start);
    get("timeline").scrollIntoView();
    slider.focus({ preventScroll: true });
  });
  get("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (!file) return;
    URL.revokeObjectURL(video.src);
    video.src = URL.createObjectURL(file);
    video.hidden = false;
    if (now !== null) video.currentTime = now / 1000;
  });
  video.addEventListener("timeupdate", () => {
    const ms = video.currentTime * 1000;
    if (ms > to && ms < data.end) zoom(ms, ms + to - from);
    pin(ms, false);
  });
  let before = null;
  window.addEventListener("beforeprint", () => {
    const folded = [...document.querySelectorAll("details:not([open])")];
    before = { folded, from, to, at: pinned ? now : null };
    folded.forEach((each) => { each.open = true; });
    paperPx = PAPER_PX;
    showAll();
  });
  window.addEventListener("afterprint", () => {
    paperPx = 0;
    draw();
    if (!before) return;
    before.folded.forEach((each) => { each.open = false; });
    zoom(before.from, before.to);
    if (before.at !== null) pin(before.at);
    before = null;
  });
  // A table that is wider than its place can be reached and named; others are no stop of the keyboard.
  const nameTables = () => document.querySelectorAll(".scroll").forEach((each) => {
    const caption = each.querySelector("caption"), wide = each.scrollWidth > each.clientWidth;
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", caption ? caption.textContent : "table"]])
      if (wide) each.setAttribute(name, value); else each.removeAttribute(name);
  });
  document.querySelectorAll("details").forEach((each) => each.addEventListener("toggle", nameTables));
  let waiting = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { draw(); nameTables(); });
  });
  if (matchMedia("(max-width: 40rem)").matches) document.querySelectorAll(".notice details").forEach((each) => { each.open = false; });
  document.querySelectorAll(".controls").forEach((each) => { each.hidden = false; });
  document.querySelector(".with-script").hidden = false;
  draw();
  nameTables();
})();
