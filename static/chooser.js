// Forms with a chooser: Enter searches nothing by accident; on a box and in any other line it presses the main button.
// A box that is ticked is counted at once. Without this file Enter shows the form again with the matches.
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key !== "Enter" || !target.matches?.("form:has(.chooser) input")) return;
  event.preventDefault();
  if (target.closest(".chooser") && target.type !== "checkbox") return;
  target.form.requestSubmit(target.form.querySelector(".actions .primary"));
});
document.addEventListener("change", ({ target }) => {
  const said = target.type === "checkbox" && target.closest(".chooser-boxes")?.querySelector("[role=status]");
  if (said) said.textContent = said.textContent.replace(/\d+/, (count) => Number(count) + (target.checked ? 1 : -1));
});
