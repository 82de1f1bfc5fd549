// The phone is full: what is not sent is one tap away from being a file, and the file brings the visit to the desk once.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { exportAndImport, saveVisit, write } from '../bad.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    await phone.offline();
    const visit = await saveVisit(aside);
    const cdp = await phone.context.newCDPSession(page);
    const { usage } = await aside.evaluate(() => navigator.storage.estimate());
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base, quotaSize: usage + 200_000 });
    const [place] = await ask(aside, 'places');
    let refused = null;
    for (let at = 0; at < 5_000 && !refused; at += 1) {
      const groups = { label: `Nhà ghi trước khi máy đầy số ${at}` };
      refused = await write(aside, 'household_create', { village: place.village.id, groups }).then(() => null, (error) => error.message);
    }
    assert.match(refused ?? '', /storage_full/);
    assert.equal(await page.getByRole('button', { name: 'Xuất bản cứu hộ' }).count(), 0, 'nobody was told to before');

    // The person meets it, is told what is safe, and needs one tap.
    await page.evaluate(() => (location.hash = '#/household-edit/new'));
    await page.getByLabel('Trong thôn gọi hộ này thế nào?').fill('Quán nước Tám Hiền');
    await page.getByRole('button', { name: /^Lưu/ }).click();
    await page.getByText('Bộ nhớ máy đã đầy').first().waitFor();
    const waiting = (await ask(page, 'state')).sync;
    const taken = await exportAndImport(server, page);
    assert.deepEqual([taken.known, taken.rejected, taken.problems], [0, 0, []]);
    assert.equal(taken.applied, taken.ops);
    assert.equal(taken.ops, waiting.waiting + waiting.sent, 'everything that waits is in the file');
    assert.equal((await officer.get(`/api/v1/visits/${visit}`)).status, 'submitted');

    // Room again, a network again: the same once more changes nothing, what stood on the screen goes after it.
    await cdp.send('Storage.overrideQuotaForOrigin', { origin: server.base });
    assert.equal(await page.getByLabel('Trong thôn gọi hộ này thế nào?').inputValue(), 'Quán nước Tám Hiền');
    await page.getByRole('button', { name: /^Lưu/ }).click();
    await page.getByText('Quán nước Tám Hiền').first().waitFor();
    await phone.offline(false);
    await ask(aside, 'sync', { pressed: true });
    const { sync } = await ask(aside, 'state');
    assert.deepEqual([sync.waiting + sync.sent, sync.refused], [0, 0]);
    const there = await officer.get(`/api/v1/visits?village=${place.village.id}&limit=100`);
    assert.equal(there.items.filter((one) => one.id === visit).length, 1);
    await aside.close();
  } finally {
    await phone.end();
  }
}
