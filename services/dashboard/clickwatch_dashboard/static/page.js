// What every page does: asks the API, follows /live, says when what it shows is old.

export const $ = (id) => document.getElementById(id);

/** A new element; `attributes` that are false or null are left out, children that are null too. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const two = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const count = (n) => (n === null || n === undefined ? "–" : whole.format(n));
export const short = (n) => (Math.abs(n) >= 1e6 ? compact.format(n) : whole.format(n));
export const percent = (n) => `${two.format(n)} %`;
export const time = (iso) => iso.slice(11, 16);

/** Smallest units of a currency as an amount: `EUR 4,853,000.00`; `digits` is null where nobody knows its decimals. */
export function money({ currency, digits }, minor) {
  if (digits === null) return `${count(minor)} ${unitsOf(currency)}`;
  return `${currency} ${new Intl.NumberFormat("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(minor / 10 ** digits)}`;
}
/** The same without its currency and in few letters, for an axis. */
export const shortMoney = ({ digits }, minor) => compact.format(minor / 10 ** (digits ?? 0));
export const unitsOf = (currency) => `smallest units of ${currency || "no named currency"}`;
export const moment = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : "never");

/** `12 s`, `4 min`, `3 h`, `2 d`. */
export function age(iso, now = Date.now()) {
  if (!iso) return "–";
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The answer of the API; null where there is none, which the banner then says. */
export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  try {
    const response = await fetch(query.size ? `${path}?${query}` : path);
    if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    if (response.ok) return await response.json();
    if (response.status === 503) mark({ database: (await response.json()).detail });
  } catch {
    mark({ server: false });
  }
  return null;
}

/** A table: `columns` are [title, cell(row), class]; the first heads its row. */
export function table(columns, rows, label) {
  const cell = ([, show, kind], row, index) => {
    const shown = show(row);
    const child = shown instanceof Node ? shown : String(shown);
    return index === 0 ? el("th", { scope: "row", class: kind }, child) : el("td", { class: kind }, child);
  };
  return el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map(([title, , kind]) => el("th", { scope: "col", class: kind }, title)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((column, index) => cell(column, row, index)))))));
}

export const badge = (kind, text = kind) => el("span", { class: `badge ${kind}` }, text);
export const none = (...children) => el("p", { class: "none" }, ...children);
export const code = (text) => el("code", {}, text);

export function notice(title, ...children) {
  const place = $("empty");
  place.replaceChildren(el("h2", {}, title), el("p", {}, ...children));
  place.hidden = false;
}

/** Keep what is shown in the address, so that it can be sent to someone. */
export function remember(parameters) {
  const address = new URL(location);
  for (const [name, value] of Object.entries(parameters)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history.replaceState(null, "", address);
}

export const asked = (name) => new URLSearchParams(location.search).get(name);

// What we know of the way to the data. `database` is a text while it is down.
const state = { server: null, database: null, since: null };
const followers = {};
let heardAt = null;

/** Call `then` for each message of a type from /live, and for "again": everything may have changed. */
export function on(type, then) {
  (followers[type] ??= []).push(then);
}

function emit(type, message) {
  for (const then of followers[type] ?? []) then(message);
}

function mark(change) {
  const wasStale = isStale();
  Object.assign(state, change);
  if (isStale() && !wasStale) state.since = heardAt ?? new Date().toISOString();
  show();
  if (wasStale && !isStale()) emit("again");
}

const isStale = () => state.server === false || state.database !== null;

function show() {
  const pill = $("pill");
  const stale = isStale();
  document.body.classList.toggle("stale", stale);
  pill.className = `pill ${stale ? "stale" : state.server ? "live" : ""}`;
  setText(pill, stale ? "Stale" : state.server ? "Live" : "Connecting");
  const banner = $("banner");
  banner.hidden = !stale;
  if (stale) {
    const why = state.server === false ? "The dashboard cannot be reached" : `No fresh data: ${state.database}`;
    setText(banner, `${why}. What you see is as of ${moment(state.since).slice(11)}; it goes on by itself.`);
  }
}

let pause = 250;

function follow() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    pause = 250;
    if (message.read_at) heardAt = message.read_at;
    else if (message.type === "status" || message.type === "alerts") heardAt = new Date().toISOString();
    emit(message.type, message);
    if (message.type === "everything") mark({ server: true, database: message.known && !message.up ? message.reason : null });
    if (message.type === "database") mark({ server: true, database: message.up ? null : message.reason });
  });
  socket.addEventListener("close", () => {
    mark({ server: false });
    setTimeout(follow, pause);
    pause = Math.min(pause * 2, 4000);
  });
}

// A page that is left takes its socket along; one that comes back from the browser's memory asks anew.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
show();
follow();

/** What parts of streaming do not work and why, in one line; empty where all do. */
export const troubled = (status) => Object.entries(status?.troubles ?? {}).map(([part, why]) => `${part} ${why}`).join("; ");
