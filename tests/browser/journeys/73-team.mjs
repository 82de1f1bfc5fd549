// A leader sees the team without a network; a member is offered no such page.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const leader = server.sample.accounts.find((one) => one.role === 'team_leader' && /^Thôn /.test(one.place));
  const member = server.sample.accounts.find((one) => one.role === 'member' && one.place === leader.place);
  const phone = await Phone.open(server);
  const { page } = phone;
  try {
    await phone.enrol(await officer.code(leader.user));
    await page.getByText('Đã gửi hết').waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await phone.offline();
    await page.evaluate(() => (location.hash = '#/more'));
    await page.getByRole('link', { name: 'Tổ của tôi' }).click();
    await page.getByText(member.display_name).waitFor();
    const aside = await phone.beside();
    const [team] = await ask(aside, 'team_overview', {});
    const counts = await ask(aside, 'counts', {});
    assert.equal(team.recorded, counts.visits.recorded, 'the same number as on the page of numbers');
    assert.ok(team.members.every((one, at, all) => at === 0 || (all[at - 1].quiet_days ?? Infinity) >= (one.quiet_days ?? Infinity)), 'the quietest first');
    await aside.close();
  } finally {
    await phone.end();
  }
  const other = await Phone.open(server);
  try {
    await other.enrol(await officer.code(member.user));
    await other.page.evaluate(() => (location.hash = '#/more'));
    await other.page.getByRole('link', { name: 'Hướng dẫn' }).waitFor();
    assert.equal(await other.page.getByRole('link', { name: 'Tổ của tôi' }).count(), 0);
  } finally {
    await other.end();
  }
}
