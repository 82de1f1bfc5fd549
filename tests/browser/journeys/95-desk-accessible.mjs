// No page of the desk has a serious fault of accessibility, in either language; nothing sticks out sideways on an office's screen,
// on a small one, or on a phone.
import { check } from '../accessible.mjs';
import { deskPages, settle } from '../desk-pages.mjs';
import { Desk, PHONE } from '../lib.mjs';

export default async function journey(server) {
  const pages = await deskPages(server);
  for (const [role, listed] of Object.entries(pages)) {
    const desk = await Desk.open(server, role);
    try {
      for (const [name, address] of listed) {
        for (const [viewport, lang] of [[{ width: 1280, height: 800 }, 'vi'], [{ width: 1024, height: 768 }, 'en'], [PHONE, 'vi']]) {
          await desk.page.setViewportSize(viewport);
          await desk.page.evaluate((lang) => localStorage.setItem('thonso.lang', lang), lang);
          await settle(desk, address);
          await check(`${name}, ${viewport.width} wide, ${lang}`, desk.page);
        }
      }
    } finally {
      await desk.end();
    }
  }
}
