// Columns of lists: widths are dragged, moved with the arrow keys (10 px, with Shift 50) or fitted to what is in them
// (double click, Enter); headings are dragged to another place, or moved with Ctrl, Shift and an arrow. The server
// remembers both for the person, and how close the rows stand for the browser.
const [NARROWEST, WIDEST] = [60, 1600]; // pixels, as in activity/views.py
const on = (name, act) => document.addEventListener(name, act);
const menu = document.querySelector("#columns-menu form");
const headingAt = (target) => target.closest?.(".grid th[data-column]");
const colOf = (header) => header.closest("table").querySelectorAll("col")[header.cellIndex];
// A column may have a share of the table in percent; the one without a width has what is left.
const widthOf = (header) => Number(colOf(header).width) || header.offsetWidth;
let drag = null; // of a width
let lifted = null; // the heading that is dragged
let timer = 0;

// What one drags: one for each heading, also after a list was refreshed.
function addHandles() {
  for (const header of document.querySelectorAll(".grid th[data-column]:not(:has(.resize))")) {
    const { column } = header.dataset;
    const handle = header.appendChild(document.createElement("span"));
    Object.assign(handle, { id: `resize-${column}`, className: "resize", role: "separator", tabIndex: 0 });
    handle.ariaOrientation = "vertical";
    handle.ariaLabel = `Width of ${header.textContent.trim()}`;
    handle.ariaValueNow = widthOf(header);
    Object.assign(handle, { ariaValueMin: NARROWEST, ariaValueMax: WIDEST });
    header.draggable = true;
    header.setAttribute("aria-labelledby", `sort-${column}`); // without the handle's
  }
}
addHandles();
let focused = "";
on("htmx:beforeSwap", () => { focused = document.activeElement.closest(".resize")?.id; });
on("htmx:afterSwap", () => {
  addHandles();
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
});
const send = (values) => htmx.ajax("POST", menu.action, { source: document.body, swap: "none", values });

// --- widths
function setWidth(header, pixels) {
  const table = header.closest("table");
  const col = colOf(header);
  if (!col.width) { // no column is left to take the rest: one without a heading does
    table.classList.add("rigid");
    col.parentElement.append(document.createElement("col"));
  }
  delete col.dataset.least;
  col.width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, pixels)));
  header.querySelector(".resize").ariaValueNow = col.width;
  table.width = [...col.parentElement.children].reduce((sum, { width, dataset }) => sum + Number(dataset.least || width || 0), 0);
}
const save = (headers) =>
  send({ widths: JSON.stringify(Object.fromEntries(headers.map((header) => [header.dataset.column, widthOf(header)]))) });
// Make columns as wide as what is in them: the browser says how wide each would like to be. One column alone is fitted in
// any case; among all, the one that takes what is left goes on to do so where that is enough.
function fit(headers) {
  if (!headers.length) return;
  const table = headers[0].closest("table");
  const cols = [...table.querySelectorAll("col")];
  const widths = cols.map((col) => col.getAttribute("width"));
  for (const col of cols) col.removeAttribute("width");
  table.classList.add("fitting");
  const wanted = headers.map((header) => Math.ceil(header.getBoundingClientRect().width));
  table.classList.remove("fitting");
  cols.forEach((col, place) => { if (widths[place]) col.width = widths[place]; });
  const isLast = (place) => headers.length > 1 && !widths[headers[place].cellIndex];
  const places = [...headers.keys()].sort((one, other) => isLast(one) - isLast(other));
  for (const place of places)
    if (!isLast(place) || headers[place].offsetWidth < wanted[place]) setWidth(headers[place], wanted[place]);
  save(headers.filter((header) => colOf(header).width));
}

on("pointerdown", (event) => {
  const handle = event.target.closest(".resize");
  if (!handle || event.button !== 0) return;
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  document.body.dataset.resizing = ""; // no refresh until it is over: lists.js
  const header = headingAt(handle);
  drag = { header, from: event.clientX, width: widthOf(header), moved: false };
});
on("pointermove", ({ clientX }) => {
  if (!drag || clientX === drag.from) return;
  drag.moved = true;
  setWidth(drag.header, drag.width + clientX - drag.from);
});
on("lostpointercapture", () => { // however the drag came to its end
  if (drag?.moved) save([drag.header]);
  drag = null;
  delete document.body.dataset.resizing;
});
on("dblclick", ({ target }) => target.closest(".resize") && fit([headingAt(target)]));
on("keydown", (event) => {
  const { key, target, ctrlKey, shiftKey } = event;
  const header = headingAt(target);
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (!header) return;
  if (direction && ctrlKey && shiftKey) {
    const beside = direction < 0 ? header.previousElementSibling : header.nextElementSibling;
    move(header.dataset.column, beside?.dataset.column, direction > 0);
  } else if (!target.matches(".resize")) return;
  else if (key === "Enter") fit([header]);
  else if (direction) {
    setWidth(header, widthOf(header) + direction * (shiftKey ? 50 : 10));
    clearTimeout(timer);
    timer = setTimeout(() => save([header]), 400);
  } else return;
  event.preventDefault();
});

// --- places: the menu names all columns in their order, also the hidden ones
async function move(column, beside, isAfter) {
  const [moved, other] = [column, beside].map((key) => menu.querySelector(`[data-item="${key}"]`));
  if (!other || moved === other) return;
  const focus = document.activeElement;
  other[isAfter ? "after" : "before"](moved);
  focus.focus(); // what is moved loses it
  await send({ order: [...menu.querySelectorAll("[data-item]")].map((each) => each.dataset.item).join(" ") });
  htmx.trigger("#results", "refresh");
}
on("dragstart", (event) => {
  lifted = headingAt(event.target);
  if (lifted && drag) event.preventDefault();
  else if (lifted) document.body.dataset.resizing = "";
});
const isBehind = (event, header) => event.clientX > header.getBoundingClientRect().left + header.offsetWidth / 2;
function mark(header, side) {
  for (const other of document.querySelectorAll("th[data-drop]")) delete other.dataset.drop;
  if (header) header.dataset.drop = side;
}
on("dragover", (event) => {
  const header = lifted && headingAt(event.target);
  mark(header, header && isBehind(event, header) ? "behind" : "before");
  if (header) event.preventDefault();
});
on("drop", (event) => {
  const header = lifted && headingAt(event.target);
  if (!header) return;
  event.preventDefault();
  move(lifted.dataset.column, header.dataset.column, isBehind(event, header));
});
on("dragend", () => {
  lifted = null;
  mark();
  delete document.body.dataset.resizing;
});

// --- the menu
on("click", (event) => {
  const button = event.target.closest("#columns-menu button");
  if (button?.name === "move") {
    const item = button.parentElement;
    const isAfter = button.value.startsWith("right");
    const beside = isAfter ? item.nextElementSibling : item.previousElementSibling;
    move(item.dataset.item, beside?.dataset.item, isAfter);
  } else if (button?.name === "density") {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `density=${button.value}; path=/; max-age=${button.value === "compact" ? 31536000 : 0}; samesite=lax${secure}`;
    document.documentElement.dataset.density = button.value;
    for (const other of menu.querySelectorAll("[name=density]")) other.ariaPressed = String(other === button);
  } else if (button?.id === "fit-columns") {
    fit([...document.querySelectorAll(".grid th[data-column]")]);
  } else return;
  event.preventDefault();
});
