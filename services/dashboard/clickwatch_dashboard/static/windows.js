// The windows of one product: views and purchases beside their thresholds.

import { lineChart } from "./charts.js";
import { count, el, none, table, time } from "./page.js";

export function windowCharts(answer) {
  const { windows } = answer;
  if (!windows.length) return [none("No windows of this product in the last hours. Counts appear when a window closes, or when it raises an alert.")];
  const x = windows.map((window) => Date.parse(window.window_start) / 1000);
  const at = (seconds) => `${time(new Date(seconds * 1000).toISOString())}–${time(new Date(seconds * 1000 + 600000).toISOString())}`;
  const ticks = (seconds) => time(new Date(seconds * 1000).toISOString());
  const chart = (title, field, ink, limit, limitText) =>
    lineChart({ title, x, y: windows.map((window) => window[field]), ink, limit, limitText, at, ticks, height: 150, key: "windows" });
  return [
    chart("Views", "views", "views", answer.views_threshold, `an alert above ${count(answer.views_threshold)}`),
    chart("Purchases", "purchases", "purchases", answer.purchases_threshold, `no alert from ${count(answer.purchases_threshold)} on`),
    el("details", {}, el("summary", {}, "The same as a table"), table(
      [["Window", (w) => `${time(w.window_start)}–${time(w.window_end)}`], ["Views", (w) => count(w.views), "n"], ["Carts", (w) => count(w.carts), "n"],
        ["Bought", (w) => count(w.purchases), "n"], ["", (w) => (w.closed ? "closed" : "open"), "muted"]],
      [...windows].reverse(), "Windows")),
  ];
}
