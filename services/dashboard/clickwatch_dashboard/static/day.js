import { bars, lineChart } from "./charts.js";
import { $, ask, asked, badge, code, count, el, moment, money, none, notice, on, percent, remember, short, shortMoney, table, unitsOf } from "./page.js";
import { named } from "./shown.js";

let days = [];
let day = asked("day");
let answer = null;

const TILES = [
  ["total_events", "Events", short],
  ["buyer_count", "Buyers", short],
  ["window_shopper_count", "Window shoppers", short],
  ["buyer_rate", "Buyer rate", percent],
];

const shifted = (iso, by) => new Date(Date.parse(iso) + by * 86400000).toISOString().slice(0, 10);

async function load() {
  const list = await ask("/api/days");
  if (!list) return;
  ({ days } = list);
  if (!days.length && !day) {
    $("pick").hidden = true;
    $("content").hidden = true;
    notice("No day has been analysed yet", "The batch layer does it every day at 02:00 UTC. To analyse yesterday now: ", code("batch run"), ".");
    return;
  }
  $("pick").hidden = false;
  await show(day ?? days[0]);
}

async function show(wanted) {
  day = wanted;
  $("day").value = day;
  $("day").max = new Date().toISOString().slice(0, 10);
  $("after").disabled = day >= $("day").max;
  $("latest").disabled = !days.length || day === days[0];
  remember({ day: day === days[0] ? null : day });
  if (!days.includes(day)) {
    $("content").hidden = true;
    notice(`${day} has not been analysed`, "Its batch has not run, or failed before it published. Run it: ", code(`batch run --date ${day}`),
      days.length ? `. The latest day there is: ${days[0]}.` : ".");
    return;
  }
  const [found, top] = await Promise.all([ask(`/api/days/${day}`), ask("/api/products", { day, limit: 10 })]);
  if (!found || !top || day !== wanted) return;
  answer = found;
  $("empty").hidden = true;
  $("content").hidden = false;
  finished();
  tiles();
  conversion();
  funnel();
  trend();
  products(top.products);
  segments();
  for (const link of document.querySelectorAll("a.download")) link.href = `/api/days/${day}/${link.dataset.table}.csv`;
  for (const link of document.querySelectorAll("a.download")) if (link.textContent === "CSV") link.setAttribute("aria-label", `CSV of ${link.dataset.table}`);
  $("report").hidden = !answer.has_report;
  $("report").href = `/api/days/${day}/report.json`;
}

function change(value, other, isRate, isGood) {
  if (other === null) return "–";
  const by = isRate ? value - other : other === 0 ? null : (100 * (value - other)) / other;
  if (by === null) return "–";
  const text = Math.abs(by) < 0.05 ? "±0" : `${by > 0 ? "+" : "−"}${Math.abs(by).toFixed(1)}`;
  const kind = Math.abs(by) < 0.05 || !isGood ? "" : by > 0 ? "up" : "down";
  return el("span", { class: kind }, `${text}${isRate ? " pt" : " %"}`);
}

/** Say above the figures that they are those of a part of the day. */
function finished() {
  $("unfinished").hidden = !answer.summary.unfinished;
  if (!answer.summary.unfinished) return;
  $("unfinished").replaceChildren(badge("warn", "unfinished"),
    ` These are the figures of a part of ${day}, as of ${moment(answer.summary.generated_at)}. They are compared with no other day. A later run completes it: `, code(`batch run --date ${day}`), ".");
}

function compared(figure, isRate = false, isGood = true) {
  return answer.summary.unfinished ? [] : [
    el("dd", { class: "note" }, change(figure.value, figure.previous, isRate, isGood), " on the day before"),
    el("dd", { class: "note" }, change(figure.value, figure.mean, isRate, isGood), " on the week's mean"),
  ];
}

function tiles() {
  const counts = TILES.map(([name, label, format]) => {
    const figure = answer.compared[name];
    // More window shoppers is neither good nor bad.
    return el("div", { class: "tile" }, el("dt", {}, label), el("dd", { class: "figure", title: count(figure.value) }, format(figure.value)),
      compared(figure, name === "buyer_rate", name !== "window_shopper_count"));
  });
  $("tiles").replaceChildren(...counts, el("div", { class: "tile last" }, el("dt", {}, "Revenue"), revenue()));
}

/** The revenue of each currency for itself. */
function revenue() {
  const { compared_revenue: currencies, summary } = answer;
  if (currencies.length) {
    return currencies.flatMap((one) => [
      el("dd", { class: "figure money" }, one.digits === null ? count(one.value) : money(one, one.value)),
      one.digits === null ? el("dd", { class: "note" }, unitsOf(one.currency)) : null, ...compared(one),
    ]);
  }
  if (!summary.revenue_minor) return el("dd", { class: "figure" }, "0");
  return [
    el("dd", { class: "figure", title: count(summary.revenue_minor) }, short(summary.revenue_minor)),
    el("dd", { class: "note" }, "smallest units; this day was analysed before currencies were kept apart"),
  ];
}

function conversion() {
  const items = answer.categories.map((category) => ({ label: named(category.category, 40), value: category.conversion_rate, text: percent(category.conversion_rate) }));
  $("conversion").replaceChildren(items.length ? bars(items, "purchases") : none("No category was seen on this day."));
}

function funnel() {
  const share = (part, all) => (all ? `${((100 * part) / all).toFixed(1)} %` : "–");
  $("funnel").replaceChildren(table([
    ["Category", (c) => named(c.category, 40)], ["Views", (c) => count(c.views), "n"], ["Carts", (c) => count(c.carts), "n"], ["of views", (c) => share(c.carts, c.views), "n muted wide"],
    ["Bought", (c) => count(c.purchases), "n"], ["of carts", (c) => share(c.purchases, c.carts), "n muted wide"],
  ], answer.categories, "From view to purchase by category"));
}

/** The figures that can be drawn: those of a summary, and the revenue in each currency of the thirty days. */
function figures() {
  const currencies = new Map(answer.trend.flatMap((summary) => summary.revenue).map((one) => [one.currency, one]));
  const drawn = TILES.map(([name, label, format]) => ({ name, label, of: (summary) => summary[name], show: name === "buyer_rate" ? format : count, axis: format }));
  for (const [currency, one] of currencies) {
    drawn.push({
      name: `revenue ${currency}`, label: `Revenue, ${currency || "no named currency"}`,
      of: (summary) => summary.revenue.find((other) => other.currency === currency)?.revenue_minor ?? (summary.revenue.length || !summary.revenue_minor ? 0 : null),
      show: (minor) => money(one, minor), axis: (minor) => shortMoney(one, minor),
    });
  }
  return drawn;
}

function trend() {
  const drawn = figures();
  const select = $("figure");
  const wanted = drawn.find(({ name }) => name === select.value) ?? drawn[0];
  select.replaceChildren(...drawn.map(({ name, label }) => el("option", { value: name, selected: name === wanted.name }, label)));
  const { label: title, of, show, axis } = wanted;
  const byDay = new Map(answer.trend.map((summary) => [summary.report_date, of(summary)]));
  const x = [];
  for (let one = answer.trend[0].report_date; one <= day; one = shifted(one, 1)) x.push(one);
  const iso = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  const chart = lineChart({
    title, x: x.map((one) => Date.parse(one) / 1000), y: x.map((one) => byDay.get(one) ?? null), ink: "views", show, axis, at: iso, step: 86400,
    ticks: (seconds) => (seconds % 86400 === 0 ? iso(seconds).slice(5) : ""), height: 210,
  });
  $("trend").replaceChildren(chart, el("details", {}, el("summary", {}, "The same as a table"),
    table([["Day", (s) => s.report_date], [title, (s) => (of(s) === null ? "–" : show(of(s))), "n"], ["", (s) => (s.unfinished ? badge("warn", "unfinished") : ""), "muted"]], [...answer.trend].reverse(), "Thirty days")));
}

function products(top) {
  $("top").replaceChildren(top.length ? table([
    ["#", (p) => count(p.rank)], ["Product", (p) => el("a", { class: "id", href: `/products?day=${day}&product=${encodeURIComponent(p.product_id)}` }, named(p.product_id))],
    ["Views", (p) => count(p.view_count), "n"], ["Carts", (p) => count(p.cart_count), "n wide"], ["Bought", (p) => count(p.purchase_count), "n"],
    ["Conversion", (p) => (p.view_count ? percent((100 * p.purchase_count) / p.view_count) : "–"), "n"],
  ], top, "Top products") : none("No product was seen on this day."));
}

function segments() {
  const { buyer_count: buyers, window_shopper_count: shoppers, buyer_rate: rate } = answer.summary;
  const left = el("div");
  left.style.width = `${rate}%`;
  const dropped = answer.summary;
  $("segments").replaceChildren(
    el("div", { class: "share", role: "img", "aria-label": `${percent(rate)} of users bought` }, left, el("div")),
    el("div", { class: "legend" },
      el("i", { class: "purchases" }), el("span", {}, "Buyers"), el("span", {}, count(buyers)), el("span", { class: "muted" }, percent(rate)),
      el("i"), el("span", {}, "Window shoppers"), el("span", {}, count(shoppers)), el("span", { class: "muted" }, percent(buyers + shoppers ? 100 - rate : 0))),
    el("p", { class: "hint" }, el("br"), `Not counted: ${count(dropped.duplicate_events)} duplicate events, ${count(dropped.malformed_lines)} malformed lines, `
      + `${count(dropped.other_day_events)} events of another day${dropped.refused_records ? `, ${count(dropped.refused_records)} rows that the database refused` : ""}. Figures of ${moment(dropped.generated_at)}.`));
}

$("figure").addEventListener("change", () => answer && trend());
$("day").addEventListener("change", () => $("day").value && show($("day").value));
$("before").addEventListener("click", () => show(shifted(day, -1)));
$("after").addEventListener("click", () => show(shifted(day, 1)));
$("latest").addEventListener("click", () => show(days[0]));
$("pick").addEventListener("submit", (event) => event.preventDefault());
on("again", load);
load();
