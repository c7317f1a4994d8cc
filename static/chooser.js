// Forms with a chooser: Enter searches nothing by accident, and in any other line it presses the main button. Without
// this file Enter shows the form again with the matches.
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key !== "Enter" || !target.matches?.("form:has(.chooser) input:not([type=checkbox])")) return;
  event.preventDefault();
  if (!target.closest(".chooser")) target.form.requestSubmit(target.form.querySelector(".actions .primary"));
});
