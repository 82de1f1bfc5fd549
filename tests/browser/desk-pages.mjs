// Every page of the desk: a name, its address, and for whom.
import { Officer } from './lib.mjs';

/** The pages of each role; ids are filled in from the sample. */
export async function deskPages(server) {
  const officer = await Officer.signIn(server);
  const visit = (await officer.get('/api/v1/visits?limit=1')).items[0];
  const team = (await officer.get('/api/v1/teams')).items.find((one) => one.level === 'village');
  const member = server.sample.accounts.find((one) => one.role === 'member');
  return {
    commune_officer: [
      ['overview', ''],
      ['review', 'review'],
      ['visit', `visits/${visit.id}`],
      ['conflicts', 'conflicts'],
      ['figures', 'figures'],
      ['figure', 'figures/vneid_level2'],
      ['league', 'league'],
      ['reports', 'reports'],
      ['map', 'map'],
      ['field-cases', 'field-cases'],
      ['targets', 'targets'],
      ['bases', 'bases'],
      ['campaigns', 'campaigns'],
      ['announcements', 'announcements'],
      ['recognitions', 'recognitions'],
      ['courses', 'courses'],
      ['support', 'support'],
      ['households', 'households'],
      ['household', `households/${visit.household.id}`],
      ['duplicates', 'duplicates'],
      ['quality', 'quality'],
      ['teams', 'teams'],
      ['team', `teams/${team.id}`],
      ['people', 'people'],
      ['person', `people/${member.user}`],
      ['enrolment-sheet', 'people/sheet'],
      ['imports', 'imports'],
      ['units', 'units'],
      ['catalogue', 'catalogue'],
      ['missing', 'no-such-page'],
    ],
    province_officer: [['province', ''], ['province-figures', 'figures'], ['province-reports', 'reports'], ['province-map', 'map'], ['province-recognitions', 'recognitions']],
    admin: [['admin', ''], ['reorganisations', 'reorganisations'], ['audit', 'audit']],
  };
}

/** Opens a page and waits until nothing is on its way any more. */
export async function settle(desk, address) {
  await desk.goto(address);
  await desk.page.locator('#content h1').waitFor();
  const busy = desk.page.locator('[aria-busy="true"]');
  while ((await busy.count()) > 0) await busy.first().waitFor({ state: 'detached' });
}
