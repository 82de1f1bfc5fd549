// A picture of every screen of the field app, in both languages, light and dark, on a small phone and on a tablet; and of every
// page of the desk, in both languages, on an office's screen and on a phone.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { deskPages, settle } from './desk-pages.mjs';
import { Desk, OFFICE, Officer, PHONE, Phone, ask } from './lib.mjs';

const TABLET = { width: 800, height: 1280 };

/** Every screen: a name and what follows `#/`. Ids are filled in from the phone's own rows. */
async function screens(page) {
  const [household] = await ask(page, 'households', { query: '', limit: 1 });
  const visits = await ask(page, 'visits', { limit: 20 });
  const [place] = await ask(page, 'places');
  const state = await ask(page, 'state');
  const form = {
    village: place.village.id, team: place.teams[0].id, household: household.id, visit_type: 'household', day: state.day,
    activities: [{ kind: 'vneid_level2', fields: { step: 'activated' } }],
  };
  const draft = await ask(page, 'draft_begin', { call: crypto.randomUUID(), form });
  const asked = { ...form, activities: [{ kind: 'payment_qr_point', fields: {} }] };
  const business = await ask(page, 'draft_begin', { call: crypto.randomUUID(), form: asked });
  const [course] = await ask(page, 'courses');
  return [
    ['home', ''],
    ['households', 'households'],
    ['household', `household/${household.id}`],
    ['household-new', 'household-edit/new'],
    ['household-edit', `household-edit/${household.id}`],
    ['new-visit', 'new-visit'],
    ['draft', `draft/${draft.id}`],
    ['draft-business', `draft/${business.id}`],
    ['visit', `visit/${visits[0].id}`],
    ['returned', 'lists/returned'],
    ['conflicts', 'lists/conflicts'],
    ['follow-ups', 'lists/follow-ups'],
    ['drafts', 'lists/drafts'],
    ['outbox', 'outbox'],
    ['numbers', 'numbers'],
    ['news', 'news'],
    ['courses', 'courses'],
    ['course', `courses/${course.code}`],
    ['more', 'more'],
    ['help', 'help'],
    ['team', 'team'],
    ['settings', 'settings'],
  ];
}

/** Goes through every screen of a phone that is in; `each` does something with it. */
export async function everyScreen(phone, each) {
  const second = await phone.context.newPage();
  await second.goto(`${phone.server.base}/app/`);
  await second.getByRole('heading', { level: 1 }).first().waitFor();
  const list = await screens(second);
  await second.close();
  for (const [name, hash] of list) {
    await phone.page.evaluate((hash) => (location.hash = `#/${hash}`), hash);
    await phone.page.locator('main').first().waitFor();
    // Rows come from the worker; the screen is done when nothing is asked any more.
    await phone.page.waitForLoadState('networkidle');
    await phone.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 250))));
    await each(name, phone.page);
  }
}

/** Another language, theme or text size, as the settings keep them. */
export async function look(phone, { lang = 'vi', theme = 'light', size = 'normal' } = {}) {
  await phone.page.evaluate(
    ([lang, theme, size]) => {
      localStorage.setItem('thonso.lang', lang);
      localStorage.setItem('thonso.theme', theme);
      localStorage.setItem('thonso.size', size);
    },
    [lang, theme, size],
  );
  await phone.page.evaluate(() => (location.hash = '#/'));
  await phone.page.reload();
  await phone.page.getByRole('button', { name: '5', exact: true }).waitFor();
  await phone.pin();
  await phone.page.getByRole('navigation').waitFor();
}

export async function screenshots(server, folder) {
  await mkdir(folder, { recursive: true });
  const officer = await Officer.signIn(server);
  const member = server.member();
  for (const [device, viewport] of [['phone', PHONE], ['tablet', TABLET]]) {
    const phone = await Phone.open(server, { viewport });
    try {
      await phone.goto();
      await phone.page.getByLabel('Mã đăng ký').waitFor();
      const picture = (name) => phone.page.screenshot({ path: join(folder, `${device}-${name}.png`), fullPage: true });
      await picture('enrol-vi-light');
      await phone.enrol(await officer.code(member.user));
      for (const lang of ['vi', 'en']) {
        for (const theme of ['light', 'dark']) {
          await look(phone, { lang, theme });
          await everyScreen(phone, (name) => picture(`${name}-${lang}-${theme}`));
        }
      }
      await phone.page.reload();
      await phone.page.getByRole('button', { name: '5', exact: true }).waitFor();
      await picture('lock-en-dark');
    } finally {
      await phone.end();
    }
  }
  await deskPictures(server, folder);
}

async function deskPictures(server, folder) {
  for (const [role, listed] of Object.entries(await deskPages(server))) {
    const desk = await Desk.open(server, role);
    try {
      for (const [screen, viewport] of [['office', OFFICE], ['phone', PHONE]]) {
        await desk.page.setViewportSize(viewport);
        for (const lang of ['vi', 'en']) {
          await desk.page.evaluate((lang) => localStorage.setItem('thonso.lang', lang), lang);
          for (const [name, address] of listed) {
            await settle(desk, address);
            await desk.page.screenshot({ path: join(folder, `desk-${screen}-${name}-${lang}.png`) });
          }
        }
      }
    } finally {
      await desk.end();
    }
  }
}
