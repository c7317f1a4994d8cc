// The request wizard: a date that is typed chooses "At a time"; "As soon as possible" empties it.
let changed;
document.addEventListener("input", ({ target: { form, name, value } }) => {
  changed = form.id === "entered";
  if (name === "start_at" && value) form.elements.when.value = "later";
  if (name === "when" && value === "now") form.elements.start_at.value = "";
});
document.addEventListener("submit", () => (changed = false));
// Whoever leaves a step otherwise, as by the browser's Back, finds there later what they entered.
window.addEventListener("pagehide", () => {
  if (!changed) return;
  const body = new URLSearchParams(new FormData(document.getElementById("entered")));
  body.set("do", "save");
  fetch(location.pathname, { method: "POST", keepalive: true, headers: JSON.parse(document.body.getAttribute("hx-headers")), body });
});
