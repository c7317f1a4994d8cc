// Security keys and passkeys. A form with data-webauthn is sent once the browser has answered: the attribute is the
// address of the question, the answer goes into the field with data-credential.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const { webauthn } = form.dataset;
  const field = form.querySelector("[data-credential]");
  if (!webauthn || field.value) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // htmx must not send it yet
  try {
    const { create, options } = await (await fetch(webauthn, { headers: { Accept: "application/json" } })).json();
    const answer = create
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    field.value = JSON.stringify(answer);
    form.requestSubmit();
  } catch (error) {
    const known = { InvalidStateError: "This key is set up already.", NotAllowedError: "No key answered, or you canceled. Try again." };
    form.querySelector("[role=alert]").textContent = known[error.name] ?? "This browser cannot use security keys here.";
  }
}, true);
