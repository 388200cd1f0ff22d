// Drives a real browser through the status page: node browser.mjs CHROMIUM MODULES ADDRESS TOKEN FOLDER
// Ends with 0 and says nothing when all is well.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import assert from "node:assert/strict";

const [chromium, modules, address, token, folder] = process.argv.slice(2);
const require = createRequire(modules + "/");
const playwright = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
const port = address.split(":")[1];
const base = "http://" + address;
const PATIENCE = 60_000;

const browser = await playwright.chromium.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
});

async function context(options = {}) {
  const one = await browser.newContext({ httpCredentials: { username: "dana", password: token }, ...options });
  one.setDefaultTimeout(PATIENCE);
  return one;
}

// A page on which nothing may be said on the console, and nothing asked for elsewhere.
async function open(where, path, allowed = () => false) {
  const page = await where.newPage();
  page.on("console", (message) => assert.ok(allowed(message.text()), `${path}: on the console: ${message.text()}`));
  page.on("pageerror", (error) => assert.fail(`${path}: ${error.message}`));
  page.on("request", (request) => assert.ok(request.url().startsWith(base), `${path}: asks for ${request.url()}`));
  page.on("dialog", () => assert.fail(`${path}: something of a job was run`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error("violates the policy: " + event.violatedDirective));
  });
  const answer = await page.goto(base + path);
  assert.equal(answer.status(), 200, path);
  return page;
}

async function accessible(page, path) {
  // Reads the file outside of the page's policy, as an extension would.
  const session = await page.context().newCDPSession(page);
  const { readFileSync } = await import("node:fs");
  await session.send("Runtime.evaluate", { expression: readFileSync(axe, "utf8") });
  const { result } = await session.send("Runtime.evaluate", {
    expression: "axe.run(document).then((found) => JSON.stringify(found.violations.map((one) => [one.id, one.nodes.map((node) => node.html + ' ' + node.failureSummary)])))",
    awaitPromise: true, returnByValue: true,
  });
  assert.equal(result.value, "[]", `${path}: axe finds something`);
}

const hostile = "/job/%3C/script%3E%3Cimg%20onerror%3Dx%3E";

// Light and dark, phone, desk and wall: nothing wrong, nothing wider than the screen.
for (const [width, height, colorScheme] of [[390, 844, "light"], [1280, 800, "dark"], [1280, 800, "light"], [3840, 2160, "dark"]]) {
  const where = await context({ viewport: { width, height }, colorScheme });
  for (const path of ["/", "/job/db/backup", hostile, "/run/1", "/outbox", "/next"]) {
    const page = await open(where, path);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${path} at ${width}: ${wider} pixels too wide`);
    await accessible(page, `${path} at ${width}, ${colorScheme}`);
    await page.close();
  }
  await where.close();
}

const where = await context();

// A run that ends is seen within two seconds, without a reload.
{
  const page = await open(where, "/job/db/backup");
  await page.waitForSelector("body.is-live");
  await page.waitForSelector(".verdict.ok");
  await page.evaluate(() => { window.same = true; });
  writeFileSync(folder + "/broken", "");
  const began = Date.now();
  await page.waitForSelector(".verdict.critical");
  assert.ok(await page.evaluate(() => window.same), "the page was not loaded again");
  console.error(`seen after ${Date.now() - began} ms`);
  await page.close();
}

// What is typed stays while the page changes; the keyboard alone is enough.
{
  const page = await open(where, "/");
  await page.waitForSelector("body.is-live");
  await page.keyboard.press("/");
  await page.keyboard.type("back");
  const before = await page.textContent("#asof");
  await page.waitForFunction((before) => document.getElementById("asof").textContent !== before, before);
  assert.equal(await page.inputValue("#filter"), "back");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  assert.equal(await page.locator(".jobs tbody tr:visible").count(), 1);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(base + "/job/db/backup");
  await page.close();
}

// The buttons do what they say.
{
  const page = await open(where, "/job/disk");
  const press = async (act, words) => {
    await page.locator(`button[data-act=${act}]`).first().click();
    await page.waitForFunction((words) => document.getElementById("told").textContent.includes(words), words);
  };
  await press("ack", "disk is acknowledged");
  await press("silence", "disk is silenced");
  await press("pause", "disk is paused");
  await press("trigger", "of disk starts");
  // Each button goes with its hold: pressed again before that, it would ask for the end of what has ended.
  const end = async () => {
    const holds = await page.locator("button[data-act=end]").count();
    await press("end", "ended");
    await page.waitForFunction((holds) => document.querySelectorAll("button[data-act=end]").length < holds, holds);
  };
  await end();
  await end();
  await page.waitForSelector("button[data-act=pause]");
  const { holds } = await (await fetch(base + "/api/v1/holds", { headers: { authorization: "Bearer " + token } })).json();
  assert.deepEqual(holds.map((hold) => hold.kind), ["ack"], "the pause and the silence are over");
  await page.close();
}

// The stream is lost, and back.
{
  const page = await open(where, "/", () => true);
  await page.waitForSelector("body.is-live");
  await where.setOffline(true);
  await page.waitForSelector("body.is-lost");
  assert.match(await page.textContent(".live"), /no answer since \d\d:\d\d:\d\d/);
  await where.setOffline(false);
  await page.waitForSelector("body.is-live");
  await page.close();
}

// Without its script the page is whole.
{
  const plain = await context({ javaScriptEnabled: false });
  const page = await plain.newPage();
  await page.goto(base + "/");
  assert.equal(await page.locator(".jobs tbody tr").count(), 4);
  assert.equal(await page.locator("meta[http-equiv=refresh]").getAttribute("content"), "60");
  assert.equal(await page.locator("button:visible").count(), 0, "buttons that do nothing are not shown");
  await plain.close();
}

// A page from elsewhere can neither read nor change anything, also when its name points here.
{
  const stranger = await context();
  const page = await stranger.newPage();
  const rebound = await page.goto(`http://evil.example:${port}/`);
  assert.equal(rebound.status(), 421, "a name that points here is none of ours");
  assert.ok(!(await page.content()).includes("backup"));
  await page.goto("about:blank");
  const sent = await page.evaluate(async (url) => {
    try { return (await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" })).status; } catch (error) { return error.name; }
  }, base + "/api/v1/trigger");
  assert.ok(sent === 0 || sent === "TypeError", `nothing is told: ${sent}`);
  const own = await fetch(base + "/api/v1/trigger", {
    method: "POST", body: "{}", headers: { authorization: "Bearer " + token, origin: "https://evil.example" },
  });
  assert.equal(own.status, 403);
  await stranger.close();
}

// Without the token there is nothing.
{
  const nobody = await browser.newContext();
  const page = await nobody.newPage();
  const answer = await page.goto(base + "/").catch((error) => error);
  assert.ok(answer instanceof Error || answer.status() === 401);
  await nobody.close();
}

await browser.close();
