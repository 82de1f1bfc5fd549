// The worker that holds the core breaks off: the page starts another one, and what was saved or half filled in is there.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { saveVisit, visitForm, write } from '../bad.mjs';

/** Runs something inside the worker. */
async function inWorker(page, text) {
  const [worker] = page.workers();
  assert.ok(worker, 'there is a worker');
  await worker.evaluate(text).catch(() => undefined);
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    const { page } = phone;
    await phone.enrol(await officer.code(server.member().user));
    await page.getByText('Đã gửi hết').waitFor();
    await phone.offline();
    await saveVisit(page);
    const draft = await write(page, 'draft_begin', { form: await visitForm(page) });
    const before = await ask(page, 'state');

    // It breaks off with an error of its own.
    await inWorker(page, "setTimeout(() => { throw new Error('broken off'); })");
    await phone.unlock();
    await phone.home();
    let after = await ask(page, 'state');
    assert.equal(after.sync.recorded, before.sync.recorded);
    assert.equal(after.sync.waiting + after.sync.sent, before.sync.waiting + before.sync.sent);
    assert.equal((await ask(page, 'drafts')).filter((one) => one.id === draft.id).length, 1);

    // It ends without a word, and the next tap is what notices.
    await inWorker(page, 'self.close()');
    await page.getByRole('link', { name: 'Ghi chuyến thăm' }).first().click();
    await phone.unlock();
    await page.locator('main .list .item').first().waitFor();
    after = await ask(page, 'state');
    assert.equal(after.sync.recorded, before.sync.recorded);
    assert.equal(await ask(page, 'drafts').then((all) => all.length), before.drafts);
  } finally {
    await phone.end();
  }
}
