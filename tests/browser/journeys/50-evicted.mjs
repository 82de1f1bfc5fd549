// The browser throws storage away. Without its key a store cannot be read: the person is told, and can go on.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  const evict = async (storageTypes) => {
    const cdp = await phone.context.newCDPSession(phone.page);
    await cdp.send('Storage.clearDataForOrigin', { origin: server.base, storageTypes });
    await cdp.detach();
  };
  const households = async () => {
    const aside = await phone.beside();
    const found = await ask(aside, 'households', { query: '', limit: 3 });
    await aside.close();
    return found;
  };
  try {
    await phone.enrol(await officer.code(member.user));
    assert.ok((await households()).length > 0);

    // The key is gone, the files are not.
    await evict('indexeddb');
    await phone.page.reload();
    await phone.enrol(await officer.code(member.user));
    await phone.page.getByText('Trình duyệt đã xóa khóa của sổ cũ').waitFor();
    assert.ok((await households()).length > 0, 'the rows came again');

    // Everything is gone: a phone like new.
    await phone.page.goto('about:blank');
    await evict('all');
    await phone.enrol(await officer.code(member.user));
    assert.equal(await phone.page.getByText('Trình duyệt đã xóa khóa của sổ cũ').count(), 0);
    assert.ok((await households()).length > 0);
  } finally {
    await phone.end();
  }
}
