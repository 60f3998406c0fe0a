// The whole life of a responder through OVHcloud's own client for Node.js.
// Arguments: host, port, application key and secret, consumer key. Prints one JSON object.
"use strict";

const Ovh = require("ovh");

const [host, port, appKey, appSecret, consumerKey] = process.argv.slice(2);
const client = Ovh({ host, port: Number(port), appKey, appSecret, consumerKey });
const root = "/email/domain/{domain}/responder";
const domain = "alice.fr";

async function settled() {
  const deadline = Date.now() + 10000;
  const path = "/email/domain/alice.fr/task/responder";
  while ((await client.requestPromised("GET", path)).length > 0) {
    if (Date.now() > deadline) throw new Error("the operations do not end");
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function life() {
  const found = {};
  found.me = await client.requestPromised("GET", "/me");
  found.domains = await client.requestPromised("GET", "/email/domain");
  found.added = await client.requestPromised("POST", root, {
    domain, account: "a", content: "Je suis absente : à bientôt ☂", copy: true,
    from: "2026-08-01T00:00:00+02:00", to: "2099-08-31T00:00:00+02:00",
  });
  await settled();
  found.list = await client.requestPromised("GET", root, { domain, account: "a" });
  found.read = await client.requestPromised("GET", root + "/a", { domain });
  found.put = await client.requestPromised("PUT", root + "/a", { domain, content: "De retour" });
  await settled();
  found.changed = await client.requestPromised("GET", root + "/a", { domain });
  found.removed = await client.requestPromised("DELETE", root + "/a", { domain });
  await settled();
  found.missing = await client
    .requestPromised("GET", root + "/a", { domain })
    .catch((error) => error);
  const wish = { accessRules: [{ method: "GET", path: "/email/domain*" }] };
  found.credential = await client.requestPromised("POST", "/auth/credential", wish);
  return found;
}

life().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exit(1);
  }
);
