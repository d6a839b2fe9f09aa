/* The demo shop: a shelf, a product, a cart. It tells the tracker what a real shop would. */
(() => {
  "use strict";
  const PRODUCTS = [
    ["demo_laptop", "Laptop", "laptops", 899],
    ["demo_phone", "Phone", "smartphones", 599],
    ["demo_tablet", "Tablet", "tablets", 349],
    ["demo_headphones", "Headphones", "headphones", 79.9],
    ["demo_watch", "Watch", "smartwatches", 199],
    ["demo_camera", "Camera", "cameras", 449.5],
  ].map(([id, name, category, price]) => ({ id, name, category, price, currency: "EUR" }));
  const CROWD = 120;
  const cart = new Map();
  const at = (id) => document.getElementById(id);
  const make = (tag, text, parent) => {
    const element = document.createElement(tag);
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const button = (text, parent, act) => make("button", text, parent).addEventListener("click", act);
  const euros = (amount) => new Intl.NumberFormat("en", { style: "currency", currency: "EUR" }).format(amount);
  const say = (text) => (at("said").textContent = text);

  const show = (product) => {
    clickwatch.view(product);
    const place = at("product");
    place.replaceChildren();
    place.hidden = false;
    make("h2", product.name, place);
    make("p", euros(product.price), place);
    button("Into the cart", place, () => add(product));
    /* More than 100 views and fewer than 5 purchases in ten minutes raise an alert. */
    button(`Let ${CROWD} people look at it`, place, () => {
      for (let n = 0; n < CROWD; n += 1) clickwatch.view(product);
      say(`${CROWD} views of ${product.name} are on their way.`);
    });
    at("said").textContent = "";
  };
  const add = (product) => {
    clickwatch.addToCart({ ...product, quantity: 1 });
    cart.set(product.id, { ...product, quantity: (cart.get(product.id)?.quantity || 0) + 1 });
    draw();
  };
  const remove = (product) => {
    clickwatch.removeFromCart({ ...product, quantity: product.quantity });
    cart.delete(product.id);
    draw();
  };
  const draw = () => {
    const list = at("cart");
    list.replaceChildren();
    for (const one of cart.values()) {
      const line = make("li", `${one.quantity} × ${one.name} `, list);
      button("Remove", line, () => remove(one));
    }
    const total = [...cart.values()].reduce((sum, one) => sum + one.price * one.quantity, 0);
    at("total").textContent = cart.size ? euros(total) : "It is empty.";
    at("order").disabled = !cart.size;
  };
  at("order").addEventListener("click", () => {
    const bought = [...cart.values()];
    const order = `demo-${Date.now()}`;
    clickwatch.checkout(bought);
    clickwatch.purchase(order, bought);
    cart.clear();
    draw();
    say(`Thank you: order ${order}.`);
  });
  for (const product of PRODUCTS) {
    const card = make("article", "", at("shelf"));
    make("h2", product.name, card);
    make("p", euros(product.price), card);
    button("Look", card, () => show(product));
  }
  draw();
})();
