// Lines over time, by uPlot; colours come from the style sheet.
/* global uPlot */

import { count, el, setText } from "./page.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const drawn = new Set();
const EVERY = [1, 2, 3, 6, 12, 24, 72, 288];

function redraw() {
  for (const chart of drawn) {
    if (chart.place.isConnected) chart.draw();
    else drawn.delete(chart);
  }
}
document.addEventListener("themechange", redraw);
addEventListener("resize", redraw);

/** Where an x is marked: at whole steps, never between two, and only as many as can be read. */
function marks(from, to, step, width) {
  const room = Math.max(1, Math.floor((width - 58) / 70));
  const every = step * (EVERY.find((n) => (to - from) / (n * step) < room) ?? EVERY.at(-1));
  const found = [];
  for (let at = Math.ceil(from / every) * every; at <= to; at += every) found.push(at);
  return found;
}

/**
 * A chart of one figure.
 * @param {object} what title, x (epoch seconds), y, ink (a colour of the style sheet), limit (drawn dashed),
 *   limitText, show (a value as text), axis (a value as a short text beside the chart), at (an x as text), ticks (an x on
 *   the axis as text), step (seconds between two x), height, key (charts of one key point at the same x).
 */
export function lineChart(what) {
  const { title, x, y, ink, limit = null, limitText = "", show = count, axis: onAxis = show, at, step = 300, height = 150, key = null } = what;
  const readout = el("span", { class: "at" });
  const canvas = el("div", { class: "canvas" });
  const known = y.filter((value) => value !== null);
  const summary = known.length
    ? `${title}: from ${show(Math.min(...known))} to ${show(Math.max(...known))}, last ${show(known.at(-1))}${limit === null ? "" : `; ${limitText}`}`
    : `${title}: no figures`;
  const heading = el("h3", {}, title, limit === null ? null : el("span", { class: "limit" }, limitText), readout);
  const place = el("div", { class: "chart" }, heading, el("div", { role: "img", "aria-label": summary }, canvas));
  const from = (x[0] ?? 0) - (x.length === 1 ? step : 0);
  const to = (x.at(-1) ?? 0) + (x.length === 1 ? step : 0);
  const last = () => (x.length ? `${at(x.at(-1))}: ${show(y.at(-1) ?? 0)}` : "");
  setText(readout, last());

  function draw() {
    canvas.replaceChildren();
    const width = Math.max(220, canvas.clientWidth);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const line = colour(ink);
    new uPlot({
      width, height,
      legend: { show: false },
      cursor: { y: false, drag: { x: false }, points: { size: 7 }, ...(key ? { sync: { key } } : {}) },
      scales: { x: { time: true, range: () => [from, to] }, y: { range: (u, from, to) => [0, Math.max(to, limit ?? 0, 1) * 1.12] } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [
        { ...axis, grid: { show: false }, size: 30, splits: () => marks(from, to, step, width), values: (u, splits) => splits.map((split) => what.ticks(split)) },
        { ...axis, size: 58, space: 32, values: (u, splits) => splits.map((split) => (Number.isInteger(split) || Math.max(...known, limit ?? 0) < 5 ? onAxis(split) : "")) },
      ],
      series: [
        {},
        { stroke: line, width: 2, fill: `${line}1c`, points: { show: x.length < 40, size: 5, fill: line }, spanGaps: false },
        ...(limit === null ? [] : [{ stroke: colour("threshold"), width: 1.5, dash: [5, 4], points: { show: false } }]),
      ],
      hooks: { setCursor: [(u) => setText(readout, u.cursor.idx === null || u.cursor.idx === undefined ? last() : `${at(x[u.cursor.idx])}: ${y[u.cursor.idx] === null ? "–" : show(y[u.cursor.idx])}`)] },
    }, limit === null ? [x, y] : [x, y, x.map(() => limit)], canvas);
  }

  const chart = { place, draw };
  drawn.add(chart);
  // Once it is in the page, it knows how wide it is.
  requestAnimationFrame(() => place.isConnected && draw());
  return place;
}

/** Bars, longest first as given: `items` are {label, value, text}. */
export function bars(items, kind = "") {
  const most = Math.max(...items.map((item) => item.value), 0) || 1;
  return el("ul", { class: "bars" }, items.map((item) => {
    const fill = el("div", { class: `fill ${kind}` });
    fill.style.width = `${(100 * item.value) / most}%`;
    return el("li", {}, el("span", { class: "label" }, item.label), el("div", { class: "track", "aria-hidden": "true" }, fill), el("span", { class: "value" }, item.text));
  }));
}
