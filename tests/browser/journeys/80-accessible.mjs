// No screen has a serious fault of accessibility, in either theme, with the largest text too; nothing sticks out sideways.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Officer, Phone } from '../lib.mjs';
import { everyScreen, look } from '../screenshots.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function check(name, page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  );
  const grave = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  const told = grave.map((one) => `${one.id}: ${one.help} (${one.nodes.map((node) => node.target.join(' ')).join('; ')})`);
  assert.deepEqual(told, [], name);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 1, `${name} is ${wide} px wider than the screen`);
}

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  try {
    await phone.goto();
    await phone.page.getByLabel('Mã đăng ký').waitFor();
    await check('enrol', phone.page);
    await phone.enrol(await officer.code(member.user));
    for (const [theme, size] of [['light', 'normal'], ['dark', 'huge']]) {
      await look(phone, { theme, size });
      await everyScreen(phone, (name, page) => check(`${name}, ${theme}, ${size}`, page));
    }
    await phone.page.reload();
    await phone.page.getByText('Ứng dụng đang khóa').waitFor();
    await check('lock', phone.page);
  } finally {
    await phone.end();
  }
}
