// The keys of a request in the inbox, and the focus on the next one when it was decided.
const all = () => [...document.querySelectorAll("[data-request]")];
const here = () => document.activeElement.closest("[data-request]");
let last, place;
document.addEventListener("focusin", () => here() && ([last, place] = [here().id, all().indexOf(here())]));
document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const verb = { a: "approve", d: "deny" }[event.key];
  if (!here() || !(step || verb) || event.ctrlKey || event.metaKey || event.altKey || event.repeat && verb) return;
  event.preventDefault();
  if (verb) here().querySelector(`[data-verb=${verb}]`).click();
  else all()[place + step]?.focus();
});
function goOn() {
  // The browser gives the focus of what was taken away to something around it.
  const waiting = document.getElementById("waiting-for-you");
  if (!last || document.getElementById(last) || !document.activeElement.contains(waiting)) return;
  (all()[Math.min(place, all().length - 1)] ?? waiting).focus();
}
document.addEventListener("htmx:afterSettle", goOn);
document.addEventListener("close", goOn, true); // it was taken away while the dialog was open
