"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const charts = JSON.parse(document.getElementById("data").textContent);
  // Marks and dashes of the series, as in figures.py.
  const MARKS = [
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.2L5 4H-5z",
    "M0-5.6L5.6 0L0 5.6L-5.6 0z",
    "M0 5.2L5-4H-5z",
    "M-1.8-5.2h3.6v3.4h3.4v3.6h-3.4v3.4h-3.6v-3.4h-3.4v-3.6h3.4z",
  ];
  const DASHES = ["none", "6 4", "2 3", "8 3 2 3", "none", "6 4"];
  const LINE = 15; // height of a line of text
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "12px system-ui,sans-serif";

  const make = (name, attributes, parent, text) => {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };
  const measure = (text) => pen.measureText(text).width * 1.04;
  const widest = (lines) => Math.max(0, ...lines.map(measure));
  const sign = (text) => text.replace("-", "−");
  const short = (value) => sign(Math.abs(value) < 1e-9 ? "0" : Number(value.toPrecision(4)).toString());

  const wrap = (text, width) => {
    const lines = [];
    let line = "";
    for (const word of String(text).split(/\s+/)) {
      const longer = line ? `${line} ${word}` : word;
      if (measure(longer) <= width) {
        line = longer;
        continue;
      }
      if (line) lines.push(line);
      line = "";
      for (const letter of word) {
        if (line && measure(line + letter) > width) {
          lines.push(line);
          line = "";
        }
        line += letter;
      }
    }
    return [...lines, line];
  };

  /** Write lines of text whose middle is at y. */
  const write = (lines, x, y, anchor, parent) => {
    const first = y + 4 - ((lines.length - 1) * LINE) / 2;
    lines.forEach((line, row) => make("text", { x, y: first + row * LINE, "text-anchor": anchor }, parent, line));
  };

  const ticks = (low, high, most) => {
    const raw = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step);
    return found.map((value) => [value, sign(value.toFixed(digits))]);
  };

  const bounds = (chart) => {
    const values = chart.series.flatMap((s) => [...s.y, ...s.low, ...s.high]).filter((v) => v !== null);
    if (!values.length) return null;
    if (chart.zero) values.push(0);
    if (chart.reference) values.push(chart.reference.y);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = high - low > 1e-9 ? (high - low) * 0.06 : 0.05;
    return [low - pad, high + pad];
  };

  /** Lay out a chart with names: a row for each, values to the right -> places, and the drawing of axes. */
  const layNames = (chart, range, width) => {
    const labels = chart.x.map((name) => wrap(name, width * 0.42 - 12));
    const [left, right] = [Math.max(...labels.map(widest)) + 12, width - 16];
    const top = chart.reference ? 24 : 8;
    const rows = labels.map((lines) => Math.max(16 + 12 * chart.series.length, LINE * lines.length + 10));
    const ends = rows.map((_, index) => top + rows.slice(0, index + 1).reduce((a, b) => a + b));
    const [middle, bottom] = [(index) => ends[index] - rows[index] / 2, ends.at(-1)];
    const value = (y) => left + ((y - range[0]) / (range[1] - range[0])) * (right - left);
    const drawAxes = (svg) => {
      for (const [y, text] of ticks(...range, Math.max(2, Math.min(7, (right - left) / 60)))) {
        make("line", { x1: value(y), x2: value(y), y1: top, y2: bottom, class: "grid" }, svg);
        write([text], value(y), bottom + 12, "middle", svg);
      }
      labels.forEach((lines, index) => write(lines, left - 10, middle(index), "end", svg));
      const title = wrap(chart.y_title, width - 16);
      const half = widest(title) / 2;
      write(title, Math.min((left + right) / 2, width - half - 2), bottom + 32, "middle", svg);
      const rule = (y, kind) => make("line", { x1: value(y), x2: value(y), y1: top, y2: bottom, class: kind }, svg);
      if (chart.zero) rule(0, "zero");
      if (!chart.reference) return;
      rule(chart.reference.y, "reference");
      const room = widest([chart.reference.name]) / 2 + 2;
      const at = Math.max(room, Math.min(value(chart.reference.y), width - room));
      write([chart.reference.name], at, top - 12, "middle", svg);
    };
    const place = (index, y, order) => [value(y), middle(index) + 12 * (order - (chart.series.length - 1) / 2)];
    return { height: bottom + 44, place, drawAxes, lines: false };
  };

  /** Keep every number, or every second and so on, so that none stands on the next. */
  const thin = (numbers, along) => {
    const ends = (x, side) => along(x) + (side * (measure(String(x)) + 6)) / 2;
    for (let by = 1; ; by++) {
      const kept = numbers.filter((_, index) => index % by === 0);
      if (kept.every((x, index) => index === 0 || ends(x, -1) > ends(kept[index - 1], 1))) return kept;
    }
  };

  /** Lay out a chart over numbers: values upwards, lines between the points. */
  const layNumbers = (chart, range, width) => {
    const marks = ticks(...range, 6);
    const named = chart.reference ? wrap(chart.reference.name, Math.max(50, width * 0.18)) : [];
    const left = widest(marks.map(([, text]) => text)) + 10;
    const right = width - (named.length ? widest(named) + 8 : 16);
    const [top, bottom] = [28, 300];
    const sorted = [...new Set(chart.x)].sort((a, b) => a - b);
    const [first, span] = [sorted[0], sorted.at(-1) - sorted[0]];
    const step = Math.min(...sorted.slice(1).map((x, index) => x - sorted[index]));
    const gap = span ? Math.min(0.06, 0.3 / chart.series.length) * step : 0;
    const along = (x) => left + (right - left) * (span ? 0.05 + (0.9 * (x - first)) / span : 0.5);
    const value = (y) => bottom - ((y - range[0]) / (range[1] - range[0])) * (bottom - top);
    const drawAxes = (svg) => {
      const rule = (y, kind) => make("line", { x1: left, x2: right, y1: value(y), y2: value(y), class: kind }, svg);
      for (const [y, text] of marks) {
        rule(y, "grid");
        write([text], left - 6, value(y), "end", svg);
      }
      for (const x of thin(sorted, along)) write([String(x)], along(x), bottom + 12, "middle", svg);
      write([chart.y_title], 0, 8, "start", svg);
      write([chart.x_title], (left + right) / 2, bottom + 32, "middle", svg);
      if (chart.zero) rule(0, "zero");
      if (!chart.reference) return;
      rule(chart.reference.y, "reference");
      write(named, right + 5, value(chart.reference.y), "start", svg);
    };
    const place = (index, y, order) => [along(chart.x[index] + gap * (order - (chart.series.length - 1) / 2)), value(y)];
    return { height: bottom + 44, place, drawAxes, lines: true };
  };

  /** Draw the points of a series -> its marks with their places and words. */
  const drawSeries = (svg, chart, layout, order) => {
    const series = chart.series[order];
    const group = make("g", { class: kind(order) }, svg);
    const marks = [];
    let path = "";
    series.y.forEach((y, index) => {
      if (y === null) return;
      const [x, up] = layout.place(index, y, order);
      path += `${index && series.y[index - 1] !== null ? "L" : "M"}${x} ${up}`;
      let words = `${chart.series.length > 1 ? `${series.name}, ` : ""}${chart.x[index]}: ${short(y)}`;
      const [low, high] = [series.low[index] ?? null, series.high[index] ?? null];
      if (low !== null && high !== null) {
        const [[x1, y1], [x2, y2]] = [low, high].map((end) => layout.place(index, end, order));
        make("line", { x1, y1, x2, y2, class: "bar" }, group);
        words += ` (${short(low)} to ${short(high)})`;
      }
      marks.push({ x, y: up, words });
    });
    if (layout.lines) make("path", { d: path, class: "line", "stroke-dasharray": DASHES[order % 6] }, group);
    for (const mark of marks) {
      const look = { d: MARKS[order % 6], transform: `translate(${mark.x} ${mark.y})`, class: "mark", role: "img" };
      mark.node = make("path", { ...look, tabindex: -1, "aria-label": mark.words }, group);
    }
    return marks;
  };
  const kind = (order) => `s${order % 6}${order < 6 ? "" : " hollow"}`;

  const drawLegend = (chart, hidden, redraw) => {
    const legend = document.createElement("div");
    legend.className = "legend";
    chart.series.forEach((series, order) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(!hidden.has(order)));
      const key = make("svg", { viewBox: "0 0 28 12", class: `key ${kind(order)}`, "aria-hidden": true }, button);
      const dashes = { "stroke-dasharray": typeof chart.x[0] === "string" ? "none" : DASHES[order % 6] };
      make("path", { d: "M0 6H28", class: "line", ...dashes }, key);
      make("path", { d: MARKS[order % 6], transform: "translate(14 6)", class: "mark" }, key);
      button.append(series.name);
      button.addEventListener("click", () => {
        if (!hidden.delete(order)) hidden.add(order);
        redraw();
        button.setAttribute("aria-pressed", String(!hidden.has(order)));
      });
      legend.append(button);
    });
    return legend;
  };

  /** Show the numbers of the mark that the pointer is next to, or that the arrow keys reach. */
  const answer = (svg, tip, marks, width) => {
    let chosen = -1;
    const show = (index) => {
      marks[chosen]?.node.classList.remove("on");
      chosen = index;
      tip.hidden = !marks[index];
      if (tip.hidden) return;
      marks[index].node.classList.add("on");
      tip.textContent = marks[index].words;
      const scale = svg.clientWidth / width || 1;
      const [x, y] = [svg.parentNode.offsetLeft + marks[index].x * scale, svg.parentNode.offsetTop + marks[index].y * scale];
      const most = tip.parentNode.clientWidth - tip.offsetWidth - 4;
      tip.style.left = `${Math.max(4, Math.min(x - tip.offsetWidth / 2, most))}px`;
      tip.style.top = `${y - tip.offsetHeight - 12}px`;
    };
    const follow = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = box.width / width;
      const far = marks.map((m) => Math.hypot(event.clientX - box.x - m.x * scale, event.clientY - box.y - m.y * scale));
      const nearest = far.indexOf(Math.min(...far));
      show(far[nearest] < 24 ? nearest : -1);
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", () => show(-1));
    svg.addEventListener("focusout", () => show(-1));
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return show(-1);
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by || !marks.length) return;
      event.preventDefault();
      const next = (Math.max(chosen, by < 0 ? 0 : -1) + by + marks.length) % marks.length;
      marks[next].node.focus();
      show(next);
    });
    svg.addEventListener("focusin", (event) => {
      if (event.target === svg) show(0);
    });
  };

  const start = (figure, chart) => {
    const range = bounds(chart);
    const holder = document.createElement("div");
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    if (!range) holder.textContent = "Nothing was measured.";
    figure.append(holder, tip);
    if (!range) return;
    const hidden = new Set();
    let width = 0;
    const draw = () => {
      const layout = (typeof chart.x[0] === "string" ? layNames : layNumbers)(chart, range, width);
      const look = { viewBox: `0 0 ${width} ${layout.height}`, role: "group", tabindex: 0, "aria-label": chart.title };
      tip.hidden = true;
      holder.replaceChildren();
      const svg = make("svg", look, holder);
      layout.drawAxes(svg);
      const shown = chart.series.map((_, order) => order).filter((order) => !hidden.has(order));
      answer(svg, tip, shown.flatMap((order) => drawSeries(svg, chart, layout, order)), width);
    };
    const fit = () => {
      const now = Math.max(320, Math.min(920, Math.floor(holder.clientWidth)));
      if (now === width) return;
      width = now;
      draw();
    };
    fit();
    new ResizeObserver(fit).observe(figure);
    if (chart.series.length > 1) figure.append(drawLegend(chart, hidden, draw));
  };

  for (const figure of document.querySelectorAll("figure[data-chart]")) start(figure, charts[figure.dataset.chart]);

  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") !== "ascending";
        for (const each of heads) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const body = table.tBodies[0];
        const key = (row) => row.cells[column].textContent;
        const compare = (a, b) => {
          const [x, y] = [parseFloat(key(a)), parseFloat(key(b))];
          return Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
        };
        [...body.rows].sort((a, b) => (rising ? compare(a, b) : compare(b, a))).forEach((row) => body.append(row));
      });
    });
  }
})();
