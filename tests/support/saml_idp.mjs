// A real SAML identity provider for the tests, on loopback, made with samlify. It prints its address, and ends when its
// stdin closes.
//
// Whoever comes to /sso is the person that the query says; the query also says what is wrong with the answer, for
// answers that a hostile or careless provider would give. POST /test/configure takes the metadata of the console.
import { createServer } from "node:http";
import samlify from "samlify";

samlify.setSchemaValidator({ validate: async () => "the console of the tests is trusted" });
const { SAML_KEY, SAML_CERTIFICATE, SAML_OTHER_KEY } = process.env;
const PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
let address, console_, requests = 0;

function provider(privateKey) {
  return samlify.IdentityProvider({
    wantAuthnRequestsSigned: Boolean(console_?.entityMeta.isAuthnRequestSigned()),
    wantLogoutRequestSigned: true,
    entityID: `${address}/metadata`,
    privateKey,
    signingCert: SAML_CERTIFICATE,
    requestSignatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    nameIDFormat: [PERSISTENT],
    singleSignOnService: [{ Binding: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", Location: `${address}/sso` }],
    singleLogoutService: [{ Binding: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", Location: `${address}/slo` }],
    loginResponseTemplate: { context: "<samlp:Response/>", attributes: [] },
  });
}

const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
// What the signature of a message in an address is about: these parts, as they are written there (SAML bindings, 3.4.4.1).
const octets = (url) => ["SAMLRequest", "RelayState", "SigAlg"].flatMap((name) =>
  url.search.slice(1).split("&").filter((part) => part.startsWith(`${name}=`))).join("&");
const at = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();

function answer(request, query) {
  const age = Number(query.get("age") ?? 0), id = `_${++requests}-${Date.now()}`;
  const acs = console_.entityMeta.getAssertionConsumerService("post");
  const audience = query.get("audience") ?? console_.entityMeta.getEntityID();
  const irt = query.get("irt") ?? request.extract.request.id;
  const answers = irt ? ` InResponseTo="${escaped(irt)}"` : "";
  const attributes = Object.entries(JSON.parse(query.get("attributes") ?? "{}")).map(([name, values]) =>
    `<saml:Attribute Name="${escaped(name)}">${[values].flat().map((one) =>
      `<saml:AttributeValue>${escaped(one)}</saml:AttributeValue>`).join("")}</saml:Attribute>`).join("");
  const context = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`
    + ` ID="r${id}" Version="2.0" IssueInstant="${at(-age)}" Destination="${acs}"${answers}>`
    + `<saml:Issuer>${address}/metadata</saml:Issuer>`
    + `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>`
    + `<saml:Assertion ID="a${id}" Version="2.0" IssueInstant="${at(-age)}">`
    + `<saml:Issuer>${query.get("issuer") ?? `${address}/metadata`}</saml:Issuer>`
    + `<saml:Subject><saml:NameID Format="${query.get("format") ?? PERSISTENT}">${escaped(query.get("sub"))}</saml:NameID>`
    + `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData`
    + ` NotOnOrAfter="${at(300 - age)}" Recipient="${query.get("recipient") ?? acs}"${query.get("unbound") ? "" : answers}/></saml:SubjectConfirmation></saml:Subject>`
    + `<saml:Conditions NotBefore="${at(-age)}" NotOnOrAfter="${at(300 - age)}">`
    + (audience ? `<saml:AudienceRestriction><saml:Audience>${escaped(audience)}</saml:Audience></saml:AudienceRestriction>` : "")
    + `</saml:Conditions><saml:AuthnStatement AuthnInstant="${at(-age - Number(query.get("since") ?? 0))}" SessionIndex="${escaped(query.get("session") ?? "s1")}">`
    + `<saml:AuthnContext><saml:AuthnContextClassRef>${escaped(query.get("factor") ?? "urn:oasis:names:tc:SAML:2.0:ac:classes:Password")}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`
    + (attributes ? `<saml:AttributeStatement>${attributes}</saml:AttributeStatement>` : "")
    + `</saml:Assertion></samlp:Response>`;
  return { id: `r${id}`, context };
}

async function sso(url) {
  const query = url.searchParams;
  const idp = provider(query.get("key") === "other" ? SAML_OTHER_KEY : SAML_KEY);
  const request = query.get("SAMLRequest")
    ? await idp.parseLoginRequest(console_, "redirect", { query: Object.fromEntries(query), octetString: octets(url) })
    : { extract: { request: { id: "" } } };
  const made = await idp.createLoginResponse(console_, request, "post", { email: "unused" }, () => answer(request, query));
  return JSON.stringify({ SAMLResponse: made.context, address: made.entityEndpoint, RelayState: query.get("RelayState") ?? "" });
}

async function logout(url) {
  const query = url.searchParams;
  const made = provider(SAML_KEY).createLogoutRequest(console_, "redirect", { logoutNameID: query.get("sub"), sessionIndex: query.get("session") });
  return made.context;
}

// Ends the session of whoever comes here with a signed request of the console, and leads back with a signed answer.
async function slo(url) {
  const idp = provider(url.searchParams.get("key") === "other" ? SAML_OTHER_KEY : SAML_KEY);
  const query = Object.fromEntries(url.searchParams);
  const request = await idp.parseLogoutRequest(console_, "redirect", { query, octetString: octets(url) });
  const { nameID, sessionIndex } = request.extract;
  return JSON.stringify({ nameID, sessionIndex, back: idp.createLogoutResponse(console_, request, "redirect").context });
}

const server = createServer(async (request, response) => {
  try {
    const url = new URL(request.url, address);
    if (url.pathname === "/metadata") return response.end(provider(SAML_KEY).getMetadata());
    if (url.pathname === "/sso") return response.end(await sso(url));
    if (url.pathname === "/slo") return response.end(await slo(url));
    if (url.pathname === "/test/logout") return response.end(await logout(url));
    let body = "";
    for await (const piece of request) body += piece;
    console_ = samlify.ServiceProvider({ metadata: body, wantLogoutRequestSigned: true, wantLogoutResponseSigned: true });
    response.end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => {
  address = `http://127.0.0.1:${server.address().port}`;
  console.log(address);
});
process.stdin.on("end", () => process.exit()).resume();
