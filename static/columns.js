// Column widths: dragged with the pointer, or moved with the arrow keys (10 px, with Shift 50). Saved once per drag.
const [NARROWEST, WIDEST] = [60, 800]; // pixels, as in activity/views.py
const changed = {}; // widths of this visit, until the server's answers hold them
let drag = null;
let timer = 0;

const columnOf = (handle) => {
  const header = handle.closest("th");
  return header.closest("table").querySelectorAll("col")[header.cellIndex];
};
function setWidth(handle, pixels) {
  const width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, pixels)));
  columnOf(handle).width = width;
  handle.ariaValueNow = width;
  changed[handle.closest("th").dataset.column] = width;
}
function save(handle) {
  const { save } = handle.closest("table").dataset;
  const key = handle.closest("th").dataset.column;
  htmx.ajax("POST", save, { source: document.body, swap: "none", values: { widths: JSON.stringify({ [key]: changed[key] }) } });
}
function finish() {
  if (!drag) return;
  const { handle, moved } = drag;
  drag = null;
  delete document.body.dataset.resizing;
  handle.classList.remove("dragged");
  if (moved) save(handle);
}

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest(".resize");
  if (!handle || event.button !== 0) return;
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  handle.classList.add("dragged");
  document.body.dataset.resizing = "";
  drag = { handle, from: event.clientX, width: Number(columnOf(handle).width), moved: false };
});
document.addEventListener("pointermove", (event) => {
  if (!drag || event.clientX === drag.from) return;
  drag.moved = true;
  setWidth(drag.handle, drag.width + event.clientX - drag.from);
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) document.addEventListener(name, finish);

document.addEventListener("keydown", (event) => {
  const handle = event.target.closest?.(".resize");
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!handle || !direction) return;
  event.preventDefault();
  setWidth(handle, Number(columnOf(handle).width) + direction * (event.shiftKey ? 50 : 10));
  clearTimeout(timer);
  timer = setTimeout(() => save(handle), 400);
});

// A refresh that was under way during a drag brings the old width: put ours back.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "results") return;
  for (const handle of target.querySelectorAll(".resize")) {
    const width = changed[handle.closest("th").dataset.column];
    if (width) setWidth(handle, width);
  }
});
