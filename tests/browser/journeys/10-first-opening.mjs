// A phone is enrolled, and from then on opens without a network: after a reload and after the browser was killed.
import assert from 'node:assert/strict';
import { Officer, Phone, ask } from '../lib.mjs';

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const phone = await Phone.open(server);
  try {
    await phone.goto();
    await phone.page.getByLabel('Mã đăng ký').fill('00000000');
    await phone.page.getByRole('button', { name: 'Đăng ký máy này' }).click();
    await phone.page.locator('[aria-invalid=true]').waitFor();

    await phone.enrol(await officer.code(member.user));
    const second = await phone.beside();
    const households = await ask(second, 'households', { query: '', limit: 5 });
    assert.ok(households.length > 0, 'the village is here after the first sync');
    await second.close();

    // The page and everything it needs is kept: no network at all, and a server that is gone.
    await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await phone.offline();
    await phone.page.reload();
    await phone.unlock();
    await phone.home();

    // The browser takes it for an app that can be put on the home screen.
    await phone.offline(false);
    await phone.page.reload();
    await phone.unlock();
    await phone.home();
    const cdp = await phone.context.newCDPSession(phone.page);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors, []);
    const manifest = JSON.parse((await cdp.send('Page.getAppManifest')).data);
    assert.ok(manifest.icons.some((icon) => icon.purpose?.includes('maskable')), 'an icon that may be cut to any shape');
    assert.equal(manifest.display, 'standalone');
    await phone.offline();

    // A wrong PIN opens nothing.
    await phone.page.reload();
    await phone.page.getByText('Ứng dụng đang khóa').waitFor();
    await phone.pin('111222');
    await phone.page.getByText('Mã PIN không đúng').waitFor();
    assert.equal(await phone.page.getByRole('heading', { name: /^Chào / }).count(), 0);
    await phone.pin();
    await phone.home();

    await phone.kill();
    await phone.restart();
    await phone.offline();
    await phone.goto();
    await phone.unlock();
    await phone.home();
  } finally {
    await phone.end();
  }
}
