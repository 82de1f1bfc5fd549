// Over a thin link one sees how much of the app has come; from the phone's own store it comes without a word. While a store
// moves to a new version one sees how far that is.
import assert from 'node:assert/strict';
import { Officer, Phone, startLine } from '../lib.mjs';

const isCore = (url) => /core_bg.*\.wasm/.test(url);

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    const { page } = phone;
    const code = await officer.code(server.member().user);
    let goOn;
    const rest = new Promise((resolve) => (goOn = resolve));
    line.hold = (url) => (isCore(url) ? rest : null);
    await phone.goto();
    const words = page.getByText(/^Đang tải ứng dụng: [\d.]+ \/ [\d.]+ kB$/);
    await words.waitFor();
    const bar = page.getByRole('progressbar', { name: 'Đang tải ứng dụng' });
    const half = await bar.evaluate((one) => one.position);
    assert.ok(half > 0 && half <= 0.5, `half of it has come: ${half}`);
    const [done, total] = (await words.innerText()).match(/[\d.]+/g).map((text) => Number(text.replaceAll('.', '')));
    assert.ok(done > 0 && done < total && total > 1_000, `${done} of ${total}`);
    goOn();
    await page.getByLabel('Mã đăng ký').waitFor();
    assert.equal(await page.getByRole('progressbar').count(), 0);
    await phone.enrol(code);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));

    // Whoever asked the network for it now would wait for ever.
    let asked = 0;
    line.hold = (url) => {
      if (!isCore(url)) return null;
      asked += 1;
      return new Promise(() => undefined);
    };
    await page.addInitScript(() => {
      const Real = Worker;
      globalThis.Worker = class extends Real {
        constructor(...given) {
          super(...given);
          globalThis.coreWorker = this;
        }
      };
    });
    await page.reload();
    await page.getByText('Ứng dụng đang khóa').waitFor();
    assert.equal(asked, 0);

    // What the worker says of a migration; there is no older store to bring, and steps are tried without a browser.
    const say = (progress) =>
      page.evaluate((progress) => coreWorker.dispatchEvent(new MessageEvent('message', { data: { t: 'progress', progress } })), progress);
    await say({ what: 'store', done: 3, total: 12, part: 0.5 });
    await page.getByText('Đang chuyển dữ liệu sang bản mới: 3 / 12').waitFor();
    const moved = await page.getByRole('progressbar', { name: 'Đang chuyển dữ liệu sang bản mới' }).evaluate((one) => one.position);
    assert.ok(Math.abs(moved - 3.5 / 12) < 1e-6, `${moved}`);
    await say(null);
    await page.getByRole('progressbar').waitFor({ state: 'detached' });
    await phone.pin();
    await phone.home();
  } finally {
    await phone.end();
    await line.end();
  }
}
