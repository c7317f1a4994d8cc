// The third step of the request wizard: a date that is typed chooses "At a time"; "As soon as possible" empties it.
document.addEventListener("input", ({ target: { form, name, value } }) => {
  if (name === "start_at" && value) form.elements.when.value = "later";
  if (name === "when" && value === "now") form.elements.start_at.value = "";
});
