// What happened, as toasts: they lie over the page and move nothing. Good news goes by itself, but not while somebody points
// at it or is in it; problems stay until they are closed. Without JavaScript messages stand on top of the page.
const box = document.getElementById("messages");
const dialog = document.getElementById("dialog");
const SHOWN_FOR = 8000; // milliseconds
const make = (tag, values) => Object.assign(document.createElement(tag), values);

function leave(toast) {
  setTimeout(() => toast.matches(":hover, :focus-within") || document.hidden ? leave(toast) : toast.remove(), SHOWN_FOR);
}
function close(toast) {
  const had = toast?.contains(document.activeElement);
  toast?.remove();
  if (had) document.getElementById("main").focus({ preventScroll: true });
}
function finish(toast) {
  const button = make("button", { type: "button", className: "close", ariaLabel: "Close this message" });
  button.addEventListener("click", () => close(toast));
  toast.append(button);
  if (toast.matches(".success, .info")) leave(toast);
}
function undoForm({ url, ids }) {
  const form = document.createElement("form");
  form.setAttribute("hx-post", url);
  form.setAttribute("hx-swap", "none");
  form.append(...ids.map((value) => make("input", { type: "hidden", name: "ids", value })), make("button", { className: "button", textContent: "Undo" }));
  htmx.process(form);
  return form;
}
// In the open dialog, else as toasts. What stands there already is not said aloud again.
function say(lines, extra = "") {
  let place = box;
  if (dialog.open) {
    place = dialog.querySelector(".messages") ?? make("div", { className: "messages", role: "alert" });
    dialog.prepend(place);
  }
  for (const old of [...place.children])
    if (dialog.open || !old.matches(".warning, .error")) if (!lines.some(([, text]) => old.firstChild.textContent === text)) old.remove();
  for (const [kind, textContent, undo] of lines) {
    if ([...place.children].some((old) => old.firstChild.textContent === textContent)) continue;
    const toast = make("div", { className: `message ${kind} ${extra}` });
    toast.append(make("span", { textContent }));
    place.append(toast);
    if (undo) toast.append(undoForm(undo));
    if (place === box) finish(toast);
  }
}
for (const toast of box.children) finish(toast);

document.addEventListener("done", ({ detail }) => say(detail.messages));
document.addEventListener("keydown", ({ key, target }) => {
  if (key === "Escape" && !dialog.open && !target.closest("details[open], [popover], input, textarea")) close(box.lastElementChild);
});
document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
  if (xhr.status === 400 || xhr.status === 422) return; // swapped in: the answer says what is wrong
  const parts = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelectorAll(".problem :is(h1, p)");
  const text = [...parts].slice(0, 2).map((part) => part.textContent).join(". ");
  say([["error", text || `The server could not answer (${xhr.status}). Reload the page to see what there is now, then try again.`]]);
});
document.addEventListener("htmx:sendError", () =>
  say([["warning", "The server does not answer. What you see may be out of date; this page keeps trying."]], "offline"));
