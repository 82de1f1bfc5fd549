// Where nothing can be kept, nothing is taken: no files, files that somebody else holds, a full disk. Each is said in plain
// words, no store in memory stands in for the real one, and what was saved before stays.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

/** A private window, as some browsers have it: no files of the origin's own. */
async function withoutFiles(server) {
  const phone = await Phone.open(server);
  try {
    await phone.context.addInitScript(() => {
      navigator.storage.getDirectory = () => Promise.reject(new DOMException('no files here', 'SecurityError'));
    });
    await phone.goto();
    await phone.page.getByText('Cửa sổ ẩn danh').first().waitFor();
    assert.equal(await phone.page.getByLabel('Mã đăng ký').count(), 0, 'nothing can be entered');
  } finally {
    await phone.end();
  }
}

/** Another worker of the origin holds every file of the pool. */
async function heldFiles(server, officer) {
  const phone = await Phone.open(server, { bypassCSP: true });
  try {
    await phone.enrol(await officer.code(server.member().user));
    const holder = await phone.context.newPage();
    await holder.goto(`${server.base}/app/icon.svg`);
    await phone.page.goto('about:blank');
    const held = await holder.evaluate(async () => {
      const work = async () => {
        const handles = [];
        const walk = async (folder) => {
          for await (const entry of folder.values()) {
            if (entry.kind === 'directory') await walk(entry);
            else handles.push(await entry.createSyncAccessHandle());
          }
        };
        for (;;) {
          try {
            await walk(await navigator.storage.getDirectory());
            break;
          } catch {
            // The app's own worker is still going away.
            for (const handle of handles.splice(0)) handle.close();
          }
        }
        postMessage(handles.length);
        globalThis.handles = handles;
      };
      const worker = new Worker(URL.createObjectURL(new Blob([`(${work})()`])));
      globalThis.holder = worker;
      return new Promise((resolve) => (worker.onmessage = (event) => resolve(event.data)));
    });
    assert.ok(held >= 2, `${held} files`);
    await phone.goto();
    await phone.page.getByText('Không mở được sổ trên máy').waitFor();
    await phone.page.getByText('Có thể ứng dụng đang mở ở cửa sổ khác').waitFor();
    assert.equal(await phone.page.getByLabel('Mã đăng ký').count(), 0, 'no empty store in place of the real one');
    await holder.close();
    await phone.page.getByRole('button', { name: 'Tải lại' }).click();
    await phone.unlock();
    await phone.home();
  } finally {
    phone.complaints = phone.complaints.filter((text) => !/pool_unavailable/.test(text));
    await phone.end();
  }
}

/** The disk is full in the middle of a day. */
async function fullDisk(server, officer) {
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    await phone.offline();
    const cdp = await phone.context.newCDPSession(phone.page);
    const { usage } = await aside.evaluate(() => navigator.storage.estimate());
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base, quotaSize: usage + 200_000 });
    const [place] = await ask(aside, 'places');
    const before = (await ask(aside, 'state')).sync.recorded;
    const saved = [];
    let refused = null;
    for (let at = 0; at < 5_000 && !refused; at += 1) {
      const label = `Nhà ghi khi bộ nhớ sắp đầy số ${at}`;
      try {
        await ask(aside, 'household_create', { call: crypto.randomUUID(), village: place.village.id, groups: { label } });
        saved.push(label);
      } catch (error) {
        refused = JSON.parse(error.message.match(/\{.*\}/)[0]);
      }
    }
    assert.equal(refused?.code, 'storage_full', `${saved.length} saved, then ${JSON.stringify(refused)}`);
    assert.match(refused.vi, /Bộ nhớ máy đã đầy/);

    // The person sees it where they press, and nothing typed is lost.
    await phone.page.evaluate(() => (location.hash = '#/household-edit/new'));
    await phone.page.getByLabel('Trong thôn gọi hộ này thế nào?').fill('Quán cháo Sáu Lành');
    await phone.page.getByRole('button', { name: /^Lưu/ }).click();
    await phone.page.getByText('Bộ nhớ máy đã đầy').first().waitFor();
    assert.equal(await phone.page.getByLabel('Trong thôn gọi hộ này thế nào?').inputValue(), 'Quán cháo Sáu Lành');
    const found = async () => (await ask(aside, 'households', { query: 'ghi khi bo nho sap day', limit: 10_000 })).length;
    assert.equal(await found(), saved.length, 'what was saved is there, and can be read');

    // Room again: what is on the screen is saved, everything is sent.
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base });
    await phone.page.getByRole('button', { name: /^Lưu/ }).click();
    await phone.page.getByText('Quán cháo Sáu Lành').first().waitFor();
    assert.equal(await found(), saved.length);
    await phone.offline(false);
    await ask(aside, 'sync', { pressed: true });
    const { sync } = await ask(aside, 'state');
    assert.equal(sync.waiting + sync.sent, 0);
    assert.ok(before <= sync.recorded);
  } finally {
    await phone.end();
  }
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  await withoutFiles(server);
  await heldFiles(server, officer);
  await fullDisk(server, officer);
}
