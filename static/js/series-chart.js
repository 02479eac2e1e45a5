// Draws lines by UTC day: members of a segment, users and events of a customer. The same numbers stand in a table on the page.
(() => {
  "use strict";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shorten = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
  const full = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
  const shown = (text) => day.format(new Date(`${text}T00:00:00Z`));

  const line = (series, place, points) => ({
    label: series.label,
    data: series.values,
    yAxisID: series.second ? "second" : "y",
    borderColor: color(place ? "--edge" : "--accent"),
    backgroundColor: color(place ? "--edge" : "--accent"),
    borderWidth: 2,
    borderDash: place ? [6, 5] : [],
    tension: 0,
    pointRadius: points > 40 ? 0 : 3,
    pointHitRadius: 12,
  });

  const axis = (title, side) => ({
    position: side,
    beginAtZero: true,
    title: { display: Boolean(title), text: title, color: color("--muted") },
    grid: side === "left" ? { color: color("--line") } : { display: false },
    border: { display: false },
    ticks: { color: color("--muted"), maxTicksLimit: 6, precision: 0, callback: (value) => shorten.format(value) },
  });

  const scales = (data) => {
    const first = data.series.find((series) => !series.second);
    const second = data.series.find((series) => series.second);
    const found = {
      x: { grid: { display: false }, border: { color: color("--line") }, ticks: { color: color("--muted"), maxTicksLimit: 7, maxRotation: 0, callback: (_, place) => shown(data.labels[place]) } },
      y: axis(second && first ? first.label : "", "left"),
    };
    if (second) found.second = axis(second.label, "right");
    return found;
  };

  const draw = (canvas) => {
    const data = JSON.parse(document.getElementById(canvas.dataset.series).textContent);
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    window.Chart.defaults.font.size = 12;
    const old = window.Chart.getChart(canvas);
    if (old) old.destroy();
    return new window.Chart(canvas, {
      type: "line",
      data: { labels: data.labels, datasets: data.series.map((series, place) => line(series, place, data.labels.length)) },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: scales(data),
        plugins: {
          legend: { display: data.series.length > 1, position: "bottom", align: "start", labels: { color: color("--ink"), boxWidth: 16, boxHeight: 2 } },
          tooltip: { callbacks: { title: (items) => (items.length ? shown(data.labels[items[0].dataIndex]) : ""), label: (item) => `${item.dataset.label}: ${full.format(item.parsed.y)}` } },
        },
      },
    });
  };

  const drawAll = () => {
    if (!window.Chart) return;
    for (const canvas of document.querySelectorAll("canvas[data-series]")) draw(canvas);
  };
  document.addEventListener("DOMContentLoaded", () => document.fonts.ready.then(drawAll));
  document.addEventListener("causeway:theme", drawAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
