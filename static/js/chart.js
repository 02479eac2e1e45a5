// Draws readings against the straight path to the target. The same numbers stand in a table on the page.
(() => {
  "use strict";
  const DAY = 86400000;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shorten = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
  const full = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const instant = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  const numbered = (data, value) => {
    const shown = full.format(value);
    if (data.unit === "percent") return `${shown}%`;
    return data.unit_label ? `${shown} ${data.unit_label}` : shown;
  };

  const datasets = (data) => {
    const line = data.points.map((point) => ({ x: point.t, y: point.v, manual: point.manual }));
    // A value holds until the next reading, and still holds now.
    if (line.length && data.now > line[line.length - 1].x) line.push({ ...line[line.length - 1], x: Math.min(data.now, Math.max(data.end, line[line.length - 1].x)), held: true });
    const accent = color("--accent");
    return [
      {
        label: "Actual",
        data: line,
        borderColor: accent,
        backgroundColor: accent,
        borderWidth: 2,
        tension: 0,
        pointRadius: (context) => (context.raw.held ? 0 : context.raw.manual ? 5 : line.length > 60 ? 0 : 3),
        pointStyle: (context) => (context.raw && context.raw.manual ? "rectRot" : "circle"),
        pointHitRadius: 12,
      },
      {
        label: "Path to target",
        data: [{ x: data.begin, y: data.start }, { x: data.end, y: data.target }],
        borderColor: color("--edge"),
        backgroundColor: color("--edge"),
        borderDash: [6, 5],
        borderWidth: 1.5,
        pointRadius: 0,
        pointHitRadius: 0,
      },
    ];
  };

  const options = (data) => ({
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    normalized: true,
    parsing: false,
    interaction: { mode: "nearest", axis: "x", intersect: false },
    scales: {
      x: {
        type: "linear",
        min: Math.min(data.begin, ...data.points.map((point) => point.t)),
        max: Math.max(data.end, ...data.points.map((point) => point.t)),
        grid: { display: false },
        border: { color: color("--line") },
        ticks: { color: color("--muted"), maxTicksLimit: 7, maxRotation: 0, callback: (value) => day.format(value) },
        afterBuildTicks: (axis) => {
          const step = Math.max(1, Math.round((axis.max - axis.min) / DAY / 6)) * DAY;
          axis.ticks = [];
          for (let at = axis.min; at <= axis.max; at += step) axis.ticks.push({ value: at });
        },
      },
      y: {
        grid: { color: color("--line") },
        border: { display: false },
        ticks: { color: color("--muted"), maxTicksLimit: 6, callback: (value) => shorten.format(value) },
      },
    },
    plugins: {
      legend: { position: "bottom", align: "start", labels: { color: color("--ink"), boxWidth: 16, boxHeight: 2, usePointStyle: false } },
      tooltip: {
        filter: (item) => item.datasetIndex === 0 && !item.raw.held,
        callbacks: {
          title: (items) => (items.length ? instant.format(items[0].parsed.x) : ""),
          label: (item) => `${numbered(data, item.parsed.y)}${item.raw.manual ? " (check-in)" : ""}`,
        },
      },
    },
  });

  const draw = (canvas) => {
    const data = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    window.Chart.defaults.font.size = 12;
    const old = window.Chart.getChart(canvas);
    if (old) old.destroy();
    return new window.Chart(canvas, { type: "line", data: { datasets: datasets(data) }, options: options(data) });
  };

  const drawAll = () => {
    if (!window.Chart) return;
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) draw(canvas);
  };
  document.addEventListener("DOMContentLoaded", () => document.fonts.ready.then(drawAll));
  document.addEventListener("causeway:theme", drawAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
