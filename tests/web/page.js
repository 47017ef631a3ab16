// SPDX-License-Identifier: Apache-2.0
//
// page.js - the page in a real Chromium, as a person would use it
//
// Reads lines {"do": NAME, ...} from standard input, does one of the steps below, and answers each
// with a line {"ok": true, ...} or {"ok": false, "why"}. test_web.py says in which order, and does
// to the servers what has to be done to them. Nothing waits by sleeping; each wait has a limit.
// Any error in the page, and anything on its console that is one, fails the step.
"use strict";
const { chromium } = require("playwright-core");
const readline = require("readline");

const LIMIT_MS = 20000;
let browser, context, page;
const errors = [];

function check(condition, text) {
  if (!condition) throw new Error(text);
}

const row = (path) => page.locator(`.row[data-path="${path}"]`);
const texts = (selector) => page.locator(selector).allTextContents();

async function open(options) {
  if (context !== undefined) await context.close();
  context = await browser.newContext({
    viewport: options.viewport ?? { width: 1280, height: 800 },
    colorScheme: options.dark ? "dark" : "light",
    reducedMotion: options.still ? "reduce" : "no-preference",
    hasTouch: options.touch === true, isMobile: options.touch === true,
  });
  page = await context.newPage();
  page.setDefaultTimeout(LIMIT_MS);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // That a server is gone, which the tests see to, is said by the browser itself.
    if (message.type() === "error" && !/ERR_CONNECTION_REFUSED|WebSocket connection/.test(message.text())) {
      errors.push(message.text());
    }
  });
  await page.goto(options.url);
  await page.locator(options.shut ? "#door" : "#dot.good").waitFor();
}

const until = (fn, argument) => page.waitForFunction(fn, argument, { polling: 20 });

const steps = {
  async start(line) {
    browser = await chromium.launch({
      executablePath: line.chromium, args: ["--no-sandbox", "--disable-gpu"] });
  },
  open,
  // A file is in sight at this revision, within `limit` ms of now.
  async shows({ path, revision, value, limit }) {
    const began = Date.now();
    await page.waitForFunction(({ path, revision, value }) => {
      const e = document.querySelector(`.row[data-path="${path}"]:not([hidden])`);
      return e !== null && e.querySelector(".rev").textContent === `(${revision})`
        && (value === undefined || e.querySelector(".value").textContent === `= ${value}`);
    }, { path, revision, value }, { polling: 10, timeout: limit ?? LIMIT_MS });
    return { ms: Date.now() - began };
  },
  // The next time the row of this path is laid out anew with a flash is noted in the page.
  async expect_flash({ path }) {
    await page.evaluate((path) => {
      window.flashed = false;
      new MutationObserver(() => {
        const e = document.querySelector(`.row.flash[data-path="${path}"]`);
        if (e !== null) {
          window.flashed = true;
          window.flash = getComputedStyle(e, "::before").animationName;
        }
      }).observe(document.getElementById("rows"), { subtree: true, childList: true, attributes: true });
    }, path);
  },
  async flashed({ animation }) {
    await until(() => window.flashed);
    const name = await page.evaluate(() => window.flash);
    check(name === animation, `the animation is ${name}`);
    await until(() => document.querySelector(".row.flash") === null);
  },
  async told({ text }) {
    await until((text) => document.getElementById("live").textContent.includes(text), text);
  },
  async gone({ path }) {
    await until((path) => document.querySelector(`.row[data-path="${path}"]:not([hidden])`) === null, path);
  },
  async filter({ text, files }) {
    await page.fill("#filter", text);
    await until((files) => new RegExp(`^${files} files?[ ,]`).test(document.getElementById("told").textContent), files);
    return { paths: await page.evaluate(() => [...document.querySelectorAll(".row:not([hidden])")].map((e) => e.dataset.path)) };
  },
  async bad_filter({ text, told }) {
    await page.fill("#filter", text);
    await until((told) => document.getElementById("told").textContent === told, told);
    check(await page.getAttribute("#filter", "aria-invalid") === "true", "not marked as wrong");
  },
  async pick({ path, value, revision }) {
    await row(path).click();
    await until(({ value, revision }) => document.getElementById("detail-value").textContent === value
      && document.getElementById("detail-facts").textContent.startsWith(`revision ${revision},`),
    { value, revision });
    await until(() => document.querySelectorAll("#history li").length !== 0);
    return { history: await texts("#history li") };
  },
  async former({ index, value }) {
    await page.locator("#history button").nth(index).click();
    await until((value) => document.getElementById("detail-value").textContent === value, value);
  },
  async begin_edit({ text }) {
    await page.click("#edit");
    await page.fill("#detail-edit", text);
  },
  async save({ note }) {
    await page.click("#save");
    if (note !== undefined) {
      await until((note) => document.getElementById("detail-note").textContent.includes(note), note);
    } else {
      await page.locator("#detail-edit").waitFor({ state: "hidden" });
    }
  },
  async show_new({ value }) {
    await page.click("#show-new");
    await until((value) => document.getElementById("detail-value").textContent === value, value);
  },
  async remove() {
    await page.click("#delete");
    await page.click("#delete");
    await page.locator("#detail").waitFor({ state: "hidden" });
  },
  async make({ path, text }) {
    await page.click("#new-file");
    await page.fill("#path-new", path);
    await page.fill("#detail-edit", text);
    await page.click("#save");
    await until((path) => document.getElementById("detail-path").textContent === path, path);
  },
  async read_only() {
    check(await page.locator("#new-file").isHidden(), "there is a button to make files");
    check(await page.locator("#acts").isHidden(), "there are buttons to edit");
  },
  // What a page could send although it shows no button for it. Returns the answer.
  async raw({ message, secret }) {
    return { answer: await page.evaluate(({ message, secret }) => new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${location.host}/watch`, "coffer-watch");
      socket.onmessage = (event) => {
        const told = JSON.parse(event.data);
        if (told.say === "secret") socket.send(JSON.stringify({ do: "access", secret }));
        if (told.say === "hello") socket.send(JSON.stringify(message));
        if (told.say === "answer") { resolve(told); socket.close(); }
      };
      socket.onclose = () => reject(new Error("closed"));
    }), { message, secret }) };
  },
  // At the door: nothing of these words stands anywhere in the page.
  async is_shut({ words, note }) {
    await page.locator("#door").waitFor();
    check(await page.locator("main").isHidden(), "what is behind the door is in sight");
    await until((note) => document.getElementById("door-note").textContent === note, note ?? "");
    const found = await page.evaluate((words) => {
      const all = document.title + document.body.innerHTML.replace(/<script[^]*<\/script>/, "")
        + [...document.querySelectorAll("input, textarea")].map((e) => e.value).join(" ");
      return words.filter((word) => all.includes(word));
    }, words);
    check(found.length === 0, `it shows ${found}`);
    check(await page.evaluate(() => document.activeElement.id) === "secret", "the focus is elsewhere");
  },
  async tell_secret({ secret, note }) {
    await page.fill("#secret", secret);
    await page.keyboard.press("Enter");
    if (note !== undefined) {
      await until((note) => document.getElementById("door-note").textContent === note, note);
      check(await page.inputValue("#secret") === "", "what was wrong is left there");
    } else {
      await page.locator("#door").waitFor({ state: "hidden" });
      await page.locator("#dot.good").waitFor();
    }
  },
  async unlock() {
    await page.click("#unlock");
    await page.locator("#door").waitFor();
  },
  async escape() {
    await page.keyboard.press("Escape");
    await page.locator("#door").waitFor({ state: "hidden" });
  },
  async lock() {
    await page.click("#lock");
  },
  async reload() {
    await page.reload();
  },
  async may({ edit, unlock, lock }) {
    for (const [id, wanted] of [["new-file", edit], ["unlock", unlock], ["lock", lock]]) {
      await page.locator(`#${id}`).waitFor({ state: wanted ? "visible" : "hidden" });
    }
  },
  // The secret is nowhere that outlives the tab, or that another site could make use of.
  async keeps_nothing() {
    const kept = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length,
      location.href, JSON.stringify(history.state)]);
    check(kept[0] === "" && kept[1] === 0 && kept[2] === 0, `kept: ${kept}`);
    check((await context.cookies()).length === 0, "there is a cookie");
    check(!/swordfish|minnow/.test(kept.join()), `kept: ${kept}`);
  },
  async many({ files, nodes }) {
    const began = Date.now();
    await until((files) => document.getElementById("told").textContent.startsWith(`${files.toLocaleString("en")} files`), files);
    const ms = Date.now() - began;
    await page.click("#open-all");
    await until((files) => document.getElementById("rows").offsetHeight > files * 20, files);
    const count = await page.evaluate(() => document.querySelectorAll("*").length);
    check(count < nodes, `${count} elements`);
    return { ms, count };
  },
  // From top to bottom by a hundred jumps; each has to show the rows that belong there.
  async scroll({ nodes }) {
    const seen = await page.evaluate(async () => {
      const tree = document.getElementById("tree");
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const steps = 100;
      let blank = 0, worst = 0;
      for (let i = 0; i <= steps; i++) {
        tree.scrollTop = (tree.scrollHeight - tree.clientHeight) * i / steps;
        const began = performance.now();
        await frame();
        worst = Math.max(worst, performance.now() - began);
        const middle = tree.getBoundingClientRect();
        const e = document.elementFromPoint(middle.left + 60, middle.top + middle.height / 2);
        if (e === null || e.closest(".row") === null) blank++;
      }
      return { blank, worst, elements: document.querySelectorAll("*").length };
    });
    check(seen.blank === 0, `${seen.blank} places were blank`);
    check(seen.elements < nodes, `${seen.elements} elements`);
    return seen;
  },
  async keys({ keys, active, expanded }) {
    await page.focus("#tree");
    for (const key of keys) await page.keyboard.press(key);
    await until((active) => {
      const id = document.getElementById("tree").getAttribute("aria-activedescendant");
      const e = id !== null ? document.getElementById(id) : null;
      return e !== null && e.dataset.path === active;
    }, active);
    if (expanded !== undefined) {
      await until(({ active, expanded }) => document.querySelector(`.row[data-path="${active}"]`)
        .getAttribute("aria-expanded") === expanded, { active, expanded });
    }
  },
  // What a screen reader is told.
  async roles({ shut }) {
    const wrong = await page.evaluate(() => {
      const bad = [];
      if (document.getElementById("tree").getAttribute("role") !== "tree") bad.push("tree");
      if (document.getElementById("live").getAttribute("aria-live") !== "polite") bad.push("live");
      for (const e of document.querySelectorAll(".row:not([hidden])")) {
        for (const name of ["aria-level", "aria-setsize", "aria-posinset", "aria-selected"]) {
          if (!e.hasAttribute(name)) bad.push(`${e.dataset.path} ${name}`);
        }
        if (e.getAttribute("role") !== "treeitem") bad.push(e.dataset.path);
        if (e.classList.contains("dir") !== e.hasAttribute("aria-expanded")) bad.push(e.dataset.path);
      }
      for (const e of document.querySelectorAll("button, input, textarea")) {
        if (!e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length) bad.push(e.id);
      }
      return bad;
    });
    check(wrong.length === 0, `without a role or name: ${wrong.join(", ")}`);
    if (shut) return;
    for (let i = 0; i < 12 && await page.evaluate(() => document.activeElement.id) !== "tree"; i++) {
      await page.keyboard.press("Tab");
    }
    const outline = await page.evaluate(() => getComputedStyle(document.getElementById("tree")).outlineStyle);
    check(outline !== "none", "the focus cannot be seen");
  },
  async lost() {
    await page.locator("#banner").waitFor();
    await until(() => /Trying again in \d+ s/.test(document.getElementById("banner-text").textContent));
    check(await page.locator("#try-now").isVisible(), "there is no button to try now");
  },
  async back() {
    await page.locator("#try-now").click().catch(() => {});  // it may be back by itself
    await page.locator("#dot.good").waitFor();
    await until(() => document.getElementById("banner").hidden);
  },
  async leaders({ last }) {
    await until((last) => document.querySelector("#reigns li span")?.textContent === `server ${last}`, last);
    return { reigns: await texts("#reigns li"), servers: await texts("#servers tr") };
  },
  // Nothing reaches beyond the screen, and what is touched is large enough.
  async phone({ path }) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    check(!wide, "it is wider than the screen");
    const height = (await row(path).boundingBox()).height;
    check(height >= 40, `rows are ${height} high`);
    await row(path).tap();
    await page.locator("#close").waitFor();
    await until(() => document.getElementById("detail-facts").textContent.startsWith("revision"));
  },
  async phone_servers() {
    await page.locator("#close").tap();
    await page.locator("#panel").tap();
    await page.locator("#servers tr").first().waitFor();
  },
  async is_dark() {
    const colour = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    check(/^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour).slice(1).every((c) => Number(c) < 60), colour);
  },
  async picture({ file }) {
    await page.screenshot({ path: file });
  },
  async end() {
    await browser.close();
  },
};

async function main() {
  for await (const text of readline.createInterface({ input: process.stdin })) {
    const line = JSON.parse(text);
    let answer;
    try {
      answer = { ok: true, ...await steps[line.do](line) };
      if (errors.length !== 0) throw new Error(errors.splice(0).join("; "));
    } catch (error) {
      const told = page === undefined ? "" : await page.evaluate(() =>
        ["told", "detail-facts", "detail-note", "banner-text", "state", "door-note"]
          .map((id) => document.getElementById(id).textContent).join(" | ")).catch(String);
      answer = { ok: false, why: `${error}; the page says: ${told}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main();
