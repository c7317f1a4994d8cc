// A real provider of OpenID Connect for the tests, on loopback. It prints its issuer, and ends when its stdin closes.
//
// Whoever comes to log in types a subject; amr and acr say with which factors. POST /test/configure changes the client,
// the claims of accounts, and the signing keys while it runs.
import { createServer } from "node:http";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { Provider } from "oidc-provider";

const CLIENT = process.env.OIDC_CLIENT_ID;
const state = { client: {}, accounts: {}, keys: [], in_browser: false };
let issuer, provider, answer;

function newKey() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "ES256" };
}

function start() {
  provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      client_secret: process.env.OIDC_CLIENT_SECRET,
      id_token_signed_response_alg: "ES256",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      backchannel_logout_uri: "http://127.0.0.1:9/", // with one, and the next line, ID tokens have a sid
      backchannel_logout_session_required: true,
      redirect_uris: ["http://testserver/accounts/sso/peer/callback/", "http://testserver/accounts/sso/other/callback/"],
      ...state.client,
    }],
    cookies: { keys: ["only-for-the-tests"], long: { httpOnly: true, sameSite: state.in_browser ? "lax" : "none" } },
    // The ID token of a logout must stand in no address. Browsers keep a cookie for "none" over HTTPS only.
    enableHttpPostMethods: !state.in_browser,
    jwks: { keys: state.keys },
    conformIdTokenClaims: false,
    claims: {
      openid: ["sub", "sid", "groups", "realm_access", "amr", "acr", "auth_time"],
      profile: ["preferred_username", "given_name", "family_name"],
      email: ["email"],
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
    async findAccount(ctx, sub) {
      return { accountId: sub, claims: async () => ({ sub, ...state.accounts[sub] }) };
    },
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({ clientId: CLIENT, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
    ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 600, IdToken: 300, Interaction: 300, Session: 600 },
  });
  provider.on("backchannel.error", (ctx, error) => console.error(`backchannel: ${error.message}`));
  provider.on("server_error", (ctx, error) => console.error(error));
  answer = provider.callback();
}

async function body(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

async function interaction(request, response) {
  if (request.method !== "POST") {
    const field = (name) => `<label>${name} <input name="${name}"></label>`;
    response.setHeader("Content-Type", "text/html");
    response.end(`<form method="post">${["sub", "amr", "acr"].map(field).join("")}<button>Log in</button>
      <button name="abort" value="1">Cancel</button></form>`);
    return;
  }
  const sent = new URLSearchParams(await body(request));
  const login = { accountId: sent.get("sub"), amr: sent.get("amr")?.split(" ").filter(Boolean), acr: sent.get("acr") || undefined };
  const result = sent.get("abort") ? { error: "access_denied" } : { login };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function configure(request, response) {
  const sent = JSON.parse(await body(request));
  if (sent.reset) Object.assign(state, { client: {}, accounts: {}, in_browser: false });
  state.in_browser ||= Boolean(sent.in_browser);
  Object.assign(state.client, sent.client);
  Object.assign(state.accounts, sent.accounts);
  if (sent.rotate) state.keys = [newKey()];
  start();
  response.end("{}");
}

const server = createServer((request, response) => {
  const work = request.url.startsWith("/interaction/") ? interaction
    : request.url === "/test/configure" ? configure : null;
  if (work === null) return answer(request, response);
  work(request, response).catch((error) => { console.error(error); response.statusCode = 500; response.end(); });
});
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  state.keys = [newKey()];
  start();
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
