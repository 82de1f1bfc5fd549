// What lies on the device: nothing that can be read, a salt of its own in every store, and no store in memory.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

/** Every file of the pool, as bytes in base64. */
const files = (page) =>
  page.evaluate(async () => {
    const found = [];
    const walk = async (folder) => {
      for await (const entry of folder.values()) {
        if (entry.kind === 'directory') await walk(entry);
        else {
          const bytes = new Uint8Array(await (await entry.getFile()).arrayBuffer());
          let text = '';
          for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
          found.push(btoa(text));
        }
      }
    };
    await walk(await navigator.storage.getDirectory());
    return found;
  });

/** The pool's own head of a file. */
const POOL_HEAD = 4096;
/** How a write-ahead log begins. */
const LOG_MARK = '377f06';

async function salts(server, officer, user) {
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(user));
    const second = await phone.beside();
    const [household] = await ask(second, 'households', { query: '', limit: 1 });
    assert.ok(household.label.length > 3);
    const all = (await files(second)).map((text) => Buffer.from(text, 'base64'));
    const big = all.filter((bytes) => bytes.length > 2 * POOL_HEAD);
    assert.ok(big.length > 0, 'the store is in files, not in memory');
    for (const bytes of all) {
      assert.equal(bytes.indexOf('SQLite format 3'), -1, 'a plain database');
      assert.equal(bytes.indexOf(household.label), -1, 'a name in the clear');
      assert.equal(bytes.indexOf('CREATE TABLE'), -1, 'a schema in the clear');
    }
    const starts = big.map((bytes) => bytes.subarray(POOL_HEAD, POOL_HEAD + 16).toString('hex'));
    // A log begins with a mark of its own; the salt stands in the database.
    return starts.filter((start) => !start.startsWith(LOG_MARK));
  } finally {
    await phone.end();
  }
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const [one, other] = [server.member(), server.member()];
  const first = await salts(server, officer, one.user);
  const second = await salts(server, officer, other.user);
  assert.ok(first.length > 0 && second.length > 0, 'each phone has a database');
  for (const salt of [...first, ...second]) assert.notEqual(salt, '0'.repeat(32), 'a salt of zeros');
  assert.equal(first.filter((salt) => second.includes(salt)).length, 0, 'two phones with one salt');
}
