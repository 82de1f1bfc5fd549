// No screen has a serious fault of accessibility, in either theme, with the largest text too; nothing sticks out sideways.
import { check } from '../accessible.mjs';
import { Officer, Phone } from '../lib.mjs';
import { everyScreen, look } from '../screenshots.mjs';

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
