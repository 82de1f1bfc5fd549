// The five commonest tasks take few taps and no typing.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';
import { TASKS, Taps } from '../tasks.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    for (const task of TASKS) {
      await task.prepare?.(aside, task, server);
      await phone.page.evaluate(() => (location.hash = '#/'));
      await phone.home();
      const hand = new Taps(phone.page);
      await task.run(hand, task);
      console.log(`      ${task.name}: ${hand.taps} taps, ${hand.keys} keystrokes`);
      assert.ok(hand.taps <= task.most.taps && hand.keys <= task.most.keys, task.name);
    }
    const { sync } = await ask(aside, 'state');
    assert.equal(sync.refused, 0);
  } finally {
    await phone.end();
  }
}
