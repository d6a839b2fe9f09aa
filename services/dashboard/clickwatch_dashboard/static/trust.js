import { bars } from "./charts.js";
import { $, age, ask, asked, badge, code, count, el, moment, none, notice, on, percent, remember, table, troubled } from "./page.js";
import { named, shown } from "./shown.js";

let days = [];
let day = asked("day");
let status = null;
let trust = null;

async function load() {
  const [answer, list] = await Promise.all([ask("/api/trust"), ask("/api/days")]);
  if (!answer || !list) return;
  trust = answer;
  [status = null] = trust.status;
  ({ days } = list);
  const isWhole = (one) => !list.unfinished.includes(one);
  const isEmpty = !status && !days.length;
  if (isEmpty) notice("Nothing to trust yet", "Neither streaming nor batch has written anything. Start the pipeline by ", code("./pants up"), ".");
  else $("empty").hidden = true;
  freshness();
  letters();
  counts();
  schemas();
  day = days.includes(day) ? day : (days[0] ?? null);
  $("day").replaceChildren(...(days.length ? days : [""]).map((one) => el("option", { value: one, selected: one === day }, !one ? "none yet" : isWhole(one) ? one : `${one}, unfinished`)));
  await showDay();
}

function freshness() {
  const { freshness: fresh } = trust;
  const now = Date.now();
  const layer = (name, what, at, isGood) => ({ name, what, at, verdict: at === null || at === undefined ? "none" : isGood ? "pass" : "warn" });
  const within = (iso, seconds) => Boolean(iso) && now - Date.parse(iso) < seconds * 1000;
  const yesterday = new Date(now - 86400000).toISOString().slice(0, 10);
  const rows = [
    layer("Speed layer", troubled(status) || "streaming last reported", status?.updated_at, within(status?.updated_at, 20) && !troubled(status)),
    layer("Events", "newest event in the lake", status?.newest_event_time, within(status?.newest_event_time, 300)),
    layer("Lake", "last batch written", status?.lake_written_at, within(status?.lake_written_at, 300)),
    layer("Windows", "closed up to", status?.closed_until, within(status?.closed_until, 2400)),
    layer("Alerts", "last change of an alert", fresh.alerts_updated_at, true),
    layer("Batch", `last day ${fresh.last_day ?? "–"}, its figures of`, fresh.last_day_generated_at, fresh.last_day >= yesterday),
  ];
  $("fresh").replaceChildren(table([
    ["Layer", (row) => row.name], ["What", (row) => row.what, "muted"], ["Age", (row) => (row.at ? age(row.at, now) : "–"), "n"], ["When", (row) => (row.at ? moment(row.at) : "never"), "wide"],
    ["", (row) => badge(row.verdict, { pass: "fresh", warn: "old", none: "nothing yet" }[row.verdict])],
  ], rows, "Freshness of each layer"));
}

async function showDay() {
  for (const link of document.querySelectorAll("a.download")) {
    link.hidden = !day;
    if (day) link.href = `/api/days/${day}/${link.dataset.table}.csv`;
    link.setAttribute("aria-label", `CSV of ${link.dataset.table}`);
  }
  if (!day) {
    $("agree").replaceChildren(none("No day has been analysed yet: ", code("batch run")));
    $("gates").replaceChildren(none("No day has been analysed yet."));
    return;
  }
  const answer = await ask(`/api/days/${day}/trust`, { limit: 40 });
  if (!answer) return;
  remember({ day: day === days[0] ? null : day });
  const { reconciliation, gates, summary } = answer;
  const totals = reconciliation.filter((row) => !row.product_id);
  const products = reconciliation.filter((row) => row.product_id);
  const sign = (n) => (n > 0 ? `+${count(n)}` : n < 0 ? `−${count(-n)}` : "0");
  const columns = [
    ["Speed", (row) => count(row.speed_value), "n"], ["Batch", (row) => count(row.batch_value), "n"], ["Difference", (row) => sign(row.difference), "n"],
    ["Late", (row) => sign(row.late), "n wide"], ["Duplicate", (row) => sign(row.duplicate), "n wide"], ["Quarantined", (row) => sign(row.quarantined), "n wide"],
    ["Unexplained", (row) => (row.unexplained ? el("b", { class: "down" }, sign(row.unexplained)) : "0"), "n"],
  ];
  const name = { views: "Views", carts: "Carts", purchases: "Purchases", total_events: "All events" };
  $("agree").replaceChildren(...(totals.length
    ? [el("p", { class: "hint" }, verdictOf(totals)), table([["Count", (row) => name[row.metric] ?? row.metric], ...columns], totals, "Totals"),
      products.length ? el("details", {}, el("summary", {}, "Products that differ most"), table([["Product", (row) => named(row.product_id), "id"], ["Count", (row) => name[row.metric] ?? row.metric], ...columns], products, "Products")) : null].filter(Boolean)
    : summary?.unfinished ? [none(`${day} is unfinished: a part of a day is compared with nothing. When it is over: `, code(`batch run --date ${day}`))]
    : [none(`Speed and batch have not been compared for ${day}: streaming did not count the whole day, or the day was not run since. If it did, run it: `, code(`batch run --date ${day}`))]));
  $("gates").replaceChildren(gates.length
    ? table([["Gate", (gate) => gate.gate.replaceAll("_", " ")], ["Measured", (gate) => number(gate.measured), "n"], ["Warns at", (gate) => number(gate.warn_at), "n"], ["Fails at", (gate) => number(gate.fail_at), "n"],
      ["", (gate) => shown(gate.note), "muted wide"], ["Verdict", (gate) => badge(gate.verdict)]], gates, "Quality gates")
    : none(`No gate has judged ${day}.`));
  if (summary?.refused_records) $("gates").append(el("p", { class: "hint" }, el("b", { class: "down" }, count(summary.refused_records)), " rows of this day were refused by a table of the database. They are kept in ", code(`quarantine/refused_${day}.jsonl`), " of batch, with the database's words."));
}

function verdictOf(totals) {
  const views = totals.find((row) => row.metric === "total_events") ?? totals[0];
  const share = views.batch_value ? (100 * Math.abs(views.unexplained)) / views.batch_value : 0;
  return totals.every((row) => row.difference === 0) ? "The two layers agree to the event."
    : totals.every((row) => row.unexplained === 0) ? "They differ, and every event of the difference is explained."
      : `${percent(share)} of ${count(views.batch_value)} is not explained.`;
}

const number = (n) => (n === null ? "–" : Number.isInteger(n) ? count(n) : String(Number(n.toPrecision(4))));

function letters() {
  const items = trust.dead_letters.map((one) => ({ label: named(one.reason.replaceAll("_", " "), 40), value: one.messages, text: count(one.messages) }));
  $("letters").replaceChildren(items.length ? bars(items) : none(status ? "None: every message could be used." : "Streaming has not reported yet."));
}

function counts() {
  if (!status) return $("counts").replaceChildren(none("Streaming has not reported yet."));
  const share = (n) => percent(status.events ? (100 * n) / status.events : 0);
  return $("counts").replaceChildren(table([
    ["Since the lake began", (row) => row[0]], ["Events", (row) => count(row[1]), "n"], ["Share", (row) => share(row[1]), "n muted"],
  ], [["Kept in the lake", status.events], ["Late: missing from windows", status.late], ["Repeated: counted once", status.duplicates], ["Dead letters", status.dead_letters]], "Late and repeated"));
}

function schemas() {
  $("schemas").replaceChildren(trust.schemas.length ? table([
    ["Id", (one) => count(one.schema_id)], ["Version", (one) => (one.version === null ? "unknown" : `v${one.version}`)], ["Topic", (one) => named(one.topic), "wide"],
    ["Messages", (one) => count(one.messages), "n"], ["Last seen", (one) => `${age(one.last_seen)} ago`, "n"],
  ], trust.schemas, "Schemas in use") : none("No message has been read yet."));
}

$("day").addEventListener("change", () => {
  day = $("day").value;
  showDay();
});
on("status", (message) => {
  [status = null] = message.status;
  if (trust) {
    freshness();
    counts();
  }
});
on("again", load);
setInterval(load, 30000);
load();
