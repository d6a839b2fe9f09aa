import { lineChart } from "./charts.js";
import { $, ask, asked, badge, code, count, el, none, notice, on, percent, remember, setText, table, time } from "./page.js";
import { named, shown } from "./shown.js";

const LIMIT = 25;
let offset = 0;
let days = [];
let day = asked("day");
let chosen = asked("product");
$("text").value = asked("search") ?? "";

async function load() {
  const list = await ask("/api/days");
  if (!list) return;
  ({ days } = list);
  const isWhole = (one) => !list.unfinished.includes(one);
  $("empty").hidden = days.length > 0;
  $("content").hidden = !days.length && !chosen;
  if (!days.length) notice("No day has been analysed yet", "Products are ranked by the batch layer: ", code("batch run"), ".");
  day = days.includes(day) ? day : (days[0] ?? null);
  $("day").replaceChildren(...(days.length ? days : [""]).map((one) => el("option", { value: one, selected: one === day }, !one ? "none yet" : isWhole(one) ? one : `${one}, unfinished`)));
  await Promise.all([list_(), chosen ? show(chosen) : null]);
}

async function list_() {
  if (!day) return;
  const search = $("text").value.trim();
  const answer = await ask("/api/products", { day, search, limit: LIMIT, offset });
  if (!answer || search !== $("text").value.trim()) return;
  remember({ search, day: day === days[0] ? null : day });
  setText($("total"), `${count(answer.total)} product${answer.total === 1 ? "" : "s"}`);
  $("list").replaceChildren(answer.products.length ? table([
    ["#", (p) => count(p.rank)], ["Product", (p) => el("button", { type: "button", class: "link", onclick: () => show(p.product_id) }, named(p.product_id))],
    ["Views", (p) => count(p.view_count), "n"], ["Carts", (p) => count(p.cart_count), "n wide"], ["Bought", (p) => count(p.purchase_count), "n"], ["Conversion", (p) => conversion(p), "n"],
  ], answer.products, "Products by views") : none(search ? `No product of ${day} has “${shown(search, 80)}” in its id.` : "No product was seen on this day."));
  setText($("range"), answer.products.length ? `${count(offset + 1)}–${count(offset + answer.products.length)} of ${count(answer.total)}` : "");
  $("back").disabled = offset === 0;
  $("on").disabled = offset + LIMIT >= answer.total;
}

const conversion = (p) => (p.view_count ? percent((100 * p.purchase_count) / p.view_count) : "–");

async function show(product) {
  chosen = product;
  const [history, alerts] = await Promise.all([ask("/api/product-days", { product, days: 90 }), ask("/api/alerts", { product, limit: 20 })]);
  if (!history || !alerts || chosen !== product) return;
  remember({ product });
  $("one-title").replaceChildren(named(product));
  const rows = history.days;
  const at = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  const ticks = (seconds) => (seconds % 86400 === 0 ? at(seconds).slice(5) : "");
  const x = rows.map((row) => Date.parse(row.report_date) / 1000);
  const chart = (title, ink, y, format = count) => lineChart({ title, x, y, ink, at, ticks, step: 86400, show: format, height: 130, key: "days" });
  const figures = rows.length ? [
    chart("Views", "views", rows.map((row) => row.view_count)),
    chart("Purchases", "purchases", rows.map((row) => row.purchase_count)),
    chart("Conversion", "purchases", rows.map((row) => (row.view_count ? (100 * row.purchase_count) / row.view_count : null)), percent),
    el("details", {}, el("summary", {}, "The same as a table"), table([
      ["Day", (row) => row.report_date], ["#", (row) => count(row.rank), "n"], ["Views", (row) => count(row.view_count), "n"], ["Carts", (row) => count(row.cart_count), "n"],
      ["Bought", (row) => count(row.purchase_count), "n"], ["Conversion", conversion, "n"]], [...rows].reverse(), "Day by day")),
  ] : [none("Not seen on any day that was analysed.")];
  $("one").replaceChildren(...figures, el("div", { class: "card-head" }, el("h2", {}, "Alerts")),
    alerts.alerts.length ? table([
      ["Window", (a) => `${a.window_start.slice(0, 10)} ${time(a.window_start)}–${time(a.window_end)}`], ["Views", (a) => count(a.views), "n"], ["Bought", (a) => count(a.purchases), "n"], ["State", (a) => badge(a.status)],
    ], alerts.alerts, "Alerts of this product") : none("It never raised an alert."));
}

let typing = null;
$("text").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    offset = 0;
    list_();
  }, 200);
});
$("search").addEventListener("submit", (event) => event.preventDefault());
$("day").addEventListener("change", () => {
  day = $("day").value;
  offset = 0;
  list_();
});
$("back").addEventListener("click", () => {
  offset = Math.max(0, offset - LIMIT);
  list_();
});
$("on").addEventListener("click", () => {
  offset += LIMIT;
  list_();
});
on("again", load);
load();
