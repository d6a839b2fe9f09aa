import { $, age, ask, asked, badge, code, count, el, notice, on, remember, setText, time, troubled } from "./page.js";
import { named, shown } from "./shown.js";
import { windowCharts } from "./windows.js";

const FADED_AFTER = 15 * 60000;
const alerts = new Map();
const older = new Map();
const rows = new Map();
let counts = {};
let status = null;
let chosen = asked("product");
let known = false;

const keyOf = (alert) => `${alert.product_id} ${Date.parse(alert.window_start)}`;

on("everything", (message) => {
  alerts.clear();
  for (const alert of message.alerts) alerts.set(keyOf(alert), alert);
  ({ counts } = message);
  [status = null] = message.status;
  known = message.known;
  if (!chosen && message.alerts.length) choose(message.alerts[0].product_id, false);
  render();
});

on("alerts", (message) => {
  const fresh = [];
  for (const alert of message.changed) {
    const key = keyOf(alert);
    if (!alerts.has(key) && !older.has(key) && alert.status === "active") fresh.push(alert);
    alerts.set(key, alert);
    older.delete(key);
  }
  for (const gone of message.gone) {
    const at = gone.lastIndexOf(" ");
    alerts.delete(`${gone.slice(0, at)} ${Date.parse(gone.slice(at + 1))}`);
  }
  ({ counts } = message);
  render(new Set(fresh.map(keyOf)));
  if (fresh.length) tell(fresh);
  if (message.changed.some((alert) => alert.product_id === chosen)) drawSoon();
});

on("status", (message) => {
  [status = null] = message.status;
  renderStatus();
});

on("again", () => draw());

function renderStatus() {
  const now = Date.now();
  const silent = status && now - Date.parse(status.updated_at) > 20000;
  setText($("rate"), status ? (silent ? "–" : count(status.messages_per_second)) : "–");
  setText($("rate-note"), status ? `on ${shown(status.topic, 40)}` : "streaming has not reported yet");
  setText($("behind"), status ? count(status.alerts_unread) : "–");
  setText($("reported"), status ? `${age(status.updated_at, now)} ago` : "–");
  setText($("reported-note"), status ? (silent ? "it is silent: is it running?" : troubled(status) || "once a second") : "");
  setText($("lake"), status?.lake_written_at ? `${age(status.lake_written_at, now)} ago` : "–");
  setText($("lake-note"), status ? `${count(status.lake_unread)} messages since` : "");
  setText($("active"), count(counts.active ?? 0));
  setText($("ended"), `${count(counts.confirmed ?? 0)} confirmed, ${count(counts.retracted ?? 0)} retracted in 24 h`);
  for (const state of ["active", "confirmed", "retracted"]) setText($(`n-${state}`), count(counts[state] ?? 0));
  const isEmpty = known && !status && !alerts.size;
  if (isEmpty) notice("Nothing has arrived yet", "Start the pipeline by ", code("./pants up"), ", or start ", code("streaming run"), " and send events to its topic. This page fills by itself.");
  else $("empty").hidden = true;
}

function visible() {
  const state = document.querySelector("input[name=state]:checked").value;
  const category = $("category").value;
  const now = Date.now();
  return [...alerts.values(), ...older.values()]
    .filter((alert) => !state || alert.status === state)
    .filter((alert) => !category || alert.product_category === category)
    .filter((alert) => state || alert.status !== "retracted" || now - Date.parse(alert.updated_at) < FADED_AFTER)
    .sort((a, b) => (b.status === "active") - (a.status === "active") || order(b).localeCompare(order(a)) || a.product_id.localeCompare(b.product_id));
}

const order = (alert) => (alert.status === "active" ? alert.detected_at : alert.updated_at);

function render(fresh = new Set()) {
  const body = $("alerts").tBodies[0];
  const list = visible();
  const wanted = new Set(list.map(keyOf));
  for (const [key, row] of rows) {
    if (!wanted.has(key)) {
      row.remove();
      rows.delete(key);
    }
  }
  let place = body.firstElementChild;
  for (const alert of list) {
    const key = keyOf(alert);
    const row = rows.get(key) ?? newRow(alert, key, fresh.has(key));
    fill(row, alert);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  $("no-alerts").hidden = list.length > 0;
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  setText($("shown"), list.length ? `${count(list.length)} shown` : "");
  $("more").hidden = alerts.size + older.size >= all;
  fillCategories();
  renderStatus();
}

function newRow(alert, key, isFresh) {
  const open = el("button", { type: "button", class: "link id" }, named(alert.product_id));
  open.addEventListener("click", () => choose(alert.product_id));
  const row = el("tr", {}, el("td", {}, open), el("td", {}), el("td", { class: "wide" }), el("td", { class: "wide span" }, `${time(alert.window_start)}–${time(alert.window_end)}`),
    el("td", { class: "n" }), el("td", { class: "n" }), el("td", { class: "n age" }));
  row.dataset.detected = alert.detected_at;
  if (isFresh) row.classList.add("fresh");
  rows.set(key, row);
  return row;
}

function fill(row, alert) {
  const cells = row.cells;
  if (cells[2].dataset.name !== alert.product_category) {
    cells[2].dataset.name = alert.product_category;
    cells[2].replaceChildren(named(alert.product_category, 40));
  }
  setText(cells[4], count(alert.views));
  setText(cells[5], count(alert.purchases));
  setText(cells[6], age(alert.detected_at));
  if (cells[1].textContent !== alert.status) cells[1].replaceChildren(badge(alert.status));
  row.classList.toggle("retracted", alert.status === "retracted");
  row.classList.toggle("chosen", alert.product_id === chosen);
}

function fillCategories() {
  const select = $("category");
  const names = [...new Set([...alerts.values(), ...older.values()].map((alert) => alert.product_category))].sort();
  const there = new Set([...select.options].map((option) => option.value));
  for (const name of names) if (!there.has(name)) select.append(el("option", { value: name }, shown(name, 40)));
}

setInterval(() => {
  const now = Date.now();
  for (const row of rows.values()) setText(row.cells[6], age(row.dataset.detected, now));
  renderStatus();
}, 1000);
setInterval(render, 30000);

for (const radio of document.querySelectorAll("input[name=state]")) radio.addEventListener("change", () => render());
$("category").addEventListener("change", () => render());

$("more").addEventListener("click", async () => {
  const answer = await ask("/api/alerts", { limit: 200, offset: alerts.size + older.size });
  if (!answer) return;
  for (const alert of answer.alerts) if (!alerts.has(keyOf(alert))) older.set(keyOf(alert), alert);
  render();
  if (alerts.size + older.size >= answer.total || !answer.alerts.length) $("more").hidden = true;
});

// The windows of one product.
let drawing = null;

function choose(product, keep = true) {
  chosen = product;
  $("product").value = product;
  if (keep) remember({ product });
  for (const [key, row] of rows) row.classList.toggle("chosen", key.startsWith(`${product} `));
  draw();
}

async function draw() {
  if (!chosen) return;
  const product = chosen;
  const answer = await ask("/api/product-windows", { product });
  if (!answer || product !== chosen) return;
  $("chosen").replaceChildren(named(product));
  const wasOpen = $("windows").querySelector("details")?.open;
  $("windows").replaceChildren(...windowCharts(answer));
  if (wasOpen) $("windows").querySelector("details").open = true;
}

function drawSoon() {
  drawing ??= setTimeout(() => {
    drawing = null;
    draw();
  }, 3000);
}
setInterval(draw, 60000);

$("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  const product = $("product").value.trim();
  if (product) choose(product);
});

let typing = null;
$("product").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const answer = await ask("/api/product-names", { search: $("product").value.trim() });
    if (answer) $("names").replaceChildren(...answer.products.map((name) => el("option", { value: name, label: shown(name, 80) })));
  }, 150);
});

// Telling: a sound, a notification, and a line for screen readers.
const wants = { sound: false, notify: false };
let audio = null;

function switchOn(what, isOn) {
  wants[what] = isOn;
  $(what).setAttribute("aria-pressed", String(isOn));
}

$("sound").addEventListener("click", () => {
  audio ??= new AudioContext();
  switchOn("sound", !wants.sound);
  if (wants.sound) beep();
});

$("notify").addEventListener("click", async () => {
  if (wants.notify) return switchOn("notify", false);
  if (!("Notification" in window)) return setText($("said"), "This browser has no notifications.");
  const answer = await Notification.requestPermission();
  switchOn("notify", answer === "granted");
  setText($("notify"), answer === "granted" ? "Notify me" : "Blocked by the browser");
  return undefined;
});

function beep() {
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.08, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.4);
}

function tell(fresh) {
  const [first] = fresh;
  const text = fresh.length === 1 ? `New alert: ${shown(first.product_id, 80)}, ${count(first.views)} views, ${count(first.purchases)} purchases` : `${fresh.length} new alerts, ${shown(first.product_id, 80)} among them`;
  setText($("said"), text);
  if (wants.sound) beep();
  if (wants.notify) new Notification("clickwatch", { body: text, tag: "alert", icon: "/static/icon.svg" });
}

if (chosen) choose(chosen, false);
