// A server of one's own, phones that are real browsers, and the officer on the other side.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const SERVER = process.env.THONSO_SERVER ?? new URL('../../target/debug/thonso', import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
export const PHONE = { width: 360, height: 640 };
export const PIN = '274916';
/** How long a screen may take on a busy machine before it counts as not coming. */
const PATIENCE_MS = 30_000;

/** A folder that is gone afterwards. */
async function folder(name) {
  return mkdtemp(join(tmpdir(), `thonso-${name}-`));
}

/** A server with the sample commune, on a free port of loopback. `more`: further words for the sample. */
export async function startServer(more = []) {
  const data = await folder('server');
  const seeded = spawnSync(SERVER, ['demo-seed', '--data', data, '--json', ...more], { encoding: 'utf8', maxBuffer: 64 << 20 });
  assert.equal(seeded.status, 0, seeded.stderr);
  const sample = JSON.parse(seeded.stdout.slice(seeded.stdout.indexOf('{')));
  let listen = '127.0.0.1:0';
  let child;
  let base;
  const start = async () => {
    child = spawn(SERVER, ['serve', '--data', data, '--listen', listen], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    base = await new Promise((resolve, reject) => {
      const hear = (chunk) => {
        output.push(chunk.toString());
        const found = output.join('').match(/listening on (http:\/\/[0-9.:]+)/);
        if (found) resolve(found[1]);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output.join('')}`)));
    });
    listen = base.replace('http://', '');
  };
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null) resolve();
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  await start();
  let taken = 0;
  const members = sample.accounts.filter((one) => /^Thôn /.test(one.place) && ['team_leader', 'member'].includes(one.role));
  return {
    /** Somebody of a village team; another one each time, because attempts at one account are limited. */
    member: () => members[taken++ % members.length],
    get base() {
      return base;
    },
    sample,
    start,
    stop,
    /** Runs a command of the server on its data folder; best while it is stopped. */
    command: (...words) => {
      const ended = spawnSync(SERVER, ['--data', data, ...words], { encoding: 'utf8' });
      assert.equal(ended.status, 0, ended.stderr);
      return ended.stdout;
    },
    end: async () => {
      await stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/**
 * A line between phones and the server that can change what passes: another version of the app, an answer of its own in place
 * of the server's, a server that is gone, an answer of which half comes until a promise is kept.
 */
export async function startLine(server) {
  const line = { change: null, answer: null, down: false, hold: null };
  const listener = createServer((request, response) => {
    if (line.down) {
      request.socket.destroy();
      return;
    }
    const instead = line.answer?.(request.url);
    if (instead) {
      request.resume();
      response.writeHead(instead.status, { 'content-type': 'application/problem+json', ...instead.headers });
      response.end(JSON.stringify(instead.body ?? {}));
      return;
    }
    const target = new URL(request.url, server.base);
    const forwarded = forward(target, { method: request.method, headers: { ...request.headers, host: target.host, 'accept-encoding': 'identity' } }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const headers = { ...answer.headers };
        let body = Buffer.concat(parts);
        const changed = line.change?.(request.url, body);
        if (changed) {
          body = changed;
          headers['content-length'] = String(body.length);
        }
        response.writeHead(answer.statusCode, headers);
        const held = line.hold?.(request.url);
        if (!held) {
          response.end(body);
          return;
        }
        const half = body.length >> 1;
        response.write(body.subarray(0, half));
        void held.then(() => response.end(body.subarray(half)));
      });
    });
    forwarded.on('error', () => request.socket.destroy());
    request.pipe(forwarded);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  line.base = `http://127.0.0.1:${listener.address().port}`;
  line.sample = server.sample;
  line.member = server.member;
  line.end = () => {
    listener.closeAllConnections();
    return new Promise((resolve) => listener.close(resolve));
  };
  return line;
}

/** A little less than a token lives. */
const TOKEN_MS = 8 * 60_000;
const officers = new Map();

/** The officer of the sample commune, by the API. */
export class Officer {
  /** Signs in; once for all journeys of a server, because attempts at an account are limited. */
  static async signIn(server) {
    const known = officers.get(server.sample);
    if (known && Date.now() - known.since < TOKEN_MS) return known;
    const officer = new Officer();
    officers.set(server.sample, officer);
    officer.since = Date.now();
    officer.server = server;
    const account = server.sample.accounts.find((one) => one.role === 'commune_officer');
    const said = await officer.post('/api/v1/auth/sign-in', { phone: account.phone, password: server.sample.password });
    officer.token = said.access_token;
    return officer;
  }

  async ask(method, path, body) {
    const response = await fetch(this.server.base + path, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      body: body ? JSON.stringify(body) : undefined,
    });
    const text = await response.text();
    const said = text ? JSON.parse(text) : null;
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(said)}`);
    return said;
  }

  get = (path) => this.ask('GET', path);
  post = (path, body) => this.ask('POST', path, body);

  /** A one-time code for a member. */
  async code(user) {
    return (await this.post(`/api/v1/users/${user}/enrolment-code`, {})).code;
  }
}

/** What a page complains of is remembered by whoever opened it: a journey that ends with complaints has failed. */
function watch(holder, page) {
  holder.complaints ??= [];
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => holder.complaints.push(error.message));
  page.on('console', (message) => {
    // A request that cannot be made while the network is cut, or that is refused, is no fault of the page.
    const expected = /net::ERR_|Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !expected) holder.complaints.push(message.text());
  });
  page.on('request', (request) => {
    const own = request.url().startsWith(holder.server.base) || /^(data|blob|about):/.test(request.url());
    if (!own) holder.complaints.push(`asked elsewhere: ${request.url()}`);
  });
}

/** A phone: Chromium with a profile of its own, 360×640, touch. */
export class Phone {
  static async open(server, options = {}) {
    const phone = new Phone();
    phone.server = server;
    phone.profile = await folder('phone');
    phone.options = options;
    await phone.start();
    return phone;
  }

  async start() {
    const { viewport = PHONE, colorScheme = 'light', flags = [], bypassCSP = false } = this.options;
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: CHROMIUM,
      headless: true,
      viewport,
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      locale: 'vi-VN',
      timezoneId: 'Asia/Ho_Chi_Minh',
      colorScheme,
      bypassCSP,
      args: [...FLAGS, ...flags],
    });
    this.page = this.context.pages()[0] ?? (await this.context.newPage());
    this.watch(this.page);
  }

  watch(page) {
    watch(this, page);
  }

  goto(hash = '') {
    return this.page.goto(`${this.server.base}/app/${hash}`);
  }

  /** Types a PIN on the pad. */
  async pin(digits = PIN) {
    for (const digit of digits) await this.page.getByRole('button', { name: digit, exact: true }).click();
  }

  /** From nothing to the home screen. */
  async enrol(code) {
    await this.goto();
    await this.page.getByLabel('Mã đăng ký').fill(code);
    await this.page.getByRole('button', { name: 'Đăng ký máy này' }).click();
    const refused = this.page.locator('#code-help + .wrong:not(:empty)');
    await this.page.getByText('Chọn mã PIN 6 số').or(refused).first().waitFor();
    if ((await refused.count()) > 0) throw new Error(`not enrolled: ${await refused.innerText()}`);
    await this.pin();
    await this.page.getByText('Nhập lại mã PIN').waitFor();
    await this.pin();
    await this.home();
  }

  /** Waits for the home screen. */
  home() {
    return this.page.getByRole('heading', { name: /^Chào / }).waitFor();
  }

  /**
   * Another window of the phone, for asking the core. The phone's own one comes to the front again: a window behind draws once a
   * second, and what is pressed in it waits for that.
   */
  async beside(options) {
    const window = await this.context.newPage();
    this.watch(window);
    await window.goto(`${this.server.base}/app/`);
    await window.getByRole('heading', { name: /^Chào / }).waitFor(options);
    await this.page.bringToFront();
    return window;
  }

  /** Opens the app again after a reload or a restart, with the PIN. */
  async unlock() {
    await this.page.getByText('Ứng dụng đang khóa').waitFor();
    await this.pin();
  }

  offline(off = true) {
    return this.context.setOffline(off);
  }

  /** The battery is pulled: no page is told. */
  async kill() {
    const browser = this.context.browser();
    const ended = new Promise((resolve) => this.context.once('close', resolve));
    spawnSync('pkill', ['-KILL', '-f', this.profile]);
    await ended;
    await browser?.close().catch(() => undefined);
  }

  async restart() {
    await this.start();
  }

  async end() {
    await this.context.close().catch(() => undefined);
    await rm(this.profile, { recursive: true, force: true });
    assert.deepEqual(this.complaints, [], 'the page complained');
  }
}

/** Asks the core of a page directly, as the screens do. */
export function ask(page, name, args = {}) {
  return page.evaluate(
    ([name, args]) => {
      const channel = new BroadcastChannel('thonso-core');
      const id = crypto.randomUUID();
      const from = crypto.randomUUID();
      return new Promise((resolve, reject) => {
        channel.onmessage = (event) => {
          const note = event.data;
          if (note.t !== 'told' || note.to !== from) return;
          channel.close();
          if (note.reply.problem) reject(new Error(JSON.stringify(note.reply.problem)));
          else resolve(note.reply.ok);
        };
        channel.postMessage({ t: 'ask', ask: { t: 'ask', id, name, args, at_ms: Date.now() }, from });
      });
    },
    [name, args],
  );
}

export const OFFICE = { width: 1280, height: 800 };

/** A desk: Chromium on an office's PC, signed in as somebody of the sample. */
export class Desk {
  static async open(server, role = 'commune_officer', { viewport = OFFICE, lang = 'vi' } = {}) {
    const desk = new Desk();
    desk.server = server;
    desk.account = server.sample.accounts.find((one) => one.role === role);
    desk.browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    desk.context = await desk.browser.newContext({ viewport, locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh', acceptDownloads: true });
    await desk.context.addInitScript((lang) => localStorage.getItem('thonso.lang') ?? localStorage.setItem('thonso.lang', lang), lang);
    desk.page = await desk.context.newPage();
    watch(desk, desk.page);
    await desk.goto();
    await desk.signIn();
    await desk.page.locator('#content').waitFor();
    return desk;
  }

  /** A page by its address. */
  goto(path = '') {
    return this.page.goto(`${this.server.base}/desk/${path}`);
  }

  /** Fills in the form that is shown, at the door or over a page. */
  async signIn() {
    await this.page.locator('input[name=username]').fill(this.account.phone);
    await this.page.locator('input[name=password]').fill(this.server.sample.password);
    await this.page.getByRole('button', { name: /^(Đăng nhập|Sign in)$/ }).click();
  }

  async end() {
    await this.browser.close();
    assert.deepEqual(this.complaints, [], 'the desk complained');
  }
}
