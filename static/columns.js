// Column widths: dragged with the pointer, or moved with the arrow keys (10 px, with Shift 50). Saved once per drag.
const [NARROWEST, WIDEST] = [60, 1600]; // pixels, as in activity/views.py
const on = (name, act) => document.addEventListener(name, act);
let drag = null;
let timer = 0;

const colOf = (header) => header.closest("table").querySelectorAll("col")[header.cellIndex];
// The column without a width has what is left.
const widthOf = (header) => Number(colOf(header).width) || header.offsetWidth;

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
  }
}
addHandles();
let focused = "";
on("htmx:beforeSwap", () => { focused = document.activeElement.closest(".resize")?.id; });
on("htmx:afterSwap", () => {
  addHandles();
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
});

function setWidth(handle, pixels) {
  const table = handle.closest("table");
  const col = colOf(handle.closest("th"));
  if (!col.width) { // no column is left to take the rest: one without a heading does
    table.classList.add("rigid");
    col.parentElement.append(document.createElement("col"));
  }
  handle.ariaValueNow = col.width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, pixels)));
  table.width = [...col.parentElement.children].reduce((sum, { width, dataset }) => sum + Number(width || dataset.least || 0), 0);
}
function save(handle) {
  const { column } = handle.closest("th").dataset;
  const values = { widths: JSON.stringify({ [column]: Number(handle.ariaValueNow) }) };
  htmx.ajax("POST", handle.closest("table").dataset.save, { source: document.body, swap: "none", values });
}

on("pointerdown", (event) => {
  const handle = event.target.closest(".resize");
  if (!handle || event.button !== 0) return;
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  document.body.dataset.resizing = ""; // no refresh until it is over: lists.js
  drag = { handle, from: event.clientX, width: widthOf(handle.closest("th")), moved: false };
});
on("pointermove", ({ clientX }) => {
  if (!drag || clientX === drag.from) return;
  drag.moved = true;
  setWidth(drag.handle, drag.width + clientX - drag.from);
});
on("lostpointercapture", () => { // however the drag came to its end
  if (drag?.moved) save(drag.handle);
  drag = null;
  delete document.body.dataset.resizing;
});
on("keydown", (event) => {
  const handle = event.target.closest(".resize");
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!handle || !direction) return;
  event.preventDefault();
  setWidth(handle, widthOf(handle.closest("th")) + direction * (event.shiftKey ? 50 : 10));
  clearTimeout(timer);
  timer = setTimeout(() => save(handle), 400);
});
