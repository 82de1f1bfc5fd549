// Two windows of one app: both show and save, one of them holds the core; when it goes, the other one takes over.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(member.user));
    const first = phone.page;
    const second = await phone.beside();

    const [place] = await ask(second, 'places');
    const call = crypto.randomUUID();
    const args = { call, village: place.village.id, groups: { label: 'Nhà cạnh giếng làng thử hai cửa sổ' } };
    // The same press, asked twice because its answer got lost: saved once.
    const at_ms = Date.now();
    const twice = () =>
      first.evaluate(
        ([args, at_ms]) =>
          new Promise((resolve) => {
            const channel = new BroadcastChannel('thonso-core');
            const id = crypto.randomUUID();
            const from = crypto.randomUUID();
            channel.onmessage = ({ data }) => data.t === 'told' && data.to === from && resolve(data.reply.ok ?? data.reply.problem);
            channel.postMessage({ t: 'ask', ask: { t: 'ask', id, name: 'household_create', args, at_ms }, from });
          }),
        [args, at_ms],
      );
    // A channel does not reach its own page's listeners of the same object, but every other one of the origin.
    const saved = await twice();
    const again = await twice();
    assert.equal(saved.row, again.row);
    assert.equal(saved.uid, again.uid);
    const found = await ask(second, 'households', { query: 'gieng lang thu hai', limit: 9 });
    assert.equal(found.length, 1, 'entered once, seen in the other window');

    // The window that holds the core goes: the other one takes over, with everything.
    await first.close();
    await second.reload();
    await second.getByText('Ứng dụng đang khóa').waitFor();
    phone.page = second;
    await phone.pin();
    await phone.home();
    const third = await phone.beside();
    const still = await ask(third, 'households', { query: 'gieng lang thu hai', limit: 9 });
    assert.equal(still.length, 1);
  } finally {
    await phone.end();
  }
}
