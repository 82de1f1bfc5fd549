// A phone without any room left: the PIN still opens it, a wrong one does not, and what waits is sent once there is room.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { saveVisit, write } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const aside = await phone.context.newPage();
    await aside.goto(`${server.base}/app/icon.svg`);
    await phone.offline();
    await saveVisit(page);
    // Of a page that stays: with a page that is loaded anew the quota would be as before.
    const cdp = await phone.context.newCDPSession(aside);
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base, quotaSize: 1 });
    const [place] = await ask(page, 'places');
    let refused = null;
    for (let at = 0; at < 5_000 && !refused; at += 1) {
      const groups = { label: `Nhà ghi khi máy đầy số ${at}` };
      refused = await write(page, 'household_create', { village: place.village.id, groups }).then(() => null, (error) => error.message);
    }
    assert.match(refused ?? '', /storage_full/);
    const full = await ask(page, 'state');

    await page.reload();
    await page.getByText('Ứng dụng đang khóa').waitFor();
    await phone.pin('111222');
    await page.getByText('Mã PIN không đúng').waitFor();
    assert.equal(await page.getByRole('heading', { name: /^Chào / }).count(), 0);
    await phone.pin();
    await phone.home();
    const opened = await ask(page, 'state');
    assert.equal(opened.sync.waiting + opened.sync.sent, full.sync.waiting + full.sync.sent, 'what was saved is there');
    assert.equal(opened.sync.recorded, full.sync.recorded);

    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base });
    await phone.offline(false);
    await page.getByRole('button', { name: 'Đồng bộ ngay' }).click();
    await page.getByText('Đã gửi hết').waitFor();
    assert.equal((await ask(page, 'state')).sync.refused, 0);
  } finally {
    await phone.end();
  }
}
