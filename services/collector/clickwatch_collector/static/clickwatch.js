/* clickwatch tracker: tells the collector what happens in a shop. No cookie, no dependency, no inline code. */
(() => {
  "use strict";
  const script = document.currentScript;
  const data = script ? script.dataset : {};
  const endpoint = data.endpoint || (script ? new URL("/v1/events", script.src).href : "/v1/events");
  const VISIT = 18e5;
  const MOST = 50;
  const KEPT = 500;
  /* Of a body that may outlive its page: a browser allows 64 KiB, and a character has up to three bytes. */
  const SMALL = 2e4;
  const QUEUE = "clickwatch.queue.";
  const ANONYMOUS = "anonymous";
  const refuses = navigator.doNotTrack === "1" || window.doNotTrack === "1" || navigator.globalPrivacyControl === true;
  let key = data.key || "";
  let consent = data.consent !== "required";
  let user = null;
  let failures = 0;
  let timer = 0;
  /* How many events at the queue's head are under way. */
  let flying = 0;

  const read = (name) => {
    try {
      return localStorage.getItem("clickwatch." + name) || memory[name];
    } catch {
      return memory[name];
    }
  };
  let memory = {};
  const write = (name, text) => {
    memory[name] = text;
    try {
      localStorage.setItem("clickwatch." + name, text);
    } catch {
      /* Private windows and full storage: what is in memory is sent all the same. */
    }
  };
  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    return [...b].map((x, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + (x + 256).toString(16).slice(1)).join("");
  };

  /* Each page has a queue of its own, so that two tabs never overwrite each other. */
  const mine = uuid();
  const queued = (name) => {
    try {
      return JSON.parse(localStorage.getItem(QUEUE + name)) || [];
    } catch {
      return [];
    }
  };
  let queue = [];
  const drop = () => {
    queue = [];
    memory = {};
    user = null;
  };
  /* Delete what is known of this browser. */
  const wipe = () => {
    drop();
    try {
      Object.keys(localStorage)
        .filter((n) => n.startsWith("clickwatch."))
        .forEach((n) => localStorage.removeItem(n));
    } catch {
      /* Nothing is stored then. */
    }
  };
  const save = () => {
    try {
      if (queue.length) localStorage.setItem(QUEUE + mine, JSON.stringify(queue));
      else localStorage.removeItem(QUEUE + mine);
    } catch {
      /* See write. */
    }
  };
  /* What other pages left behind. A living page locks its queue: we wait until it has ended. */
  const adopt = () => {
    let names = [];
    try {
      names = Object.keys(localStorage).filter((n) => n.startsWith(QUEUE) && n !== QUEUE + mine);
    } catch {
      return;
    }
    for (const name of names) {
      const take = () => {
        if (!consent) return;
        const left = queued(name.slice(QUEUE.length));
        queue = queue.slice(0, flying).concat(left, queue.slice(flying)).slice(-KEPT);
        save();
        localStorage.removeItem(name);
        later(0);
      };
      if (navigator.locks) navigator.locks.request(name, take).catch(() => {});
      else take();
    }
  };
  if (navigator.locks) navigator.locks.request(QUEUE + mine, () => new Promise(() => {})).catch(() => {});

  const anonymous = () => {
    let id = read(ANONYMOUS);
    if (!id) write(ANONYMOUS, (id = uuid()));
    return id;
  };
  const session = () => {
    const now = Date.now();
    const [id, seen] = (read("session") || "").split(" ");
    const current = id && now - Number(seen) < VISIT ? id : uuid();
    write("session", current + " " + now);
    return current;
  };

  /* One timer at most: while a failure is waited out, new events do not send earlier. */
  const later = (ms) => {
    if (!timer && !flying && queue.length) timer = setTimeout(send, ms);
  };
  const now = () => {
    clearTimeout(timer);
    timer = 0;
    later(0);
  };
  const address = () => endpoint + (endpoint.includes("?") ? "&" : "?") + "key=" + encodeURIComponent(key);
  const forget = (batch) => {
    const ids = new Set(batch.map((e) => e.event_id));
    queue = queue.filter((e) => !ids.has(e.event_id));
    save();
  };

  const send = async () => {
    timer = 0;
    if (flying || !queue.length || !key) return;
    const batch = queue.slice(0, MOST);
    const body = JSON.stringify(batch);
    flying = batch.length;
    let wait = 0;
    try {
      /* text/plain needs no preflight, so the end of a page costs no second request. */
      const answer = await fetch(address(), {
        method: "POST",
        body,
        headers: { "content-type": "text/plain" },
        keepalive: body.length < SMALL,
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      if (answer.status === 429 || answer.status === 408 || answer.status >= 500) {
        wait = Math.min(36e5, Number(answer.headers.get("retry-after")) * 1000 || 1);
      }
    } catch {
      wait = 1;
    }
    flying = 0;
    if (wait) {
      failures = Math.min(7, failures + 1);
      later(Math.max(wait, Math.min(6e4, 500 * 2 ** failures) * (0.5 + Math.random() / 2)));
    } else {
      failures = 0;
      forget(batch);
      later(0);
    }
  };

  /* What cannot be told any more stays queued; the next page sends it again under the same ids. */
  const flush = () => {
    const told = (batch) => navigator.sendBeacon(address(), new Blob([JSON.stringify(batch)], { type: "text/plain" }));
    let count = key ? Math.min(MOST, queue.length - flying) : 0;
    /* A browser refuses what is too large. */
    while (count > 0 && !told(queue.slice(flying, flying + count))) count >>= 1;
  };

  const track = (type, product, more) => {
    if (!consent || refuses || !key) return;
    const p = { ...product, ...more };
    const event = {
      event_id: uuid(),
      event_type: type,
      timestamp: new Date().toISOString(),
      anonymous_id: anonymous(),
      session_id: session(),
      user_id: user || undefined,
      product_id: p.id,
      product_category: p.category,
      price: p.price === undefined ? undefined : Number(p.price),
      currency: p.currency,
      quantity: p.quantity === undefined ? undefined : Number(p.quantity),
      order_id: p.order,
      coupon: p.coupon,
      list_id: p.list,
    };
    queue.push(event);
    queue = queue.slice(-KEPT);
    save();
    if (queue.length === MOST && !failures) now();
    else later(100);
  };

  const each = (type) => (products, more) => [].concat(products).forEach((one) => track(type, one, more));
  const api = {
    init: (options) => {
      key = options.key || key;
      later(0);
    },
    consent: (given) => {
      if (given) {
        consent = true;
        start();
        return;
      }
      /* Its end is what the other tabs hear of. */
      if (consent && !refuses) write(ANONYMOUS, "");
      consent = false;
      wipe();
    },
    identify: (id) => {
      user = id == null ? null : String(id);
    },
    view: (product) => track("view", product),
    impression: each("impression"),
    addToCart: (product) => track("add_to_cart", product),
    removeFromCart: (product) => track("remove_from_cart", product),
    checkout: each("begin_checkout"),
    purchase: (order, products) => each("purchase")(products, { order }),
    refund: (order, products) => each("refund")(products, { order }),
    flush,
  };

  /* <article data-clickwatch-view data-product-id=…> and <button data-clickwatch-click="add_to_cart" …> */
  const of = (element) => {
    const d = (element.closest("[data-product-id]") || element).dataset;
    return {
      id: d.productId,
      category: d.productCategory,
      price: d.productPrice,
      currency: d.productCurrency,
      quantity: d.productQuantity,
      list: d.productList,
    };
  };
  let started = false;
  const start = () => {
    if (started || !consent || refuses) return;
    started = true;
    adopt();
    document.querySelectorAll("[data-clickwatch-view]").forEach((e) => track("view", of(e)));
    document.querySelectorAll("[data-clickwatch-impression]").forEach((e) => track("impression", of(e)));
  };
  document.addEventListener("click", (e) => {
    const found = e.target instanceof Element && e.target.closest("[data-clickwatch-click]");
    if (found) track(found.dataset.clickwatchClick, of(found));
  });
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
  addEventListener("online", now);
  /* Consent was withdrawn in another tab, which may have been given it again: only what is ours is deleted. */
  addEventListener("storage", (e) => {
    if (e.key !== "clickwatch." + ANONYMOUS || e.newValue !== null) return;
    consent = false;
    drop();
    save();
    localStorage.removeItem("clickwatch.session");
  });
  if (refuses) wipe();
  window.clickwatch = api;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
