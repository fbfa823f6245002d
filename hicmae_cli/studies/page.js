"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const WIDTH = 860;
  const charts = JSON.parse(document.getElementById("data").textContent);

  const make = (name, attributes, parent, text) => {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };
  const short = (value) => Number(value.toPrecision(4)).toString();

  const ticks = (low, high) => {
    const raw = (high - low) / 6 || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
    return found;
  };

  const draw = (figure, chart) => {
    const named = typeof chart.x[0] === "string";
    const values = chart.series.flatMap((s) => [...s.y, ...s.low, ...s.high]).filter((v) => v !== null);
    if (!values.length) return;
    if (chart.zero) values.push(0);
    const pad = (Math.max(...values) - Math.min(...values)) * 0.06 || 0.05;
    const range = [Math.min(...values) - pad, Math.max(...values) + pad];
    const left = named ? 300 : 60;
    const row = 16 + 12 * chart.series.length;
    const height = named ? row * chart.x.length + 64 : 340;
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img" }, figure);
    svg.setAttribute("aria-label", chart.title);
    const bottom = height - 44;
    const across = (share) => left + share * (WIDTH - left - 20);
    const down = (share) => 10 + share * (bottom - 10);
    const scaled = (value) => (value - range[0]) / (range[1] - range[0]);
    const xs = named ? [0, chart.x.length - 1] : [Math.min(...chart.x), Math.max(...chart.x)];
    const along = (x) => (xs[1] === xs[0] ? 0.5 : 0.04 + 0.92 * ((x - xs[0]) / (xs[1] - xs[0])));
    const place = (x, y, shift) =>
      named ? [across(scaled(y)), down((x + 0.5) / chart.x.length) + shift] : [across(along(chart.x[x])), down(1 - scaled(y))];

    for (const value of ticks(...range)) {
      const at = named ? across(scaled(value)) : down(1 - scaled(value));
      const line = named ? { x1: at, x2: at, y1: 10, y2: bottom } : { x1: left, x2: WIDTH - 20, y1: at, y2: at };
      make("line", { ...line, class: chart.zero && Math.abs(value) < 1e-12 ? "zero" : "grid" }, svg);
      const spot = named ? { x: at, y: bottom + 16, "text-anchor": "middle" } : { x: left - 6, y: at + 4, "text-anchor": "end" };
      make("text", spot, svg, short(value));
    }
    chart.x.forEach((name, index) => {
      const spot = named
        ? { x: left - 10, y: down((index + 0.5) / chart.x.length) + 4, "text-anchor": "end" }
        : { x: across(along(name)), y: bottom + 16, "text-anchor": "middle" };
      const text = String(name);
      make("text", spot, svg, text.length > 44 ? `${text.slice(0, 43)}…` : text);
    });
    const titles = named ? [chart.y_title, ""] : [chart.x_title, chart.y_title];
    make("text", { x: (left + WIDTH) / 2, y: height - 6, "text-anchor": "middle" }, svg, titles[0]);
    if (titles[1]) make("text", { x: 4, y: 8 }, svg, titles[1]);
    else if (chart.x_title) make("text", { x: left - 10, y: bottom + 16, "text-anchor": "end" }, svg, chart.x_title);

    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const legend = document.createElement("div");
    legend.className = "legend";
    chart.series.forEach((series, order) => {
      const group = make("g", { class: `s${order % 6}` }, svg);
      const shift = named ? 12 * (order - (chart.series.length - 1) / 2) : 0;
      const points = [];
      series.y.forEach((y, index) => {
        if (y === null) return;
        const [cx, cy] = place(index, y, shift);
        points.push(`${cx},${cy}`);
        let words = `${series.name}, ${chart.x[index]}: ${short(y)}`;
        const low = series.low[index];
        if (low !== undefined && low !== null) {
          const [ax, ay] = place(index, low, shift);
          const [bx, by] = place(index, series.high[index], shift);
          make("line", { x1: ax, y1: ay, x2: bx, y2: by, class: "b" }, group);
          words += ` (${short(low)} to ${short(series.high[index])})`;
        }
        const mark = make("circle", { cx, cy, r: 5, class: "m", tabindex: 0, "aria-label": words }, group);
        const show = () => {
          const box = figure.getBoundingClientRect();
          const own = mark.getBoundingClientRect();
          tip.textContent = words;
          tip.hidden = false;
          tip.style.left = `${Math.min(own.x - box.x + 12, box.width - 240)}px`;
          tip.style.top = `${own.y - box.y - 34}px`;
        };
        const hide = () => {
          tip.hidden = true;
        };
        mark.addEventListener("pointerenter", show);
        mark.addEventListener("focus", show);
        mark.addEventListener("pointerleave", hide);
        mark.addEventListener("blur", hide);
      });
      if (!named && points.length > 1) group.prepend(make("polyline", { points: points.join(" "), class: "l" }, group));
      const button = document.createElement("button");
      button.type = "button";
      button.className = `s${order % 6}`;
      button.textContent = series.name;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        group.style.display = shown ? "" : "none";
      });
      legend.append(button);
    });
    figure.append(legend, tip);
  };

  for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure, charts[figure.dataset.chart]);

  for (const table of document.querySelectorAll("table")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      let rising = false;
      head.addEventListener("click", () => {
        rising = !rising;
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
