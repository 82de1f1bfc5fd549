// A new version of the app arrives while work is unsent: nothing is swapped by itself, and the work is there afterwards.
import assert from 'node:assert/strict';
import { Officer, Phone, ask, startLine } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const line = await startLine(server);
  const phone = await Phone.open(line);
  try {
    await phone.enrol(await officer.code(member.user));
    const first = await phone.page.evaluate(() => navigator.serviceWorker.ready.then((found) => found.active.state));
    assert.ok(['activated', 'activating'].includes(first));
    await phone.page.reload();
    await phone.unlock();
    await phone.home();

    const aside = await phone.beside();
    // The server is gone: what is entered now cannot be sent.
    line.down = true;
    const [place] = await ask(aside, 'places');
    const label = 'Nhà ghi trước khi cập nhật';
    await ask(aside, 'household_create', { call: crypto.randomUUID(), village: place.village.id, groups: { label } });
    await aside.close();
    await phone.page.getByText('mục chưa gửi').first().waitFor();

    line.down = false;
    line.change = (url, body) => (url.endsWith('/sw.js') ? Buffer.concat([body, Buffer.from('\n// another version\n')]) : null);
    await phone.page.evaluate(() => navigator.serviceWorker.getRegistration().then((found) => found.update()));
    await phone.page.getByRole('button', { name: 'Cập nhật' }).waitFor();
    await phone.page.getByRole('button', { name: 'Cập nhật' }).click();
    await phone.unlock();
    await phone.home();
    await phone.page.getByText('Đã gửi hết').waitFor();
    const found = await officer.post('/api/v1/households/search', { village: place.village.id, q: label });
    assert.equal(found.items.length, 1, 'it arrived, once');
  } finally {
    await phone.end();
    await line.end();
  }
}
