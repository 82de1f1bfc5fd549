// The window that holds the core falls asleep, or hangs: the other one goes on, or says what is the matter and takes over.
// What was saved before is there, and what is pressed meanwhile is saved once.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

/** Longer than a window waits before it says that the other one is silent. */
const HANGS_MS = 12_000;

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(member.user));
    const [second, third] = [await phone.beside(), await phone.beside()];
    const [place] = await ask(third, 'places');
    const save = (window, label) =>
      ask(window, 'household_create', { call: crypto.randomUUID(), village: place.village.id, groups: { label } });
    await save(third, 'Nhà ghi trước khi cửa sổ ngủ');

    // The system puts the leading window to sleep: it is told, lets go of the files, and another one leads; the PIN is asked for
    // again. A browser that is driven keeps its windows awake, so the telling stands for the sleep.
    await phone.page.evaluate(() => document.dispatchEvent(new Event('freeze')));
    phone.page = second;
    await second.bringToFront();
    await second.getByText('Ứng dụng đang khóa').waitFor();
    await phone.pin();
    await phone.home();
    assert.equal((await ask(third, 'households', { query: 'truoc khi cua so ngu', limit: 3 })).length, 1);

    // The leading window hangs, without a word: the other one says so, and is used from now on.
    await third.bringToFront();
    const hung = second.evaluate((ms) => {
      const until = Date.now() + ms;
      while (Date.now() < until);
    }, HANGS_MS);
    await third.evaluate(() => (location.hash = '#/households'));
    await third.getByText('Ứng dụng đang mở ở cửa sổ khác').waitFor();
    phone.page = third;
    await third.getByRole('button', { name: 'Dùng ở đây' }).click();
    await hung;
    await third.getByText('Ứng dụng đang khóa').waitFor();
    await phone.pin();
    await third.getByRole('heading', { level: 1 }).first().waitFor();
    const fourth = await phone.beside();
    await save(fourth, 'Nhà ghi sau khi cửa sổ treo');
    for (const label of ['truoc khi cua so ngu', 'sau khi cua so treo']) {
      assert.equal((await ask(fourth, 'households', { query: label, limit: 3 })).length, 1, label);
    }
  } finally {
    await phone.end();
  }
}
