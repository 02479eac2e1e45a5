// Draws API calls by UTC hour, one stacked bar an hour with a color for each domain. The same numbers stand in a table on the page.
(() => {
  "use strict";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const full = new Intl.NumberFormat();
  const hour = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
  const TONES = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--muted"];

  const draw = (canvas) => {
    const data = JSON.parse(document.getElementById(canvas.dataset.hours).textContent);
    const labels = data.labels.map((text) => hour.format(new Date(text)));
    const datasets = data.series.map((series, place) => ({
      label: series.label,
      data: series.values,
      backgroundColor: color(TONES[place % TONES.length]) || color("--accent"),
      stack: "calls",
    }));
    const axis = { stacked: true, border: { display: false }, ticks: { color: color("--muted"), maxTicksLimit: 8, maxRotation: 0 } };
    return new window.Chart(canvas, {
      type: "bar",
      data: { labels, datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        scales: {
          x: { ...axis, grid: { display: false } },
          y: { ...axis, beginAtZero: true, grid: { color: color("--line") }, ticks: { ...axis.ticks, precision: 0 } },
        },
        plugins: {
          legend: { display: datasets.length > 1, position: "bottom", labels: { color: color("--ink"), boxWidth: 12 } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${full.format(item.raw)}` } },
        },
      },
    });
  };

  let drawn = [];
  const drawAll = () => {
    if (!window.Chart) return;
    drawn.forEach((chart) => chart.destroy());
    drawn = [...document.querySelectorAll("canvas[data-hours]")].map(draw);
  };
  document.addEventListener("DOMContentLoaded", () => document.fonts.ready.then(drawAll));
  document.addEventListener("causeway:theme", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
