// Stores that were set aside do not use up the files of the pool: after many of them a new one still opens.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { saveVisit } from '../bad.mjs';

/** More stores than the pool has files for at first: each takes two. */
const TIMES = 8;

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    const { page } = phone;
    await phone.goto();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await phone.offline();
    // Each time a store is begun, and its key thrown away. Without a network no code is used up.
    for (let time = 0; time < TIMES; time += 1) {
      await page.getByLabel('Mã đăng ký').fill('00000000');
      await page.getByRole('button', { name: 'Đăng ký máy này' }).click();
      await page.getByText('Không liên lạc được với máy chủ').first().waitFor();
      const cdp = await phone.context.newCDPSession(page);
      await cdp.send('Storage.clearDataForOrigin', { origin: server.base, storageTypes: 'indexeddb' });
      await cdp.detach();
      await page.reload();
    }
    await phone.offline(false);
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    await saveVisit(page);
    assert.ok((await ask(page, 'state')).sync.recorded > 0);
  } finally {
    await phone.end();
  }
}
