// Fields with suggestions (input with a datalist that htmx fills) become comboboxes, after the pattern of WAI-ARIA:
// ↓ ↑ Home End choose, Enter takes, Escape closes. Without this file the browser shows the datalist itself.
const on = (name, act) => document.addEventListener(name, act);
const optionsOf = (field) => document.getElementById(field.dataset.names);
const isOpen = (field) => field?.ariaExpanded === "true";

function enhance(field) {
  const box = document.createElement("ul");
  Object.assign(box, { id: `${field.id}-options`, className: "options", role: "listbox", hidden: true });
  box.ariaLabel = field.labels[0].textContent.trim();
  field.dataset.names = field.getAttribute("list");
  field.removeAttribute("list");
  Object.assign(field, { role: "combobox", ariaAutoComplete: "list", ariaExpanded: "false" });
  field.setAttribute("aria-controls", box.id);
  field.after(box);
}
const enhanceAll = () => document.querySelectorAll("input[list][hx-get]").forEach(enhance);
enhanceAll();
on("htmx:afterSettle", enhanceAll);

function show(field) {
  const box = field.nextElementSibling;
  box.replaceChildren(...[...optionsOf(field).options].map(({ value, label }, place) => {
    const item = document.createElement("li");
    Object.assign(item, { id: `${box.id}-${place}`, role: "option", textContent: value });
    item.dataset.value = value;
    if (label && label !== value) item.append(" ", Object.assign(document.createElement("small"), { textContent: label }));
    return item;
  }));
  box.hidden = !box.firstChild;
  field.ariaExpanded = String(!box.hidden);
  field.removeAttribute("aria-activedescendant");
}
function close(field) {
  field.nextElementSibling.hidden = true;
  field.ariaExpanded = "false";
  field.removeAttribute("aria-activedescendant");
}
function mark(field, item) {
  for (const other of field.nextElementSibling.children) other.ariaSelected = String(other === item);
  field.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}
function take(field, item) {
  field.value = item.dataset.value;
  close(field);
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

const comboboxOf = ({ target }) => target.closest?.("[role=combobox]");
on("htmx:afterSwap", ({ target }) => {
  const field = document.activeElement;
  if (field.dataset.names === target.id && field.dataset.typed) show(field);
});
on("input", (event) => { if (comboboxOf(event)) event.target.dataset.typed = "1"; });
on("click", (event) => {
  const item = event.target.closest("[role=option]");
  if (item) take(item.parentElement.previousElementSibling, item);
  else if (comboboxOf(event)) isOpen(event.target) ? close(event.target) : show(event.target);
});
on("pointerdown", (event) => { if (event.target.closest(".options")) event.preventDefault(); }); // the field keeps the focus
on("focusout", (event) => { if (comboboxOf(event)) close(event.target); });
document.addEventListener("keydown", (event) => {
  const field = comboboxOf(event);
  if (!field || event.isComposing || event.ctrlKey || event.metaKey) return;
  const wasOpen = isOpen(field);
  const { key } = event;
  const item = document.getElementById(field.getAttribute("aria-activedescendant"));
  if (key === "Enter" && wasOpen && item) take(field, item);
  else if (key === "Escape" && wasOpen) close(field);
  else if (/^Arrow(Up|Down)$/.test(key) || (wasOpen && /^(Home|End)$/.test(key))) {
    if (!wasOpen) show(field);
    const items = [...field.nextElementSibling.children];
    const here = items.indexOf(item);
    const step = { ArrowDown: here + 1, ArrowUp: (here < 0 ? items.length : here) - 1, Home: 0, End: -1 }[key];
    if (items.length) mark(field, items.at(step % items.length));
  } else return;
  event.preventDefault();
  event.stopPropagation(); // Escape would close the menu around it too
}, true);
