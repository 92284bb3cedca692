// One journey through a running gateway in a real Chromium: node journey.mjs JOURNEY ORIGIN [ELSEWHERE]
//
// $SIDEGATE_TEST_BROWSER names the directory that install.sh filled, $CHROMIUM the browser. Prints one line of JSON with
// what was seen; whoever called judges it. An error of a page's script or a violated policy ends the journey.
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const { chromium } = createRequire(join(process.env.SIDEGATE_TEST_BROWSER, "/"))("playwright-core");
const [journey, origin, elsewhere] = process.argv.slice(2);
const ALICE = 'button[name="person"][value="alice"]';
const problems = [];

const watched = (page) => {
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) problems.push(message.text());
  });
  return page;
};

const isAt = (wanted) => (url) => url.href === origin + wanted;

// To a page that needs a login; ends at `end`.
const signIn = async (page, target, end = target) => {
  await page.goto(origin + target);
  await page.click(ALICE);
  await page.waitForURL(isAt(end));
};

const fill = async (page) => {
  await page.fill("textarea", "Jürgen & Söhne + 1 = ✓\nzweite Zeile\n\n  drei  ");
  await page.fill('input[name="q"]', '"><script>alert(1)</script>&amp;');
  if (await page.locator('input[type="file"]').count()) {
    const buffer = Buffer.from(Array.from({ length: 20_000 }, (_, at) => at % 256));
    await page.setInputFiles('input[type="file"]', { name: "käse \"1\".bin", mimeType: "image/x-odd", buffer });
  }
};

const send = async (page, end) => {
  await page.click('button[type="submit"]');
  await page.waitForURL(isAt(end));
  await page.waitForLoadState();
};

const journeys = {
  // The same form twice: with a session, and with one that ended meanwhile. `elsewhere` is the page that has the form.
  async form(context) {
    const page = watched(await context.newPage());
    await signIn(page, elsewhere);
    await fill(page);
    await send(page, "/save?draft=1");
    await page.goto(origin + elsewhere);
    await fill(page);
    await context.clearCookies();
    await page.click('button[type="submit"]');
    await page.click(ALICE);
    await page.waitForURL(isAt("/save?draft=1"));
    await page.waitForLoadState();
    const left = await page.evaluate(() => sessionStorage.length);
    const told = await page.evaluate(() => document.body.innerText);
    return { left, told };
  },

  // What comes after: reloading and going back send nothing a second time.
  async again(context) {
    const page = watched(await context.newPage());
    await signIn(page, "/form");
    await fill(page);
    await context.clearCookies({ domain: "localhost" });
    await send(page, "/save?draft=1");
    await page.reload();
    const reloaded = await page.locator("h1").innerText();
    await page.goBack();
    await page.waitForLoadState();
    const back = page.url().slice(origin.length).split("?")[0];
    return { reloaded, back };
  },

  // The application answers the form with a redirect to another origin.
  async away(context) {
    const page = watched(await context.newPage());
    await signIn(page, "/form");
    await context.clearCookies({ domain: "localhost" });
    await page.click('button[type="submit"]');
    await page.waitForURL(elsewhere);
    return { url: page.url() };
  },

  async withoutScript(context) {
    const page = watched(await context.newPage());
    await signIn(page, "/form");
    await context.clearCookies({ domain: "localhost" });
    await page.click('button[type="submit"]');
    const told = await page.locator("main").innerText();
    await page.click("a.button:visible");
    await page.waitForURL(isAt("/"));
    return { told };
  },

  // A tab whose storage is full.
  async full(context) {
    const page = watched(await context.newPage());
    await signIn(page, "/form");
    await page.evaluate(() => {
      for (let size = 8 << 20; size > 0; size >>= 1) {
        try {
          sessionStorage.setItem(`app.${size}`, "x".repeat(size));
        } catch {
          // Then something smaller.
        }
      }
    });
    await fill(page);
    await context.clearCookies({ domain: "localhost" });
    await page.click('button[type="submit"]');
    return { told: await page.locator("main").innerText() };
  },

  async fragment(context) {
    const page = watched(await context.newPage());
    await signIn(page, "/app?q=1#/inbox/7?x=%20y&z");
    const first = page.url().slice(origin.length);
    await context.clearCookies({ domain: "localhost" });
    await page.goto("about:blank");
    await page.goto(`${origin}/plain`);
    await page.waitForURL(isAt("/plain"));
    return { first, second: page.url().slice(origin.length) };
  },

  // Twenty tabs at once, all at the login before the first goes on; then in another order than they were opened in.
  async tabs(context) {
    const targets = Array.from({ length: 20 }, (_, at) => `/tab/${at}?n=${at}`);
    const open = async (target) => {
      const page = watched(await context.newPage());
      await page.goto(origin + target);
      await page.waitForSelector(ALICE);
      return { page, target };
    };
    const tabs = await Promise.all(targets.map(open));
    const order = tabs.map((_, at) => tabs[(at * 7 + 3) % tabs.length]);
    for (const { page, target } of order) {
      await page.click(ALICE);
      await page.waitForURL(isAt(target));
    }
    return { reached: tabs.map(({ page }) => page.url().slice(origin.length)) };
  },
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  const context = await browser.newContext({ javaScriptEnabled: journey !== "withoutScript" });
  const seen = await journeys[journey](context);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
